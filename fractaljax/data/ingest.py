"""Preparing songs: read in worker processes, counted, written as the shards of one part."""

import collections
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from fractaljax.data import bucket, parts, shards, sources, workers
from fractaljax.data.parts import Part
from fractaljax.data.plan import Chosen, Slice, make_plan
from fractaljax.data.reading import read_item
from fractaljax.data.shards import Shard
from fractaljax.errors import UserError

ITEM_SECONDS = 60.0
SHOWN_REJECTIONS = 5
ONE_PART = Part()


class Read(NamedTuple):
  """A song as a worker hands it over."""

  record: bytes
  notes: int
  bars: int
  onset_error: float


def prepare(
  items: sources.Items,
  output: str | os.PathLike,
  num_workers: int,
  overwrite: bool = False,
  part: Part = ONE_PART,
) -> dict:
  """Reads songs and writes them to `output`; goes on past those that cannot be used.

  What is written does not depend on the number of workers, nor the order of the songs on that of
  parts. What an earlier call with the same arguments has written is not prepared again.

  Args:
    items: from `sources.find`: those of all parts.
    output: folder of the dataset; in a bucket, by way of a copy on this machine.
    num_workers: processes; 0 = in this one, for songs that cannot crash it.
    overwrite: whether songs at `output` are replaced.
    part: which share of the songs is prepared.

  Returns:
    songs, notes, bars, rejected (reason -> count), onset_error_mean (16ths, over all notes),
    seconds; files, shards, bytes, and files_per_second of this call. All of this part.

  Raises:
    UserError: no song could be used, or `output` cannot be written, or has other songs.
  """
  began = time.perf_counter()
  output = bucket.at(output)
  slices, arguments = make_plan(items, part)
  open_part = bucket.open_part if bucket.is_bucket(output) else parts.open_part
  with open_part(output, part, arguments, len(slices), overwrite) as (folder, manifest):
    missing = [piece for piece in slices if piece.name not in manifest.shards]
    chosen = Chosen(items, missing)
    with contextlib.closing(_results(chosen, num_workers)) as results:
      for piece in missing:
        manifest.shards[piece.name] = _write(folder, piece, results)
        manifest.save(folder)
    written = [manifest.shards[piece.name] for piece in slices]
    if part.count == 1 and not any(shard.songs for shard in written):
      parts.remove(folder)
      raise UserError(_nothing_left(items, _rejected(written)))
  seconds = time.perf_counter() - began
  return _summary(written) | {
    'seconds': round(seconds, 3),
    'files_per_second': round(len(chosen) / seconds, 1),
  }


def prepare_corpus(
  output: str | os.PathLike,
  num_songs: int,
  seed: int,
  overwrite: bool = False,
  part: Part = ONE_PART,
) -> dict:
  """Writes songs of the built-in corpus, the last twentieth for validation; see `prepare`."""
  return prepare(sources.built_in_corpus(num_songs, seed), output, 0, overwrite, part)


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


def _read(item: sources.Item) -> Read:
  song, onset_error = read_item(item)
  return Read(shards.pack(song), len(song.notes_Nx4), song.num_bars, onset_error)


def _results(chosen: Chosen, num_workers: int) -> Iterator[Read | workers.Failure]:
  """What became of each item, in order; the first failures are shown."""
  if num_workers == 0:
    results = map(_read, chosen)
  else:
    results = workers.parse_all(_read, chosen, num_workers, ITEM_SECONDS)
  shown = 0
  for number, result in enumerate(
    tqdm(results, total=len(chosen), unit='song', desc='preparing', disable=not len(chosen))
  ):
    if isinstance(result, workers.Failure) and shown <= SHOWN_REJECTIONS:
      _show(chosen[number], result, shown := shown + 1)
    yield result


def _write(folder: Path, piece: Slice, results: Iterator) -> Shard:
  """Writes the shard that the next results make up."""
  total, rejected, error_sum = collections.Counter(), collections.Counter(), 0.0

  def records() -> Iterator[bytes]:
    nonlocal error_sum
    for _ in piece.numbers:
      result = next(results)
      if isinstance(result, workers.Failure):
        rejected[result.reason] += 1
        continue
      error_sum += result.onset_error * result.notes
      total.update(songs=1, notes=result.notes, bars=result.bars)
      yield result.record

  size, crc32 = shards.write(folder / piece.name, records())
  return Shard(
    piece.name, piece.split, len(piece.numbers), total['songs'], total['notes'], total['bars'],
    size, crc32, dict(sorted(rejected.items())), error_sum,
  )  # fmt: skip


def _rejected(written: Sequence[Shard]) -> dict[str, int]:
  total = collections.Counter()
  for shard in written:
    total.update(shard.rejected)
  return dict(sorted(total.items()))


def _summary(written: Sequence[Shard]) -> dict:
  def total(field: str):
    return sum(getattr(shard, field) for shard in written)

  return {
    'songs': total('songs'),
    'notes': total('notes'),
    'bars': total('bars'),
    'rejected': _rejected(written),
    'onset_error_mean': total('onset_error_sum') / max(total('notes'), 1),
    'files': total('files'),
    'shards': len(written),
    'bytes': total('bytes'),
  }


def _show(item: sources.Item, failure: workers.Failure, number: int) -> None:
  if number <= SHOWN_REJECTIONS:
    text = ' '.join(failure.text.split())
    tqdm.write(f'left out ({failure.reason}): {item.source}: {text}', file=sys.stderr)
  else:
    tqdm.write('left out: more, which are only counted', file=sys.stderr)


def _nothing_left(items: sources.Items, rejected: dict[str, int]) -> str:
  reasons = ', '.join(f'{reason}: {count}' for reason, count in rejected.items())
  folder = items.arguments.get('input', '')
  return f'--input={folder}: none of {len(items)} songs can be used ({reasons}); see --format'
