"""The polyphonic benchmarks: trains on one, then scores whole sequences in nats a time step.

All time steps of a split are pooled, the first one too, and none of them is padding. What is scored
is the checkpoint that was likeliest on the valid sequences. The test sequences are scored as well,
where there are any. Stopped, the same command goes on.

python benchmarks/polyphonic.py --dataset=jsb --minutes=60
"""

import itertools
import sys
import threading
import time
from pathlib import Path

import jax
from absl import flags
from ml_collections import ConfigDict

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it finds what is beside it

from benchmarks import setting  # noqa: E402
from configs import polyphonic  # noqa: E402
from fractaljax import command  # noqa: E402
from fractaljax.data import ingest, sources  # noqa: E402
from fractaljax.data.records import Songs, read_splits  # noqa: E402
from fractaljax.errors import UserError  # noqa: E402
from fractaljax.mesh import data_parallel  # noqa: E402
from fractaljax.model.trunk import num_parameters  # noqa: E402
from fractaljax.training import run_dir  # noqa: E402
from fractaljax.training.interrupt import Interrupt  # noqa: E402
from fractaljax.training.loop import train  # noqa: E402
from fractaljax.training.trained import load  # noqa: E402

flags.set_default(setting.DATA, '../shared/data/polyphonic')
_DATASET = flags.DEFINE_enum('dataset', None, list(polyphonic.DATASETS), 'which', required=True)
_MINUTES = flags.DEFINE_float('minutes', 60.0, 'of training, evaluations included', lower_bound=0.1)
_UPDATES = flags.DEFINE_integer('updates', 0, '0 = what the minutes allow, at most the config`s')
_SEED = flags.DEFINE_integer('seed', 0, 'of everything random')
_WORKDIR = flags.DEFINE_string('workdir', '', 'folder of the run; runs/DATASET by default')
SHARE = 0.85  # of the minutes, for updates


def prepare(workdir: Path) -> str:
  """The sequences of all splits that there are, prepared in the run's folder."""
  root = Path(setting.DATA.value)
  names = [f'{_DATASET.value}_{split}.npz' for split in ('train', 'valid', 'test')]
  missing = [name for name in names[:2] if not (root / name).is_file()]
  if missing:
    raise UserError(f'--data={root} has no {missing[0]}; give the folder that has it')
  there = [name for name in names if (root / name).is_file()]
  items = sources.find(root, 'rolls', there, use_beats=False)
  ingest.prepare(items, workdir / 'songs', num_workers=1)
  return str(workdir / 'songs')


def affordable_updates(config: ConfigDict) -> int:
  """Updates that the minutes allow on this machine."""
  stream = setting.stream(config, Songs(config.data.directory, 'train'))
  batches = list(itertools.islice(stream, 8))
  program, state, _ = setting.prepare_step(config, batches[0])
  taken, _ = setting.median_update(program, state, batches)
  return max(1, int(SHARE * 60 * _MINUTES.value / taken))


def choose_updates(config: ConfigDict, workdir: Path) -> int:
  """A run that goes on keeps its number of updates, on which its learning rate depends."""
  if _UPDATES.value:
    return _UPDATES.value
  if (workdir / run_dir.CONFIG).exists():
    return run_dir.read_config(str(workdir)).num_steps
  return min(config.num_steps, affordable_updates(config))


def main(_):
  workdir = Path(_WORKDIR.value or f'runs/{_DATASET.value}')
  config = polyphonic.get_config(_DATASET.value)
  config.seed, config.data.directory = _SEED.value, prepare(workdir)
  config.num_steps = choose_updates(config, workdir)
  config.eval_every = config.checkpoint_every = max(1, config.num_steps // polyphonic.EVALUATIONS)
  began = time.perf_counter()
  with Interrupt() as interrupt:
    deadline = threading.Timer(60 * _MINUTES.value, setattr, (interrupt, 'requested', True))
    deadline.daemon = True
    deadline.start()
    state = train(config, str(workdir), interrupt=interrupt)
    minutes = (time.perf_counter() - began) / 60
    if interrupt.requested and minutes < _MINUTES.value:
      return
    deadline.cancel()
  trained = load(str(workdir), data_parallel(jax.devices()), 'best')
  scores = {}
  for split in read_splits(workdir / 'songs'):
    if split != 'train':
      found = trained.score(Songs(workdir / 'songs', split))
      scores[split] = found.nats_per_step
      scores[f'{split}_levels'] = [round(x / found.num_steps, 4) for x in found.nats_by_level]
      scores[f'{split}_steps'] = found.num_steps
  setting.report(
    benchmark='polyphonic', dataset=_DATASET.value, **scores, updates=int(state.step),
    planned=config.num_steps, best_at=trained.step, parameters=num_parameters(trained.params),
    minutes=minutes, seed=_SEED.value,
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
