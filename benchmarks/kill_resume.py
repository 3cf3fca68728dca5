"""Kills a training run with SIGKILL again and again; it must end as the one that nobody killed.

python -m benchmarks.kill_resume --kills=20
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict

from benchmarks import setting
from configs import demo
from fractaljax import command
from fractaljax.training.loop import train

_KILLS = flags.DEFINE_integer('kills', 20, 'how often to kill', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'of the moments')

LONGEST_SECONDS = 15.0  # with start-up
STEPS_A_KILL, CHECKPOINT_EVERY, EVAL_EVERY = 20, 5, 20
CHANGES = {
  'data.corpus_songs': 8, 'data.crop_steps': 16, 'checkpoint_every': CHECKPOINT_EVERY,
  'eval_every': EVAL_EVERY, 'eval_crops': 4, 'eval_samples': 1, 'log_every': 2,
  'model.low_pitch': 32, 'model.num_pitches': 64, 'model.patches': ((64, 4), (1, 1)),
  'model.generators': ('ar', 'ar'), 'model.capacities': (1.0,), 'model.iterations': (2, 2),
  'model.widths': (16, 16), 'model.depths': (1, 1), 'model.heads': (2, 2), 'model.halo': 4,
  'model.repeats': 0, 'model.densities': (),
}  # fmt: skip


def tiny(num_steps: int) -> ConfigDict:
  """The demo's config, smaller."""
  config = demo.get_config()
  config.update_from_flattened_dict(CHANGES | {'num_steps': num_steps})
  return config


def start(workdir: Path, num_steps: int) -> subprocess.Popen:
  """A training command in a process of its own; what it says is in `output` beside its folder."""
  values = [f'--config.{k}={v}' for k, v in (CHANGES | {'num_steps': num_steps}).items()]
  # Its programs are compiled once, by the run that nobody kills.
  cache = workdir.parent / 'compiled'
  environment = dict(
    os.environ,
    JAX_COMPILATION_CACHE_DIR=str(cache),
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='0',
  )
  call = [sys.executable, '-m', 'fractaljax.main', '--config=configs/demo.py', *values]
  with (workdir.parent / 'output').open('wb') as output:
    return subprocess.Popen(
      [*call, f'--workdir={workdir}'], env=environment, stdout=output, stderr=output
    )


def finish(process: subprocess.Popen, workdir: Path) -> None:
  """Waits for a run that must reach its end."""
  if process.wait():
    raise RuntimeError((workdir.parent / 'output').read_text()[-1000:])


def kill(process: subprocess.Popen, workdir: Path, rng: random.Random, in_save: bool) -> str | None:
  """Kills a run in a save or at any moment.

  Returns:
    'save' if that left a half checkpoint behind, 'elsewhere' if not, None if it had ended before.
  """
  before = _halves(workdir)
  if in_save:
    for _ in range(rng.randrange(1, 4)):  # let some go by
      _wait_until(process, lambda: not _halves(workdir))
      _wait_until(process, lambda: _halves(workdir))
    time.sleep(rng.uniform(0, 0.05))
  else:
    with contextlib.suppress(subprocess.TimeoutExpired):
      process.wait(rng.uniform(0, LONGEST_SECONDS))
  process.kill()
  if process.wait() != -signal.SIGKILL:
    finish(process, workdir)
    return None
  return 'save' if _halves(workdir) - before else 'elsewhere'


def _halves(workdir: Path) -> set[tuple[str, int]]:
  """Checkpoints that are being saved, or that a kill left so."""
  with contextlib.suppress(FileNotFoundError):  # one was renamed meanwhile
    paths = (workdir / 'checkpoints').glob('*tmp*')
    return {(path.name, path.stat().st_ino) for path in paths}
  return set()


def _wait_until(process: subprocess.Popen, holds) -> None:
  while process.poll() is None and not holds():
    time.sleep(0.001)


def is_identical(workdirs: list[Path], num_steps: int) -> bool:
  """Whether finished runs have the same parameters, average, optimizer and metrics."""
  config, devices = tiny(num_steps), jax.devices()[:1]
  first, *others = [jax.device_get(train(config, str(path), devices)) for path in workdirs]
  same = [jax.tree.map(np.array_equal, first, other) for other in others]
  metrics = [_metrics(path) for path in workdirs]
  return all(jax.tree.leaves(same)) and all(rows == metrics[0] for rows in metrics)


def _metrics(workdir: Path) -> list[dict]:
  rows = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
  return [{k: v for k, v in row.items() if not k.endswith('_per_second')} for row in rows]


def main(_):
  rng, kills = random.Random(_SEED.value), {'save': 0, 'elsewhere': 0}
  num_steps = STEPS_A_KILL * _KILLS.value
  with tempfile.TemporaryDirectory() as folder:
    runs = [Path(folder) / 'straight']
    finish(start(runs[0], num_steps), runs[0])
    began, where = time.perf_counter(), None
    while (number := sum(kills.values())) < _KILLS.value:
      if where is None:  # the one before has reached its end
        runs.append(Path(folder) / f'killed_{len(runs)}')
      where = kill(start(runs[-1], num_steps), runs[-1], rng, in_save=number % 2 == 1)
      if where:
        kills[where] += 1
    finish(start(runs[-1], num_steps), runs[-1])
    setting.report(
      benchmark='kill_resume',
      kills=sum(kills.values()),
      in_a_save=kills['save'],
      runs=len(runs) - 1,
      steps=num_steps,
      seconds=time.perf_counter() - began,
      identical=is_identical(runs, num_steps),
    )


if __name__ == '__main__':
  command.run(main)
