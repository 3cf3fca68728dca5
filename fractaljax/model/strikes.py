"""Strikes: which of a patch's steps the rhythm of its bar says are struck, and which have been."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import zeros

from fractaljax.model.config import ModelConfig
from fractaljax.model.hint import SCALE
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region, steps_of_bar

# Of a patch: nothing begins at its steps; something does, and does not below it; it does.
REST, DUE, STRUCK = range(3)
NUM_STATES = 3
# Steps after a patch of which it is told whether they are struck: notes end there.
AHEAD = 2


class Strikes(nn.Module):
  """Tables by the state of a patch, learned from zero: vectors, and logits by its row."""

  config: ModelConfig
  width: int
  num_rows: int
  num_out: int

  def setup(self):
    self.vector = nn.Embed(NUM_STATES << AHEAD, self.width, embedding_init=zeros)
    self.by_row = nn.Embed(NUM_STATES * self.num_rows, self.num_out, embedding_init=zeros)

  def __call__(self, id_NxL):
    """Vectors, (N, L, D)."""
    return self.vector(id_NxL).astype(self.config.dtype)

  def logits(self, id_NxL, row_NxL):
    """Logits to be added, (N, L, G), of patches in these rows."""
    return SCALE * self.by_row((id_NxL >> AHEAD) * self.num_rows + row_NxL)


def ids(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Of each patch its state, and in lower bits which of the steps after it are struck, (N, L)."""
  begun_NxL = begun_before(region, seen_NxQxW, grid, config)
  state_NxL = jnp.where(begun_NxL, STRUCK, DUE)
  state_NxL = jnp.where(is_struck(region, grid, config), state_NxL, REST)
  end_NxL = steps_of_bar(region, grid, config) + grid.patch[1]
  ahead_NxL = (region.rhythm_NxL >> end_NxL) & ((1 << AHEAD) - 1)
  return (state_NxL << AHEAD) + ahead_NxL


def is_struck(region: Region, grid: Grid, config: ModelConfig):
  """Whether the rhythm says that a note begins at any of each patch's steps, (N, L)."""
  own_NxL = region.rhythm_NxL >> steps_of_bar(region, grid, config)
  return (own_NxL & ((1 << grid.patch[1]) - 1)) > 0


def begun_before(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Whether below each patch, at its own steps, a note begins, (N, L).

  As far as the largest region of just these steps goes, and as far as it is known.
  """
  begun_NxL = grid.sum_below(config.codec.is_note(region.inner(seen_NxQxW))) > 0
  return begun_NxL | (region.begun_N[:, None] > 0) if grid.cols == 1 else begun_NxL
