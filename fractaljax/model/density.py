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


def bounds(config: ModelConfig) -> tuple[np.ndarray, np.ndarray]:
  """Notes of a bar of each bin, at least and at most, two (B,); the last may have all cells."""
  num_cells = config.codec.num_pitches * config.levels[0].patch[1]
  return np.array((0, *config.densities)), np.array((*config.densities, num_cells + 1)) - 1


def most_eighths(config: ModelConfig) -> np.ndarray:
  """Eighths of their notes that two bars can have in common, at most, by their densities, (B, B).

  As if the one with fewer had none of its own.
  """
  fewest_B, most_B = bounds(config)
  eighths_BxB = 8 * most_B[:, None] // np.maximum(fewest_B, 1)
  return np.minimum(8, np.minimum(eighths_BxB, eighths_BxB.T))


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
