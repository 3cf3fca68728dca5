"""Files a second that prepare reads and writes, and the mean onset error, with beats and without.

python -m benchmarks.prepare --input=POP909 --files=10000

The songs are linked as often as it takes to have so many files, so that starting processes does
not decide. `files_per_second_per_core` is of the whole call; `running_...` leaves out what it takes
to prepare one song a worker, `start_seconds`. Others may be at work on the machine:
`files_per_cpu_second` counts what all processes of this call computed, starting them included.
"""

import itertools
import resource
import tempfile
from pathlib import Path

from absl import flags

from fractaljax import command
from fractaljax.data import ingest, sources

_INPUT = flags.DEFINE_string('input', None, 'folder of POP909', required=True)
_FILES = flags.DEFINE_integer('files', 10_000, 'files, links included', lower_bound=1)
_WORKERS = flags.DEFINE_integer('workers', 2, 'processes', lower_bound=1)


def link(root: Path, folder: Path, num: int) -> None:
  """Fills a folder with links to the songs of POP909, as many songs as asked for."""
  songs = sorted(path.parent for path in root.glob('*/beat_midi.txt'))
  for i, song in zip(range(num), itertools.cycle(songs), strict=False):
    name = f'{i:07d}'
    (folder / name).mkdir(parents=True)
    (folder / name / f'{name}.mid').symlink_to((song / f'{song.name}.mid').resolve())
    (folder / name / 'beat_midi.txt').symlink_to((song / 'beat_midi.txt').resolve())


def main(_):
  with tempfile.TemporaryDirectory() as folder:
    root = Path(folder) / 'input'
    link(Path(_INPUT.value), root, _FILES.value)
    for use_beats in (True, False):
      output = Path(folder) / f'songs_{use_beats}'
      one_each = [f'{i:07d}' for i in range(_WORKERS.value)]
      items = sources.find(root, 'pop909', one_each, use_beats)
      start = ingest.prepare(items, f'{output}_start', _WORKERS.value)['seconds']
      began = cpu_seconds()
      items = sources.find(root, 'pop909', None, use_beats)
      summary = ingest.prepare(items, output, _WORKERS.value)
      report(use_beats, start, cpu_seconds() - began, summary)


def cpu_seconds() -> float:
  """What this process and those that it started and ended have computed."""
  whose = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
  return sum(sum(resource.getrusage(who)[:2]) for who in whose)


def report(use_beats: bool, start_seconds: float, computed: float, summary: dict) -> None:
  from benchmarks import setting  # brings JAX, which the worker processes are to start without

  files, num, seconds = summary['files'], _WORKERS.value, summary['seconds']
  setting.report(
    benchmark='prepare',
    beats=use_beats,
    workers=num,
    files_per_second_per_core=files / seconds / num,
    running_files_per_second_per_core=files / (seconds - start_seconds) / num,
    files_per_cpu_second=files / computed,
    start_seconds=start_seconds,
    peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    **summary,
  )


if __name__ == '__main__':
  command.run(main)
