"""Ceiling: what a bar's top leaves for notes at a patch, as a vector and as logits of its own."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import zeros

from fractaljax.model import top
from fractaljax.model.config import ModelConfig
from fractaljax.model.density import count_before
from fractaljax.model.hint import SCALE
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region

BELOW, AT, ABOVE = range(3)


class Ceiling(nn.Module):
  """Tables by the top of a bar and whether it has come up to it, learned from zero.

  Of the logits there are two: by the row of the patch, and by the step of the bar with the side of
  the top's pitches on which the patch lies, which all tops have in common.
  """

  config: ModelConfig
  width: int
  num_rows: int
  num_out: int

  def setup(self):
    num, num_steps = num_ids(self.config), self.config.levels[0].patch[1]
    self.vector = nn.Embed(num, self.width, embedding_init=zeros)
    self.by_row = nn.Embed(num * self.num_rows, self.num_out, embedding_init=zeros)
    self.by_step = nn.Embed(2 * 3 * num_steps, self.num_out, embedding_init=zeros)

  def __call__(self, id_NxL):
    """Vectors, (N, L, D)."""
    return self.vector(id_NxL).astype(self.config.dtype)

  def logits(self, id_NxL, row_NxL, step_NxL):
    """Logits to be added, (N, L, G), of patches in these rows, at these steps of the bar."""
    pitches = self.config.codec.num_pitches // self.num_rows
    num_steps = self.config.levels[0].patch[1]
    side_NxL = sides(id_NxL // 2, row_NxL, pitches, self.config)
    hint_NxLxG = self.by_row(id_NxL * self.num_rows + row_NxL)
    hint_NxLxG += self.by_step((2 * side_NxL + id_NxL % 2) * num_steps + step_NxL)
    return SCALE * hint_NxLxG


def num_ids(config: ModelConfig) -> int:
  return 2 * top.num_bins(config)


def sides(top_NxL, row_NxL, pitches: int, config: ModelConfig):
  """Whether patches of so many pitches lie BELOW those of tops, AT them or ABOVE, (N, L)."""
  first_K, end_K = map(jnp.asarray, top.rows_of_bins(config))
  is_below_NxL = (row_NxL + 1) * pitches <= first_K[top_NxL]
  is_above_NxL = row_NxL * pitches >= end_K[top_NxL]
  return jnp.where(is_below_NxL, BELOW, jnp.where(is_above_NxL, ABOVE, AT))


def ids(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Of each patch twice the top of its bar, and one more where it has come up to it, (N, L)."""
  return 2 * region.top_NxL + (high_before(region, seen_NxQxW, grid, config) > 0)


def high_before(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Notes of the bar before each patch in the scan that come up to its top, (N, L)."""
  here_NxPxT = region.inner(seen_NxQxW)
  is_high_NxPxT = top.is_high(here_NxPxT, region.row_N, region.top_NxL[:, 0], config)
  return count_before(region.high_N, is_high_NxPxT, grid)
