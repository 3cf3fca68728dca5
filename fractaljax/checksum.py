"""The checksum of files: the formats that songs and arrays lie in let a flipped bit pass."""

import os
import zlib

BLOCK_BYTES = 1 << 20


def crc32(path: str | os.PathLike) -> int:
  """CRC-32 of a local file, read a block at a time."""
  checksum = 0
  with open(path, 'rb', buffering=0) as file:
    while block := file.read(BLOCK_BYTES):
      checksum = zlib.crc32(block, checksum)
  return checksum
