"""Parts of a dataset: what one job writes, a folder of shards with a manifest that lists them.

A part grows in a hidden folder beside its place, its manifest after each shard, and moves to its
place when it is complete: an interrupted job goes on from its last shard.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fractaljax.data.lock import alone
from fractaljax.data.shards import Shard
from fractaljax.errors import UserError

FORMAT, VERSION = 'fractaljax songs', 2
MANIFEST = 'manifest.json'
NAME = re.compile(r'\.?part-(\d{5,})-of-(\d{5,})')


class Part(NamedTuple):
  """Which share of the files: number `index` of `count`."""

  index: int = 0
  count: int = 1

  @property
  def name(self) -> str:
    return f'part-{self.index:05d}-of-{self.count:05d}'


class Manifest(NamedTuple):
  """What a part is made of.

  Attributes:
    arguments: name -> text of everything that decides what is written.
    num_shards: of the whole part.
    shards: those that are written, by name.
  """

  arguments: dict[str, str]
  num_shards: int
  shards: dict[str, Shard]

  def save(self, folder: Path) -> None:
    """Writes it, all or nothing."""
    shards = [self.shards[name]._asdict() for name in sorted(self.shards)]
    fields = {'format': FORMAT, 'version': VERSION} | self._asdict() | {'shards': shards}
    half = folder / f'{MANIFEST}.half'
    half.write_text(json.dumps(fields, indent=1) + '\n')
    half.replace(folder / MANIFEST)


def load(folder: Path) -> Manifest:
  """A part's manifest.

  Raises:
    UserError: it is missing, damaged or of another version.
  """
  path = folder / MANIFEST
  try:
    fields: dict[str, Any] = json.loads(path.read_text())
    if (found := (fields['format'], fields['version'])) != (FORMAT, VERSION):
      raise UserError(
        f'{path} has {found[0]}, version {found[1]}, not {FORMAT}, version {VERSION}; '
        'prepare the songs again with --overwrite'
      )
    shards = {shard['name']: Shard(**shard) for shard in fields['shards']}
    return Manifest(fields['arguments'], fields['num_shards'], shards)
  except FileNotFoundError as error:
    raise UserError(f'{path} is missing; prepare the songs again with --overwrite') from error
  except (ValueError, KeyError, TypeError) as error:
    raise UserError(f'{path} is damaged; prepare the songs again with --overwrite') from error


@contextlib.contextmanager
def open_part(
  output: Path, part: Part, arguments: dict[str, str], num_shards: int, overwrite: bool
) -> Iterator[tuple[Path, Manifest]]:
  """A part's folder and manifest, to which the missing shards are added; then it is put in place.

  Shards that are there, made with the same arguments and whole by their checksums, are kept.

  Args:
    output: folder of the dataset.
    part: which one.
    arguments: what decides what is written.
    num_shards: of the whole part.
    overwrite: whether songs that are complete, or made with other arguments, are replaced.

  Raises:
    UserError: there is something else at `output`, it cannot be written, or another job is at it.
  """
  place, growing = output / part.name, output / f'.{part.name}'
  try:
    check_output(output, part, overwrite)
    manifest = _grown(growing, arguments, overwrite)
    if manifest is None and place.exists() and not overwrite:
      manifest = _whole(place, load_same(place, arguments))
      if len(manifest.shards) == num_shards:
        yield place, manifest
        return
      place.rename(growing)
    growing.mkdir(parents=True, exist_ok=True)
    with alone(growing):
      manifest = _whole(growing, manifest or Manifest(arguments, num_shards, {}))
      manifest.save(growing)
      yield growing, manifest
      shutil.rmtree(place, ignore_errors=True)
      growing.rename(place)
    for other in of_other_counts(output, part):
      shutil.rmtree(output / other, ignore_errors=True)
  except OSError as error:
    raise UserError(f'{output} cannot be written: {error.strerror or error}') from error


def remove(growing: Path) -> None:
  """Removes what has grown of a part, and the dataset's folder if nothing is left in it."""
  shutil.rmtree(growing, ignore_errors=True)
  with contextlib.suppress(OSError):
    growing.parent.rmdir()


def names_in(folder: Path) -> list[str]:
  """What is in a folder, or in one of a bucket, where that may list itself."""
  return sorted(path.name for path in folder.iterdir() if path != folder)


def check_output(output: Path, part: Part, overwrite: bool) -> None:
  """Raises UserError if there is something else than songs, or other parts that are to stay."""
  if not output.exists():
    return
  if not output.is_dir() or not all(map(NAME.fullmatch, names_in(output))):
    raise UserError(f'{output} is something else than songs; choose another --output')
  if not overwrite and (others := of_other_counts(output, part)):
    raise UserError(
      f'{output} has {others[0]}, and --num_shards={part.count} is another number; '
      'choose another --output or give --overwrite'
    )


def of_other_counts(output: Path, part: Part) -> list[str]:
  """The parts that are not of this preparation, by name."""
  found = filter(None, map(NAME.fullmatch, names_in(output)))
  return [name[0] for name in found if int(name[2]) != part.count]


def _grown(folder: Path, arguments: dict[str, str], overwrite: bool) -> Manifest | None:
  """The manifest of what an interrupted job left, if it is of use; else that is removed."""
  if not folder.exists():
    return None
  with alone(folder):  # perhaps it was not interrupted
    try:
      if (folder / MANIFEST).exists():
        return load_same(folder, arguments)
    except UserError:
      if not overwrite:
        raise
    shutil.rmtree(folder, ignore_errors=True)
  return None


def load_same(folder: Path, arguments: dict[str, str]) -> Manifest:
  """A part's manifest, if its arguments are these."""
  manifest = load(folder)
  if changed := differences(manifest.arguments, arguments):
    raise UserError(
      f'{folder} was made with {changed}; choose another --output or give --overwrite'
    )
  return manifest


def differences(before: dict[str, str], now: dict[str, str]) -> str:
  """Tells which arguments are not the same; '' if all are."""
  keys = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
  return ', '.join(f'{k}={before.get(k)} (now {now.get(k)})' for k in keys)


def _whole(folder: Path, manifest: Manifest) -> Manifest:
  """The manifest without the shards that are missing or damaged."""
  whole = {name: shard for name, shard in manifest.shards.items() if shard.is_whole(folder)}
  return manifest._replace(shards=whole)
