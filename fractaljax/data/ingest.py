"""Preparing songs: read in worker processes, counted, written as shards."""

import collections
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from fractaljax.data import records, sources, workers
from fractaljax.errors import UserError

ITEM_SECONDS = 60.0
SHOWN_REJECTIONS = 5


def prepare(
  items: Sequence[sources.Item], output: str | os.PathLike, num_workers: int, overwrite: bool
) -> dict:
  """Reads songs and writes them to `output`; goes on past those that cannot be used.

  The result does not depend on the number of workers.

  Returns:
    songs, notes, bars, rejected (reason -> count), onset_error_mean (16ths), seconds.

  Raises:
    UserError: no song could be used, or `output` cannot be written; nothing is left there then.
  """
  began = time.perf_counter()
  items = sorted(items, key=lambda item: item.split)
  rejected, total, error_sum = collections.Counter(), collections.Counter(), 0.0
  with records.new_dataset(output, overwrite) as writer:
    for item, result in _in_order(items, num_workers):
      if isinstance(result, workers.Failure):
        rejected[result.reason] += 1
        if rejected.total() <= SHOWN_REJECTIONS:
          tqdm.write(f'left out ({result.reason}): {item.source}: {result.text}', file=sys.stderr)
        continue
      song, onset_error = result
      writer.add(item.split, song)
      error_sum += onset_error * len(song.notes_Nx4)
      total.update(songs=1, notes=len(song.notes_Nx4), bars=song.num_bars)
    if not total['songs']:
      reasons = ', '.join(f'{reason}: {count}' for reason, count in rejected.items())
      raise UserError(f'none of {len(items)} songs could be used ({reasons}); see --format')
  return {
    'songs': total['songs'],
    'notes': total['notes'],
    'bars': total['bars'],
    'rejected': dict(rejected),
    'onset_error_mean': error_sum / total['notes'],
    'seconds': round(time.perf_counter() - began, 3),
  }


def prepare_corpus(output: str | os.PathLike, num_songs: int, seed: int) -> dict:
  """Writes songs of the built-in corpus; see `prepare`."""
  items = sources.compositions(num_songs, seed)
  return prepare(items, Path(output), num_workers=os.cpu_count() or 1, overwrite=False)


def _in_order(items: Sequence[sources.Item], num_workers: int):
  """The items with their results, in their own order, as soon as it allows."""
  done, following = {}, 0
  results = workers.each(sources.read_item, items, num_workers, ITEM_SECONDS)
  for number, result in tqdm(results, total=len(items), unit='song', desc='preparing'):
    done[number] = result
    while following in done:
      yield items[following], done.pop(following)
      following += 1
