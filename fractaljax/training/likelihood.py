"""The likelihood of songs: every window scored, every occupied patch expanded."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import jax
import numpy as np

from fractaljax.mesh import Placement
from fractaljax.model.config import ModelConfig
from fractaljax.model.fractal import Fractal
from fractaljax.model.occupancy import is_sounding
from fractaljax.music.crop import Crop
from fractaljax.training.step import num_notes, score

_score = jax.jit(score, static_argnums=(0, 1, 2))


class Likelihood(NamedTuple):
  """Negative log likelihood of crops, summed over all of them.

  Attributes:
    nats_by_level: gates of each level, values of the last.
    num_steps: steps scored; padding does not count.
    num_notes: notes that begin in them.
  """

  nats_by_level: tuple[float, ...]
  num_steps: int
  num_notes: int

  @property
  def nats_per_step(self) -> float:
    return sum(self.nats_by_level) / max(self.num_steps, 1)

  @property
  def bits_per_note(self) -> float:
    return sum(self.nats_by_level) / math.log(2) / max(self.num_notes, 1)


def score_batches(
  model: Fractal,
  params,
  batches: Iterable[Crop],
  capacities: tuple[int, ...],
  seed: int,
  placement: Placement,
) -> Likelihood:
  """Scores batches of crops, teacher-forced, without dropout.

  Exact if every level is AR; else a bound, estimated with one random order a region, its masks
  drawn from `seed`.

  Args:
    model, params: the model.
    batches: of the same shape all of them; every process gives the whole of each.
    capacities: from `needed_capacities`; with less, patches that do not fit are left out.
    seed: of the random orders.
    placement: of the devices that score.
  """
  codec = model.config.codec
  nats_by_level, steps, notes = np.zeros(len(model.config.levels)), 0, 0
  for number, batch in enumerate(batches):
    rng = jax.random.fold_in(jax.random.key(seed), number)
    losses = _score(model, placement, capacities, params, placement.spread(batch), rng)
    if sum(float(level.num_dropped) for level in losses):
      raise ValueError(f'capacities {capacities} are too small for batch {number}')
    nats_by_level += [float(level.nats) for level in losses]
    steps += int(batch.valid_T.sum())
    notes += int(num_notes(batch, codec))
  return Likelihood(tuple(map(float, nats_by_level)), steps, notes)


def needed_capacities(
  config: ModelConfig, batches: Iterable[Crop], groups: int = 1
) -> tuple[int, ...]:
  """Patches of each level but the last that the fullest group of all batches has to expand."""
  most = np.ones(len(config.levels) - 1, int)
  for batch in batches:
    counts_BxL = np.array([_occupied(config, level.patch, batch) for level in config.levels[:-1]]).T
    most = np.maximum(most, counts_BxL.reshape(groups, -1, len(most)).sum(axis=1).max(axis=0))
  return tuple(map(int, most))


def _occupied(config: ModelConfig, patch: tuple[int, int], batch: Crop) -> np.ndarray:
  """Patches with a note in them, or all if there is no gate, of each crop."""
  (p, t), tokens_BxPxT = patch, np.asarray(batch.tokens_PxT)
  num, num_p, num_t = tokens_BxPxT.shape
  cells = is_sounding(tokens_BxPxT, config.codec.num_values) & batch.valid_T[:, None]
  cells |= not config.gate
  return cells.reshape(num, num_p // p, p, num_t // t, t).any(axis=(2, 4)).sum(axis=(1, 2))
