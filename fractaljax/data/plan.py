"""The plan of a part: which songs go to which shard, known before any is read."""

import array
import collections
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from fractaljax.data import sources
from fractaljax.data.parts import Part

FILES_PER_SHARD = 4096


class Slice(NamedTuple):
  """What a shard is made of: the songs with these numbers, all of one split."""

  name: str
  split: str
  numbers: Sequence[int]


class Chosen(Sequence):
  """Some of the items, in their order."""

  def __init__(self, items: sources.Items, slices: Sequence[Slice]):
    self._items, self._numbers = items, array.array('q')
    for piece in slices:
      self._numbers.extend(piece.numbers)

  def __len__(self) -> int:
    return len(self._numbers)

  def __getitem__(self, index) -> sources.Item:
    return self._items[self._numbers[index]]


def make_plan(items: sources.Items, part: Part) -> tuple[list[Slice], dict[str, str]]:
  """The shards of a part, and all that decides what is in them.

  Each part has a stretch of every split, so that parts one after another are the whole.
  """
  numbers = collections.defaultdict(lambda: array.array('q'))
  digest = hashlib.blake2b(digest_size=8)
  for i, item in enumerate(items):
    split = item.split or sources.split_by_name(item.source)
    numbers[split].append(i)
    digest.update(f'{item.source}\0{item.split}\n'.encode())
  slices = []
  for split in sorted(numbers):
    num = len(numbers[split])
    mine = numbers[split][num * part.index // part.count : num * (part.index + 1) // part.count]
    for k in range(0, len(mine), FILES_PER_SHARD):
      name = f'{split}-{k // FILES_PER_SHARD:05d}.array_record'
      slices.append(Slice(name, split, mine[k : k + FILES_PER_SHARD]))
  arguments = {
    'files': f'{len(items)} ({digest.hexdigest()})',
    'files_per_shard': str(FILES_PER_SHARD),
    'splits': 'given' if items[0].split else 'by name',
  }
  return slices, items.arguments | arguments
