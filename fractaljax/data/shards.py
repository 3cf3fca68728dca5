"""Shards: ArrayRecord files of songs, each known by its size and checksum."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgpack
import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter

from fractaljax.checksum import crc32
from fractaljax.music.notes import DURATION, ONSET, PITCH, VELOCITY, Song

# One song a group: a song is read alone, in random order. Songs take 3.1 KB at level 1, 2.9 KB at
# the default of 3, and 10 KB uncompressed, which would be read in 6 us a song instead of 15.
OPTIONS = 'group_size:1,zstd:1'


class Shard(NamedTuple):
  """What a manifest says of a shard.

  Attributes:
    name: of the file; there is none if no song of it could be used.
    split: of its songs.
    files: what it was made of, rejected ones included.
    songs, notes, bars: what is in it.
    bytes, crc32: of the file.
    rejected: reason -> count.
    onset_error_sum: in 16ths, over its notes.
  """

  name: str
  split: str
  files: int
  songs: int
  notes: int
  bars: int
  bytes: int
  crc32: str
  rejected: dict[str, int]
  onset_error_sum: float

  def is_whole(self, folder: Path) -> bool:
    """Whether the file is there, as it was written."""
    path = folder / self.name
    try:
      return path.stat().st_size == self.bytes and checksum(path) == self.crc32
    except FileNotFoundError:
      return self.songs == 0


def pack(song: Song) -> bytes:
  """A song as a record: times as gaps and durations of 2 bytes, where they fit."""
  onset_N, duration_N = song.notes_Nx4[:, ONSET], song.notes_Nx4[:, DURATION]
  time_2xN = np.stack([np.diff(onset_N, prepend=0), duration_N])
  fits = np.abs(time_2xN).max(initial=0) <= np.iinfo(np.int16).max
  fields = {
    'times': time_2xN.astype('<i2' if fits else '<i4').tobytes(),
    'pitches': song.notes_Nx4[:, PITCH].astype('i1').tobytes(),
    'velocities': song.notes_Nx4[:, VELOCITY].astype('i1').tobytes(),
    'num_steps': song.num_steps,
    'metre': list(song.metre),
    'tempo_bpm': song.tempo_bpm,
    'source': song.source,
    'offset_steps': song.offset_steps,
  }
  return msgpack.packb(fields)


def unpack(record: bytes) -> Song:
  """The song of a record."""
  fields = msgpack.unpackb(record)
  times, pitches, velocities = fields.pop('times'), fields.pop('pitches'), fields.pop('velocities')
  num = len(pitches)
  time_2xN = np.frombuffer(times, '<i2' if len(times) == 4 * num else '<i4').reshape(2, num)
  # Each column in one piece: whoever cuts crops reads single columns.
  notes_4xN = np.empty((4, num), np.int32)
  np.cumsum(time_2xN[0], dtype=np.int32, out=notes_4xN[ONSET])
  notes_4xN[DURATION] = time_2xN[1]
  notes_4xN[PITCH] = np.frombuffer(pitches, 'i1')
  notes_4xN[VELOCITY] = np.frombuffer(velocities, 'i1')
  fields['metre'] = tuple(fields['metre'])
  return Song(notes_4xN.T, **fields)


def write(path: Path, records: Iterable[bytes]) -> tuple[int, str]:
  """Writes a shard, which is there as a whole or not at all; without records there is none.

  Returns:
    bytes and checksum of the file.

  Raises:
    OSError: it cannot be written.
  """
  half = path.with_name(f'{path.name}.half')
  writer = None
  try:
    for record in records:
      with _as_os_error():
        writer = writer or ArrayRecordWriter(str(half), OPTIONS)
        writer.write(record)
  finally:
    if writer is not None:
      with _as_os_error():
        writer.close()
  if writer is None:
    path.unlink(missing_ok=True)
    return 0, checksum(os.devnull)
  written = half.stat().st_size, checksum(half)
  half.replace(path)
  return written


def checksum(path: str | os.PathLike) -> str:
  """CRC-32 of a file, as eight hexadecimal digits."""
  return f'{crc32(path):08x}'


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
  """What ArrayRecord says of a full disk is a RuntimeError."""
  try:
    yield
  except RuntimeError as error:
    raise OSError(str(error)) from error
