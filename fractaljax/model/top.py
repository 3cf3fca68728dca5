"""Top: how high a patch of the first level, a bar, goes, in bins.

Tops are a part of the form, as densities are. The high notes of songs come in clusters, and a model
that is told of none spreads them over all of its bars. While a bar is filled every level is told
whether it has come up to its top, see `fractaljax.model.ceiling`.
"""

import jax.numpy as jnp
import numpy as np

from fractaljax.model.config import ModelConfig
from fractaljax.model.density import bin_of


def num_bins(config: ModelConfig) -> int:
  return len(config.tops) + 1


def rows_of_bins(config: ModelConfig) -> tuple[np.ndarray, np.ndarray]:
  """The first row of each bin, and the first above it."""
  edges = [pitch - config.codec.low for pitch in config.tops]
  return np.array([0, *edges]), np.array([*edges, config.codec.num_pitches])


def highest_rows(tokens_NxPxT, config: ModelConfig):
  """Rows of the highest notes of the bars of rolls, (N, L), of those that are known; else -1."""
  num, num_pitches, num_steps = tokens_NxPxT.shape
  steps = config.levels[0].patch[1]
  is_note_NxPxLxS = config.codec.is_note(tokens_NxPxT).reshape(num, num_pitches, -1, steps)
  row_Px1 = np.arange(num_pitches)[:, None]
  return jnp.where(is_note_NxPxLxS.any(axis=3), row_Px1, -1).max(axis=1)


def of_rolls(tokens_NxPxT, config: ModelConfig):
  """The tops of the bars of rolls, (N, L); 0 without any note."""
  return bin_of(highest_rows(tokens_NxPxT, config), rows_of_bins(config)[0][1:])


def is_high(tokens_NxPxT, row_N, top_N, config: ModelConfig):
  """Where regions, from these rows on, have notes that come up to these tops, (N, P, T)."""
  row_NxP = row_N[:, None] + np.arange(tokens_NxPxT.shape[1])
  is_high_NxP = row_NxP >= jnp.asarray(rows_of_bins(config)[0])[top_N][:, None]
  return config.codec.is_note(tokens_NxPxT) & is_high_NxP[..., None]
