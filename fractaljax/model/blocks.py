"""Blocks: cells around patches as vectors.

Where a block has many cells, `row`, a dense layer shared by its rows, narrows each of them first;
None where it has few.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from fractaljax.model.config import ModelConfig
from fractaljax.model.patches import Grid
from fractaljax.music.codec import NUM_FEATURES

ROW_CHANNELS = 16


def features(tokens_x, config: ModelConfig):
  """What a level reads of each token, (..., 5)."""
  return jnp.asarray(config.codec.features(), config.dtype)[tokens_x]


def row_dense(num_steps: int, config: ModelConfig) -> nn.Dense | None:
  """The dense layer `row` of a block with rows of so many steps."""
  if num_steps * NUM_FEATURES <= ROW_CHANNELS:
    return None
  return nn.Dense(ROW_CHANNELS, use_bias=False, dtype=config.dtype)


def joined(cells_xRxSxF, row):
  """Blocks of R rows by S steps as vectors."""
  rows_xRxE = _narrowed(cells_xRxSxF, row)
  return rows_xRxE.reshape(*rows_xRxE.shape[:-2], -1)


def windows(features_NxQxWxF, grid: Grid, first: int, size: tuple[int, int], row):
  """A block of `size` (pitches, steps) for each patch as vectors, (N, rows, cols, S).

  That of the first patch begins in row `first` and column 0, the others as their patches lie.
  """
  (p, t), (height, steps) = grid.patch, size
  last = (grid.rows - 1) * p
  features_NxQxWxF = features_NxQxWxF[:, first : first + last + height]
  columns = [features_NxQxWxF[:, :, c * t : c * t + steps] for c in range(grid.cols)]
  rows_NxQxCxE = _narrowed(jnp.stack(columns, axis=2), row)
  # Or XLA (CPU) fuses the sum over all windows in the backward pass into a slow transposed copy.
  rows_NxQxCxE = jax.lax.optimization_barrier(rows_NxQxCxE)
  num, _, cols, _ = rows_NxQxCxE.shape
  if height == p:
    blocks = rows_NxQxCxE.reshape(num, grid.rows, p, cols, -1).swapaxes(2, 3)
    return blocks.reshape(num, grid.rows, cols, -1)
  # A window of pitches for each row of patches, as slices: a gather's gradient would be slow.
  shifts = [rows_NxQxCxE[:, s : s + last + 1 : p] for s in range(height)]
  return jnp.concatenate(shifts, axis=-1)


def _narrowed(cells_xSxF, row):
  """Rows of S steps as vectors."""
  rows_xE = cells_xSxF.reshape(*cells_xSxF.shape[:-2], -1)
  return row(rows_xE) if row is not None else rows_xE
