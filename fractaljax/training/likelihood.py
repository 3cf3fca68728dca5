"""The likelihood of songs: every window scored, every occupied patch expanded."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import jax
import numpy as np

from fractaljax.mesh import Placement
from fractaljax.model.config import ModelConfig
from fractaljax.model.detail import PARTS, Detail
from fractaljax.model.fractal import Fractal
from fractaljax.model.occupancy import is_sounding
from fractaljax.music.crop import Crop
from fractaljax.training.calibration import Calibration
from fractaljax.training.step import num_notes, score

_score = jax.jit(score, static_argnums=(0, 1, 2))


class Likelihood(NamedTuple):
  """Negative log likelihood of crops, summed over all of them.

  Attributes:
    nats_by_level: gates of each level, values of the last; of the first, attributes and form, too.
    num_steps: steps scored; padding does not count.
    num_notes: notes that begin in them.
    details: of each level what its decisions were like, sums; None where it decided nothing.
  """

  nats_by_level: tuple[float, ...]
  num_steps: int
  num_notes: int
  details: tuple[Detail | None, ...]

  @property
  def nats_per_step(self) -> float:
    return sum(self.nats_by_level) / max(self.num_steps, 1)

  @property
  def bits_per_note(self) -> float:
    return self._bits_per_note(sum(self.nats_by_level))

  @property
  def bits_per_note_by_part(self) -> dict[str, float]:
    """What of the bits per note goes to when and what, to how long and to how loud.

    Gates are of `when`, and so are a note's end where a gate tells of it, attributes and form.
    """
    nats_3 = sum(detail.nats_3 for detail in self.details if detail)
    return {part: self._bits_per_note(nats) for part, nats in zip(PARTS, nats_3, strict=True)}

  @property
  def calibrations(self) -> dict[str, Calibration]:
    """Of each level that decides: how often what it expects not to be empty is so."""
    levels = self._deciding()
    # Where nothing but attributes and form is decided there are none.
    return {n: Calibration(d.bins_3xK) for n, _, d in levels if d.bins_3xK.any()}

  def metrics(self) -> dict[str, float]:
    """All figures under their names.

    Returns:
      nats_per_step in all and of each level; bits_per_note in all and of each part; and of the
      decisions of each level: surprise (mean nats), entropy (what the model expects of it, less if
      it is too sure), calibration_error, and the shares not empty, occupied_predicted and occupied.
    """
    metrics = {'nats_per_step': self.nats_per_step, 'bits_per_note': self.bits_per_note}
    metrics |= {f'bits_per_note/{k}': bits for k, bits in self.bits_per_note_by_part.items()}
    for name, nats in zip(self._names(), self.nats_by_level, strict=True):
      metrics[f'nats_per_step/{name}'] = nats / max(self.num_steps, 1)
    for name, nats, detail in self._deciding():
      metrics[f'surprise/{name}'] = nats / max(float(detail.num), 1e-9)
      metrics[f'entropy/{name}'] = float(detail.entropy) / max(float(detail.num), 1e-9)
    for name, calibration in self.calibrations.items():
      metrics[f'calibration_error/{name}'] = calibration.error
      metrics[f'occupied_predicted/{name}'] = calibration.predicted
      metrics[f'occupied/{name}'] = calibration.real
    return metrics

  def _bits_per_note(self, nats: float) -> float:
    return float(nats) / math.log(2) / max(self.num_notes, 1)

  def _names(self) -> list[str]:
    last = len(self.nats_by_level) - 1
    return [f'{i}_value' if i == last else f'{i}_gate' for i in range(last + 1)]

  def _deciding(self) -> list[tuple[str, float, Detail]]:
    """Name, nats and details of the levels that decide something."""
    levels = zip(self._names(), self.nats_by_level, self.details, strict=True)
    return [level for level in levels if level[2]]


def score_batches(
  model: Fractal,
  params,
  batches: Iterable[Crop],
  capacities: tuple[int, ...],
  seed: int,
  placement: Placement,
) -> Likelihood:
  """Scores batches of crops, teacher-forced, without dropout.

  Exact if `ModelConfig.exact`; else a bound. That of MAR levels is estimated with one random order
  a region, its masks drawn from `seed`.

  Args:
    model, params: the model.
    batches: of the same shape all of them; every process gives the whole of each.
    capacities: from `needed_capacities`; with less, patches that do not fit are left out.
    seed: of the random orders.
    placement: of the devices that score.
  """
  codec = model.config.codec
  total, steps, notes = None, 0, 0
  for number, batch in enumerate(batches):
    rng = jax.random.fold_in(jax.random.key(seed), number)
    losses = _score(model, placement, capacities, params, placement.spread(batch), rng)
    losses = jax.tree.map(np.float64, jax.device_get(losses))
    if sum(level.num_dropped for level in losses):
      raise ValueError(f'capacities {capacities} are too small for batch {number}')
    total = losses if total is None else jax.tree.map(np.add, total, losses)
    steps += int(batch.valid_T.sum())
    notes += int(num_notes(batch, codec))
  nats_by_level, details = zip(*((float(level.nats), level.detail) for level in total), strict=True)
  return Likelihood(nats_by_level, steps, notes, details)


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
