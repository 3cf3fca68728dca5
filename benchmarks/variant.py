"""A short training in memory, for benchmarks that compare variants of a model on one budget."""

import time
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import trange

from benchmarks import setting
from fractaljax.data.in_c import read_songs
from fractaljax.mesh import data_parallel
from fractaljax.training.optimizer import make_optimizer
from fractaljax.training.trained import Trained


class Cost(NamedTuple):
  """What a training took.

  Attributes:
    updates: how many.
    gflop: of an update, by XLA's count.
    cpu_seconds: of an update, the median.
  """

  updates: int
  gflop: float
  cpu_seconds: float


def train(
  config: ConfigDict, name: str, updates: int = 0, gflop: float = 0.0
) -> tuple[Trained, Cost]:
  """Trains for a number of updates, or for as many as `gflop` pay for; the learning rate anneals.

  The songs are those at --data.
  """
  placement, model = data_parallel(jax.devices()[:1]), setting.build(config)
  stream = setting.stream(config, read_songs(setting.DATA.value, 'train', config.data.in_c))
  first = next(stream)
  if not updates:
    updates = max(1, round(1e9 * gflop / _flop(setting.compiled_update(config, first))))
  optimizer = make_optimizer(config.optimizer, updates)
  state = setting.initial_state(model, optimizer, config.seed)
  step = setting.update(config, model, optimizer)
  step = step.lower(state, first).compile()
  spent = []
  for _ in trange(updates, desc=name, unit='step'):
    batch, began = next(stream), time.process_time()
    state, _ = jax.block_until_ready(step(state, batch))
    spent.append(time.process_time() - began)
  trained = Trained(config, model, state.ema, updates, placement)
  return trained, Cost(updates, _flop(step) / 1e9, float(np.median(spent)))


def _flop(program) -> float:
  return program.cost_analysis()['flops']
