"""The songs of a split, read from the shards that `prepare` wrote."""

import bisect
import itertools
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

import msgpack
from array_record.python.array_record_module import ArrayRecordReader

from fractaljax.data import bucket, parts
from fractaljax.data.shards import Shard, unpack
from fractaljax.errors import UserError
from fractaljax.music.notes import Song

BY_NAME = ('train', 'valid')


class Stretch(NamedTuple):
  """Records first .. first + songs - 1 of a shard."""

  folder: Path
  shard: Shard
  first: int
  songs: int

  @property
  def path(self) -> Path:
    return self.folder / self.shard.name


class Songs:
  """The songs of one split, by number; a sequence that can travel to other processes.

  Args:
    directory: what `prepare` wrote; in a bucket (gs://, s3://), it is copied to this machine.
    split: 'train' or 'valid', as a rule.
    damaged: 'refuse' or 'skip': what is done if a shard is missing, or not what its checksum says.
      Skipped shards are named on stderr.

  Raises:
    UserError: the folder is not there or has no songs in it, or not all parts of them, or no such
      split; a shard is damaged, or all are.
  """

  def __init__(self, directory: str | os.PathLike, split: str, damaged: str = 'refuse'):
    self.directory = bucket.at(directory)
    self.split = split
    with bucket.reached(self.directory):
      splits = read_splits(self.directory)
    if split not in splits:
      raise UserError(f'{directory} has no split {split!r}; it has {", ".join(splits)}')
    self._stretches = _undamaged(splits[split], damaged)
    self._ends = list(itertools.accumulate(stretch.songs for stretch in self._stretches))
    self._readers: dict[int, ArrayRecordReader] = {}

  @property
  def shards(self) -> list[str]:
    """The names of those that are read, with the part that each is in."""
    return [f'{each.folder.name}/{each.shard.name}' for each in self._stretches]

  def __len__(self) -> int:
    return self._ends[-1]

  def __getitem__(self, index) -> Song:
    number = range(len(self))[index]
    k = bisect.bisect_right(self._ends, number)
    stretch = self._stretches[k]
    record = stretch.first + number - (self._ends[k] - stretch.songs)
    try:
      return unpack(self._reader(k).read([record])[0])
    except (RuntimeError, ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
      copied = bucket.is_bucket(self.directory)
      remedy = 'start again, which copies it anew' if copied else 'prepare the songs again'
      raise UserError(f'{stretch.path} is damaged (song {record}); {remedy}') from error

  def __getstate__(self):
    return vars(self) | {'_readers': {}}

  def _reader(self, k: int) -> ArrayRecordReader:
    if k not in self._readers:
      path = str(self._stretches[k].path)
      self._readers[k] = ArrayRecordReader(path, 'readahead_buffer_size:0')
    return self._readers[k]


def read_splits(directory: Path) -> dict[str, list[Stretch]]:
  """The shards of each split, of all parts in order.

  Where names decide and nothing fell to training or to validation, the last song of the other is
  lent to it: a small folder, too, has songs for both.

  Raises:
    UserError: parts are missing, or were not made with the same arguments.
  """
  splits: dict[str, list[Stretch]] = {}
  is_by_name = False
  for folder, manifest in _read_parts(directory):
    is_by_name = manifest.arguments['splits'] == 'by name'
    for name in sorted(manifest.shards):
      if (shard := manifest.shards[name]).songs:
        splits.setdefault(shard.split, []).append(Stretch(folder, shard, 0, shard.songs))
  if not splits:
    raise UserError(f'{directory} has no songs: none of its files could be used; see their reasons')
  for split, other in (BY_NAME, BY_NAME[::-1]) if is_by_name else ():
    if split not in splits and (split == 'train' or _num_songs(splits[other]) > 1):
      splits[split] = [_lent(splits, other)]
  return dict(sorted(splits.items()))


def _read_parts(directory: Path) -> list[tuple[Path, parts.Manifest]]:
  names = parts.names_in(directory) if directory.is_dir() else []
  found = [name for name in names if re.fullmatch(r'part-\d{5,}-of-\d{5,}', name)]
  if not found:
    started = 'prepare has not finished' if any(map(parts.NAME.fullmatch, names)) else 'no part-*'
    raise UserError(
      f'{directory} has no songs ({started}); write them with python -m fractaljax.prepare'
    )
  counts = {int(parts.NAME.fullmatch(name)[2]) for name in found}
  if len(counts) > 1:
    raise UserError(f'{directory} has {found[0]} and {found[-1]}; remove those of one preparation')
  every = [parts.Part(i, *counts).name for i in range(*counts)]
  if missing := [name for name in every if name not in found]:
    shown = ', '.join(missing[:8]) + (', ...' if len(missing) > 8 else '')
    raise UserError(
      f'{directory} lacks {len(missing)} of {len(every)} parts ({shown}); run prepare with the '
      f'--shard_index of each'
    )
  read = [(directory / name, parts.load(directory / name)) for name in found]
  for folder, manifest in read:
    if changed := parts.differences(read[0][1].arguments, manifest.arguments):
      raise UserError(
        f'{folder} is not of the same songs as {found[0]}: {changed}; prepare it again'
      )
  return read


def _num_songs(stretches: list[Stretch]) -> int:
  return sum(stretch.songs for stretch in stretches)


def _lent(splits: dict[str, list[Stretch]], other: str) -> Stretch:
  """Takes its last song from a split."""
  last = splits[other].pop()
  if last.songs > 1:
    splits[other].append(last._replace(songs=last.songs - 1))
  if not splits[other]:
    del splits[other]
  return last._replace(first=last.first + last.songs - 1, songs=1)


def _undamaged(stretches: list[Stretch], damaged: str) -> list[Stretch]:
  """Those whose shards are whole, on this machine; the others are refused, or named."""
  found = [(stretch, _find(stretch)) for stretch in stretches]
  if bad := [stretch for stretch, folder in found if not folder]:
    _report(bad, stretches, damaged)
  return [stretch._replace(folder=folder) for stretch, folder in found if folder]


def _find(stretch: Stretch) -> Path | None:
  """The folder of this machine in which its shard is whole, if there is one."""
  if bucket.is_bucket(stretch.folder):
    return bucket.fetch(stretch.folder, stretch.shard)
  return stretch.folder if stretch.shard.is_whole(stretch.folder) else None


def _report(bad: list[Stretch], stretches: list[Stretch], damaged: str) -> None:
  if damaged == 'refuse':
    with bucket.reached(bad[0].path):
      state = 'damaged' if bad[0].path.exists() else 'missing'
    state += ' in the bucket itself' * bucket.is_bucket(bad[0].path)
    others = f', as are {len(bad) - 1} others' if len(bad) > 1 else ''
    raise UserError(
      f'{bad[0].path} is {state}{others}; run the same prepare command again, which makes it anew, '
      'or train without it by --config.data.damaged=skip'
    )
  if len(bad) == len(stretches):
    raise UserError(f'{bad[0].path} and all other shards are damaged; prepare the songs again')
  for stretch in bad:
    print(f'left out: {stretch.path} is damaged: {stretch.songs} songs', file=sys.stderr)
  print(
    f'left out: {len(bad)} of {len(stretches)} shards, {_num_songs(bad)} of '
    f'{_num_songs(stretches)} songs', file=sys.stderr,
  )  # fmt: skip
