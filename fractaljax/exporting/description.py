"""export.json: what an export is, and what its files have to be."""

import json
from pathlib import Path

from fractaljax.checksum import crc32
from fractaljax.errors import UserError

NAME = 'export.json'
FORMAT, VERSION = 'fractaljax export', 6


def write(folder: Path, about: dict) -> dict:
  """Describes an export whose files are complete; the description has their checksums.

  Not of .json and .py, which people may read and change.

  Returns:
    the description as `read` gives it.
  """
  paths = [p for p in sorted(folder.rglob('*')) if p.is_file() and p.suffix not in ('.json', '.py')]
  files = {str(path.relative_to(folder)): _fingerprint(path) for path in paths}
  content = {'format': FORMAT, 'version': VERSION} | about | {'files': files}
  (folder / NAME).write_text(json.dumps(content, indent=2) + '\n')
  return content


def read(folder: Path) -> dict:
  """The description of an export, once its files were found to be whole.

  Raises:
    UserError: it is of another format or version, or a file is missing or damaged.
  """
  path = folder / NAME
  try:
    about = json.loads(path.read_text())
    found = about['format'], about['version']
    files = about['files'] if found == (FORMAT, VERSION) else {}
  except OSError as error:
    raise UserError(f'{path} cannot be read ({error.strerror}); export the run again') from error
  except (ValueError, KeyError, TypeError) as error:
    raise UserError(f'{path} is damaged; export the run again') from error
  if found != (FORMAT, VERSION):
    raise UserError(
      f'{path} has {found[0]}, version {found[1]}, and this program reads {FORMAT}, version '
      f'{VERSION}; export the run again'
    )
  for name, fingerprint in files.items():
    file = folder / name
    if not file.is_file():
      raise UserError(f'{file} is missing; export the run again')
    try:
      is_same = _fingerprint(file) == fingerprint
    except OSError as error:
      raise UserError(f'{file} cannot be read ({error.strerror})') from error
    if not is_same:
      raise UserError(f'{file} is damaged; export the run again')
  return about


def _fingerprint(path: Path) -> list[int]:
  """Size and CRC-32: a flipped bit in an array is noticed by nothing below."""
  return [path.stat().st_size, crc32(path)]
