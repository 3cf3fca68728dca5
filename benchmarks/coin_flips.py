"""Training on fair coin flips: a loss below their entropy means that the model sees the answer.

Fresh rolls of independent fair cells at every step, for every mix of AR and MAR. No model can
do better than ln 2 = 0.693 nats a cell; one whose conditions leak does.

python -m benchmarks.coin_flips
"""

import itertools
import math

import jax
import numpy as np
from absl import flags
from tqdm import tqdm

from benchmarks import setting
from fractaljax import command
from fractaljax.config import base
from fractaljax.music.clip import Clip
from fractaljax.music.codec import BINARY_VELOCITY
from fractaljax.training.optimizer import make_optimizer

HIERARCHIES = {
  'square': ((4, 4), (2, 2), (1, 1)),
  'musical': ((8, 4), (8, 1), (4, 1), (1, 1)),
}
PITCHES, STEPS, BATCH, LAST = 8, 16, 16, 50
STEPS_PER_BAR = 16
_UPDATES = flags.DEFINE_integer('updates', 300, 'training steps of each mix', lower_bound=LAST)
_HIERARCHIES = flags.DEFINE_list('hierarchies', list(HIERARCHIES), 'square, musical')


def coin_config(patches, generators):
  """A small model of rolls of bits, with room for every patch."""
  config = base()
  config.num_steps, config.data.crop_steps = 10_000, STEPS
  model = config.model
  model.codec, model.low_pitch, model.num_pitches = 'binary', 60, PITCHES
  model.patches, model.generators = patches, generators
  model.widths, model.depths = (32,) * len(patches), (1,) * len(patches)
  model.heads = model.iterations = (2,) * len(patches)
  model.capacities = (1.0,) * (len(patches) - 1)
  model.halo, model.halo_pitches, model.dropout = 4, 2, 0.0
  config.optimizer.learning_rate, config.optimizer.warmup_steps = 3e-3, 20
  return config


def coin_batch(rng: np.random.Generator, config) -> Clip:
  """Fresh rolls, with what went before them: a note of one step wherever the coin says 1."""
  model = config.model
  first = STEPS_PER_BAR - model.halo
  shape = (BATCH, PITCHES, model.halo + STEPS)
  fields = (
    first + np.arange(shape[2]),
    rng.integers(0, 2, shape),
    model.low_pitch + np.arange(PITCHES)[:, None],
    BINARY_VELOCITY,
  )
  notes_4xBxPxS = np.stack([np.broadcast_to(field, shape) for field in fields])
  of_song = STEPS_PER_BAR, 0, STEPS_PER_BAR + STEPS, STEPS_PER_BAR
  return Clip(
    np.moveaxis(notes_4xBxPxS, 0, 1).reshape(BATCH, 4, -1).astype(np.int32),
    *(np.full(BATCH, number, np.int32) for number in of_song),
    np.zeros((BATCH, 0), np.int32),
  )


def nats_per_cell(patches, generators, updates: int) -> float:
  """Mean loss of the last updates."""
  config, rng = coin_config(patches, generators), np.random.default_rng(0)
  model, optimizer = setting.build(config), make_optimizer(config.optimizer, config.num_steps)
  state = setting.initial_state(model, optimizer)
  step = setting.update(config, model, optimizer)
  losses = []
  for _ in range(updates):
    state, metrics = step(state, coin_batch(rng, config))
    losses.append(metrics['nats_per_step'])
  return float(np.mean(jax.device_get(losses[-LAST:]))) / PITCHES


def main(_):
  lowest = {}
  for name in _HIERARCHIES.value:
    patches = HIERARCHIES[name]
    for generators in tqdm(list(itertools.product(('ar', 'mar'), repeat=len(patches))), desc=name):
      nats = nats_per_cell(patches, generators, _UPDATES.value)
      lowest[f'{name} {",".join(generators)}'] = nats / math.log(2)
  worst = min(lowest, key=lowest.get)
  setting.report(
    benchmark='coin_flips',
    share_of_entropy={name: round(share, 4) for name, share in lowest.items()},
    lowest=lowest[worst],
    lowest_mix=worst,
    highest=max(lowest.values()),
    holds=lowest[worst] >= 0.99,
  )


if __name__ == '__main__':
  command.run(main)
