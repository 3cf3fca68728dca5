"""Density: how many notes a patch of the first level, a bar, has, in bins.

Densities are a part of the form, and so decided before any note. Music that is as dense as what was
before it drifts; what was decided does not. While a bar is filled every level is told what room its
density leaves, see `fractaljax.model.room`.
"""

import jax.numpy as jnp
import numpy as np

from fractaljax.model.config import ModelConfig
from fractaljax.model.patches import Grid


def num_bins(config: ModelConfig) -> int:
  return len(config.densities) + 1


def middles(config: ModelConfig) -> list[int]:
  """Notes of a bar in the middle of each bin; the last is taken to be as wide as that before it."""
  first_B = 0, *config.densities
  end_B = *config.densities, 2 * first_B[-1] - first_B[-2]
  return [(first + end - 1) // 2 for first, end in zip(first_B, end_B, strict=True)]


def bin_of(count_x, edges: tuple[int, ...]):
  """How many of the edges a count reaches."""
  return (count_x[..., None] >= np.array(edges)).sum(axis=-1)


def num_notes(tokens_NxPxT, config: ModelConfig):
  """Notes of the bars of rolls, (N, L), those that are known."""
  num, num_pitches, num_steps = tokens_NxPxT.shape
  steps = config.levels[0].patch[1]
  is_note_NxPxLxS = config.codec.is_note(tokens_NxPxT).reshape(num, num_pitches, -1, steps)
  return is_note_NxPxLxS.sum(axis=(1, 3))


def of_rolls(tokens_NxPxT, config: ModelConfig):
  """The densities of the bars of rolls, (N, L), by those notes that are known."""
  return bin_of(num_notes(tokens_NxPxT, config), config.densities)


def count_before(count_N, is_note_NxPxT, grid: Grid):
  """Notes of a bar before each patch in the scan, (N, L).

  A MAR level may see more of them, which come later in the scan.

  Args:
    count_N: notes of the bar before the region.
    is_note_NxPxT: where they are in the region.
    grid: of the region.
  """
  num_NxL = grid.split(is_note_NxPxT).sum(axis=(2, 3))
  return count_N[:, None] + jnp.cumsum(num_NxL, axis=1) - num_NxL
