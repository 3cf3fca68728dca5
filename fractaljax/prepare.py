"""Songs to shards: python -m fractaljax.prepare --input=DIR --output=DIR."""

import json
import os
from pathlib import Path

from absl import flags

from fractaljax import command
from fractaljax.data import ingest, sources
from fractaljax.data.parts import Part
from fractaljax.errors import UserError

_INPUT = flags.DEFINE_string('input', None, 'folder of songs; not for --format=corpus')
_OUTPUT = flags.DEFINE_string('output', None, 'folder for the shards', required=True)
_FORMAT = flags.DEFINE_enum(
  'format',
  'auto',
  [*sources.FORMATS, 'corpus'],
  'MIDI files, POP909, .npz of rolls (steps, 88), or the built-in corpus',
)
_LIST = flags.DEFINE_string('list', None, 'only the songs named in this file, one a line')
_WORKERS = flags.DEFINE_integer('workers', min(os.cpu_count() or 1, 8), 'processes', lower_bound=1)
_BEATS = flags.DEFINE_bool('beats', True, 'use the beat_midi.txt beside songs of POP909')
_SHARD_INDEX = flags.DEFINE_integer(
  'shard_index', 0, 'of an array of jobs, the number of this one', lower_bound=0
)
_NUM_SHARDS = flags.DEFINE_integer(
  'num_shards', 1, 'jobs that share the files; the songs are complete when all are', lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'replace songs that are at the output')
_SONGS = flags.DEFINE_integer('songs', 2_000, 'songs of the built-in corpus', lower_bound=2)
_SEED = flags.DEFINE_integer('seed', 0, 'names the built-in corpus', lower_bound=0)


def main(_):
  print(json.dumps(_prepare()))


def _prepare() -> dict:
  part = Part(_SHARD_INDEX.value, _NUM_SHARDS.value)
  if part.index >= part.count:
    raise UserError(f'--shard_index={part.index} must be less than --num_shards={part.count}')
  if _FORMAT.value == 'corpus':
    command.refuse_useless('is for songs of files', _INPUT, _LIST, _WORKERS, _BEATS)
    return ingest.prepare_corpus(_OUTPUT.value, _SONGS.value, _SEED.value, _OVERWRITE.value, part)
  if not _INPUT.value:
    raise UserError('--input is missing; give a folder of songs, or --format=corpus')
  command.refuse_useless('is of the built-in corpus', _SONGS, _SEED)
  names = ingest.read_list(_LIST.value) if _LIST.value else None
  items = sources.find(Path(_INPUT.value), _FORMAT.value, names, _BEATS.value)
  return ingest.prepare(items, _OUTPUT.value, _WORKERS.value, _OVERWRITE.value, part)


if __name__ == '__main__':
  command.run(main, when_stopped='the same command goes on from the last whole shard')
