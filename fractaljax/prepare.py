"""Songs to shards: python -m fractaljax.prepare --input=DIR --output=DIR."""

import json
import os
from pathlib import Path

from absl import flags

from fractaljax import command
from fractaljax.data import ingest, sources
from fractaljax.errors import UserError

_INPUT = flags.DEFINE_string('input', None, 'folder of songs', required=True)
_OUTPUT = flags.DEFINE_string('output', None, 'folder for the shards', required=True)
_FORMAT = flags.DEFINE_enum(
  'format', 'auto', sources.FORMATS, 'MIDI files, POP909, or .npz of rolls (steps, 88)'
)
_LIST = flags.DEFINE_string('list', None, 'only the songs named in this file, one a line')
_WORKERS = flags.DEFINE_integer('workers', os.cpu_count(), 'processes', lower_bound=1)
_BEATS = flags.DEFINE_bool('beats', True, 'use the beat_midi.txt beside songs of POP909')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'replace songs that are at the output')


def main(_):
  names = None
  if _LIST.value:
    try:
      names = Path(_LIST.value).read_text().split('\n')
    except (OSError, UnicodeDecodeError) as error:
      raise UserError(f'--list={_LIST.value} cannot be read ({error}); see the path') from error
    names = [name.strip() for name in names if name.strip()]
  items = sources.find(Path(_INPUT.value), _FORMAT.value, names, _BEATS.value)
  print(json.dumps(ingest.prepare(items, _OUTPUT.value, _WORKERS.value, _OVERWRITE.value)))


if __name__ == '__main__':
  command.run(main)
