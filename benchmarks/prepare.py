"""Seconds to prepare POP909, and its onset error, with its beats and without.

python -m benchmarks.prepare --input=POP909
"""

import tempfile
from pathlib import Path

from absl import flags

from benchmarks import setting
from fractaljax import command
from fractaljax.data import ingest, sources

_INPUT = flags.DEFINE_string('input', None, 'folder of POP909', required=True)
_WORKERS = flags.DEFINE_integer('workers', 2, 'processes', lower_bound=1)


def main(_):
  for use_beats in (True, False):
    with tempfile.TemporaryDirectory() as folder:
      items = sources.find(Path(_INPUT.value), 'auto', None, use_beats)
      summary = ingest.prepare(items, Path(folder) / 'songs', _WORKERS.value, overwrite=False)
    setting.report(benchmark='prepare', beats=use_beats, workers=_WORKERS.value, **summary)


if __name__ == '__main__':
  command.run(main)
