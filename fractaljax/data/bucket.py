"""Songs in a bucket (gs://, s3://), by way of a copy on the local disk: ArrayRecord reads no other.

The copies lie in ~/.cache/fractaljax, or where XDG_CACHE_HOME says.
"""

import fnmatch
import hashlib
import os
import shutil
from pathlib import Path

from etils import epath

from fractaljax.data import parts
from fractaljax.data.parts import Part
from fractaljax.errors import UserError

CHUNK_BYTES = 1 << 24
_REMEDY = "see that you may use the bucket, and pip install 'fractaljax[remote]'"


def is_bucket(directory: str | os.PathLike) -> bool:
  return '://' in str(directory)


def check_local(directory: str | os.PathLike, name: str) -> None:
  """Raises UserError if the value of the flag `name` is in a bucket."""
  if is_bucket(directory):
    raise UserError(f'--{name}={directory}: give a folder of this machine, and copy it from there')


def pull(address: str, pattern: str = 'part-*') -> Path:
  """Copies the parts of a dataset that are not here yet; returns the folder of the copy.

  A shard is copied again only if its size is another; `Songs` checks what is in it.

  Raises:
    UserError: the bucket cannot be read.
  """
  name = hashlib.blake2b(address.encode(), digest_size=8).hexdigest()
  cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
  copy = cache / 'fractaljax' / name
  try:
    folder = epath.Path(address)
    for part in sorted(folder.iterdir()) if folder.exists() else ():
      for file in sorted(part.iterdir()) if fnmatch.fnmatch(part.name, pattern) else ():
        _fetch(file, copy / part.name / file.name)
  except (OSError, ImportError, ValueError) as error:
    raise UserError(f'{address} cannot be read ({_reason(error)}); {_REMEDY}') from error
  return copy


def push(folder: Path, address: str, part: Part) -> None:
  """Copies a part to the bucket, its manifest last: where that is, the part is whole.

  Raises:
    UserError: the bucket cannot be written.
  """
  here, there = folder / part.name, epath.Path(address) / part.name
  names = sorted(path.name for path in here.iterdir() if path.name != parts.MANIFEST)
  try:
    there.mkdir(parents=True, exist_ok=True)
    (there / parts.MANIFEST).unlink(missing_ok=True)
    for name in (*names, parts.MANIFEST):
      _copy(here / name, there / name)
  except (OSError, ImportError, ValueError) as error:
    raise UserError(f'{address} cannot be written ({_reason(error)}); {_REMEDY}') from error


def _fetch(file: epath.Path, copy: Path) -> None:
  is_shard = file.name != parts.MANIFEST
  if is_shard and copy.exists() and copy.stat().st_size == file.stat().length:
    return
  copy.parent.mkdir(parents=True, exist_ok=True)
  half = copy.with_name(f'.{copy.name}.{os.getpid()}')
  try:
    _copy(file, half)
    half.replace(copy)
  finally:
    half.unlink(missing_ok=True)


def _copy(source: epath.PathLike, target: epath.PathLike) -> None:
  with epath.Path(source).open('rb') as reads, epath.Path(target).open('wb') as writes:
    shutil.copyfileobj(reads, writes, CHUNK_BYTES)


def _reason(error: Exception) -> str:
  return ' '.join(str(error).split())[:200] or type(error).__name__
