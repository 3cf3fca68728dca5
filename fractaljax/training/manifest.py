"""The manifest of a checkpoint: its format, and the size and CRC-32 of every file in it.

The storage below notices a missing or shortened file, but not a flipped bit in an array.
"""

import json
import zlib
from concurrent.futures import ThreadPoolExecutor

from etils import epath

from fractaljax.checksum import crc32
from fractaljax.data.bucket import is_bucket
from fractaljax.errors import UserError

NAME = 'MANIFEST'
FORMAT, VERSION = 'fractaljax checkpoint', 6


def write(folder: epath.Path) -> None:
  """Writes the manifest of a checkpoint that is complete but not yet in place."""
  content = {'format': FORMAT, 'version': VERSION, 'files': _files(folder)}
  text = json.dumps(content, sort_keys=True)
  (folder / NAME).write_text(f'{text}\n{zlib.crc32(text.encode()):08x}')


def damage(folder: epath.Path) -> str | None:
  """What is wrong with a checkpoint, in a few words; None if it is whole.

  Raises:
    UserError: the checkpoint is of another format or version.
  """
  try:
    text, checksum = (folder / NAME).read_text().splitlines()
    content = json.loads(text) if f'{zlib.crc32(text.encode()):08x}' == checksum else {}
  except (OSError, ValueError):
    content = {}
  if not content:
    return f'{NAME} is missing or damaged'
  found = content.get('format'), content.get('version')
  if found != (FORMAT, VERSION):
    raise UserError(
      f'{folder} is a {found[0]}, version {found[1]}, and this program reads a {FORMAT}, version '
      f'{VERSION}; use the version of fractaljax that wrote it'
    )
  try:
    expected, present = content['files'], _files(folder)
  except OSError as error:  # or it was removed meanwhile, for a newer one
    return f'it cannot be read ({error.strerror})'
  wrong = sorted(name for name in expected if present.get(name) != expected[name])
  if not wrong:
    return None
  return f'{wrong[0]} is {"damaged" if wrong[0] in present else "missing"}'


def _files(folder: epath.Path) -> dict[str, list]:
  """Size and checksum of each file of the items; those beside the items may still change."""
  paths = [path for item in folder.iterdir() if item.is_dir() for path in _walk(item)]
  with ThreadPoolExecutor() as pool:
    found = list(pool.map(_describe, paths))
  return {str(path.relative_to(folder)): entry for path, entry in zip(paths, found, strict=True)}


def _walk(folder: epath.Path) -> list[epath.Path]:
  inner = sorted(folder.iterdir())
  return [file for path in inner for file in (_walk(path) if path.is_dir() else [path])]


def _describe(path: epath.Path) -> list:
  # A bucket checks its own contents, and would have to send them all.
  return [path.stat().length, None if is_bucket(path) else crc32(path)]
