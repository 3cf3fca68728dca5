"""Preparing songs: read in worker processes, counted, written as shards."""

import collections
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from fractaljax.data import records, sources, workers
from fractaljax.errors import UserError
from fractaljax.music.notes import Song

ITEM_SECONDS = 60.0
SHOWN_REJECTIONS = 5


def prepare(
  items: Sequence[sources.Item], output: str | os.PathLike, num_workers: int, overwrite: bool
) -> dict:
  """Reads songs and writes them to `output`; goes on past those that cannot be used.

  What is written does not depend on the number of workers.

  Args:
    items: from `sources.find`.
    output: folder for the shards.
    num_workers: processes; 0 = in this one, for songs that cannot crash it.
    overwrite: whether songs at `output` are replaced.

  Returns:
    songs, notes, bars, rejected (reason -> count), onset_error_mean (16ths, over all notes),
    seconds.

  Raises:
    UserError: no song could be used, or `output` cannot be written; nothing is left there then.
  """
  began = time.perf_counter()
  items = sorted(items, key=lambda item: item.split or sources.split_by_name(item.source))
  total, rejected, error_sum = collections.Counter(), collections.Counter(), 0.0
  with records.new_dataset(output, overwrite) as writer:

    def accepted() -> Iterator[tuple[sources.Item, Song]]:
      nonlocal error_sum
      for item, result in _in_order(items, num_workers):
        if isinstance(result, workers.Failure):
          rejected[result.reason] += 1
          _show(item, result, rejected.total())
          continue
        song, onset_error = result
        error_sum += onset_error * len(song.notes_Nx4)
        total.update(songs=1, notes=len(song.notes_Nx4), bars=song.num_bars)
        yield item, song

    for split, song in _with_splits(accepted()):
      writer.add(split, song)
    if not total['songs']:
      raise UserError(_nothing_left(items, rejected))
  return {
    'songs': total['songs'],
    'notes': total['notes'],
    'bars': total['bars'],
    'rejected': dict(sorted(rejected.items())),
    'onset_error_mean': error_sum / max(total['notes'], 1),
    'seconds': round(time.perf_counter() - began, 3),
  }


def prepare_corpus(
  output: str | os.PathLike, num_songs: int, seed: int, overwrite: bool = False
) -> dict:
  """Writes songs of the built-in corpus, the last twentieth for validation; see `prepare`."""
  first_valid = num_songs - max(1, round(num_songs * sources.VALID_SHARE))
  items = [
    sources.Item(
      'corpus', str(seed), str(i), f'corpus/{seed}/{i}', 'train' if i < first_valid else 'valid'
    )
    for i in range(num_songs)
  ]
  return prepare(items, output, 0, overwrite)


def read_list(path: str | os.PathLike) -> list[str]:
  """The names in a file, one a line.

  Raises:
    UserError: it cannot be read.
  """
  try:
    lines = Path(path).read_text().splitlines()
  except (OSError, UnicodeDecodeError) as error:
    text = getattr(error, 'strerror', None) or 'it is not text'
    raise UserError(f'--list={path} cannot be read ({text}); give a file of names') from error
  return [line.strip() for line in lines if line.strip()]


def _in_order(items: Sequence[sources.Item], num_workers: int) -> Iterator[tuple]:
  """The items with their results, in their own order, as soon as it allows."""
  if num_workers == 0:
    results = ((i, sources.read_item(item)) for i, item in enumerate(items))
  else:
    results = workers.parse_all(sources.read_item, items, num_workers, ITEM_SECONDS)
  done, following = {}, 0
  for number, result in tqdm(results, total=len(items), unit='song', desc='preparing'):
    done[number] = result
    while following in done:
      yield items[following], done.pop(following)
      following += 1


def _with_splits(accepted: Iterator[tuple[sources.Item, Song]]) -> Iterator[tuple[str, Song]]:
  """Each song with its split; where names decide, the last song fills a split that has none."""
  splits, last = set(), None
  for item, song in accepted:
    if last is not None:
      yield last
    last = item.split or sources.split_by_name(item.source), song
    missing = [split for split in ('train', 'valid') if split not in splits]
    is_free = not item.split
    splits.add(last[0])
  if last is not None:
    yield (missing[0], last[1]) if is_free and missing else last


def _show(item: sources.Item, failure: workers.Failure, number: int) -> None:
  if number <= SHOWN_REJECTIONS:
    text = ' '.join(failure.text.split())
    tqdm.write(f'left out ({failure.reason}): {item.source}: {text}', file=sys.stderr)
  elif number == SHOWN_REJECTIONS + 1:
    tqdm.write('left out: more, which are only counted', file=sys.stderr)


def _nothing_left(items: Sequence[sources.Item], rejected: collections.Counter) -> str:
  reasons = ', '.join(f'{reason}: {count}' for reason, count in sorted(rejected.items()))
  folder = os.path.commonpath([os.path.dirname(item.path) for item in items])
  return f'--input={folder}: none of {len(items)} songs can be used ({reasons}); see --format'
