"""Songs in a bucket (gs://, s3://), by way of copies on the local disk: ArrayRecord reads no other.

The manifests in the bucket say what there is. The copies, for each part a folder of its own, lie in
~/.cache/fractaljax, or where XDG_CACHE_HOME says, and are used as far as the checksums agree.
"""

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from etils import epath

from fractaljax.data import parts
from fractaljax.data.lock import alone
from fractaljax.data.parts import Manifest, Part
from fractaljax.data.shards import Shard
from fractaljax.errors import UserError

ATTEMPTS = 2
CHUNK_BYTES = 1 << 24


def is_bucket(directory: str | os.PathLike) -> bool:
  return '://' in str(directory)


def at(directory: str | os.PathLike) -> Path:
  """The path of a folder, or of one in a bucket."""
  return (epath.Path if is_bucket(directory) else Path)(directory)


def check_local(directory: str | os.PathLike, name: str) -> None:
  """Raises UserError if the value of the flag `name` is in a bucket."""
  if is_bucket(directory):
    raise UserError(f'--{name}={directory}: give a folder of this machine, and copy it from there')


@contextlib.contextmanager
def reached(address: str | os.PathLike, done: str = 'read') -> Iterator[None]:
  """Raises UserError if what is done at the address of a bucket fails."""
  try:
    yield
  except (OSError, ImportError, ValueError) as error:
    if not is_bucket(address):
      raise
    reason = ' '.join(str(error).split())[:200] or type(error).__name__
    raise UserError(
      f'{address} cannot be {done} ({reason}); see that you may use the bucket, and '
      "pip install 'fractaljax[remote]'"
    ) from error


def fetch(folder: epath.Path, shard: Shard) -> Path | None:
  """The folder of this machine that has a shard, which is copied there if it is not as it should.

  Processes of one machine wait for one another.

  Args:
    folder: of the part, in the bucket.
    shard: what its manifest says.

  Returns:
    None if the shard is missing in the bucket, or damaged there.
  """
  here = _copy_of(folder)
  if shard.is_whole(here):
    return here
  with reached(folder):
    here.mkdir(parents=True, exist_ok=True)
    with alone(here.parent, wait=True):
      for _ in range(ATTEMPTS):
        if shard.is_whole(here):
          return here
        with contextlib.suppress(FileNotFoundError):
          _fetch(folder / shard.name, here / shard.name)
  return here if shard.is_whole(here) else None


@contextlib.contextmanager
def open_part(
  songs: epath.Path, part: Part, arguments: dict[str, str], num_shards: int, overwrite: bool
) -> Iterator[tuple[Path, Manifest]]:
  """As `parts.open_part`: the part grows on this machine, and is in place once the bucket has it.

  Raises:
    UserError: as there; the bucket cannot be read or written.
  """
  here = _copy_of(songs / part.name)
  with reached(songs):
    parts.check_output(songs, part, overwrite)
    if not overwrite:
      _pull(songs / part.name, here, arguments)
  with parts.open_part(here.parent, part, arguments, num_shards, overwrite) as (folder, manifest):
    yield folder, manifest
    if folder == here:  # the bucket has it
      return
    with reached(songs, 'written'):
      _push(folder, manifest, songs / part.name)
      for other in parts.of_other_counts(songs, part):
        (songs / other).rmtree(missing_ok=True)


def _copy_of(folder: epath.Path) -> Path:
  name = hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()
  cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
  return cache / 'fractaljax' / name / folder.name


def _pull(place: epath.Path, here: Path, arguments: dict[str, str]) -> None:
  """Makes a copy of a part, or removes it if the bucket has none."""
  if not (place / parts.MANIFEST).exists():
    shutil.rmtree(here, ignore_errors=True)
    return
  manifest = parts.load_same(place, arguments)
  here.mkdir(parents=True, exist_ok=True)
  for shard in manifest.shards.values():
    fetch(place, shard)
  manifest.save(here)


def _push(folder: Path, manifest: Manifest, place: epath.Path) -> None:
  """Copies a part to the bucket, its manifest last: where that is, the part is whole."""
  place.rmtree(missing_ok=True)
  place.mkdir(parents=True, exist_ok=True)
  names = [shard.name for shard in manifest.shards.values() if shard.songs]
  for name in (*names, parts.MANIFEST):
    _copy(folder / name, place / name)


def _fetch(file: epath.Path, copy: Path) -> None:
  """All or nothing: where there are no locks, several processes may be at it."""
  half = copy.with_name(f'.{copy.name}.{uuid.uuid4().hex}')
  try:
    _copy(file, half)
    half.replace(copy)
  finally:
    half.unlink(missing_ok=True)


def _copy(source: epath.PathLike, target: epath.PathLike) -> None:
  with epath.Path(source).open('rb') as reads, epath.Path(target).open('wb') as writes:
    shutil.copyfileobj(reads, writes, CHUNK_BYTES)
