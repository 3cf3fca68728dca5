"""Room: what a bar's density leaves for notes at a patch, as a vector and as logits of its own."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import zeros

from fractaljax.model import density
from fractaljax.model.config import ModelConfig
from fractaljax.model.hint import SCALE
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region


class Room(nn.Module):
  """Tables by the density of a bar and its notes until now, learned from zero.

  Of the logits there are tables for themselves, also by the step of the bar: that a bar is full, or
  has to be filled, would otherwise take the trunk long to learn. One is by what all densities have
  in common, how many notes are left until the bar is full.
  """

  config: ModelConfig
  width: int
  num_out: int

  def setup(self):
    num = num_ids(self.config)
    self.vector = nn.Embed(num, self.width, embedding_init=zeros)
    num_steps = self.config.levels[0].patch[1]
    self.hint = nn.Embed(num * num_steps, self.num_out, embedding_init=zeros)
    num_left = num_lefts(self.config) * num_steps
    self.left = nn.Embed(num_left, self.num_out, embedding_init=zeros)

  def __call__(self, id_NxL):
    """Vectors, (N, L, D)."""
    return self.vector(id_NxL).astype(self.config.dtype)

  def logits(self, id_NxL, step_NxL):
    """Logits to be added, (N, L, G), at these steps of the bar."""
    num_steps = self.config.levels[0].patch[1]
    left_NxL = left_of(id_NxL, self.config)
    hint_NxLxG = self.hint(id_NxL * num_steps + step_NxL)
    hint_NxLxG += self.left(left_NxL * num_steps + step_NxL)
    return SCALE * hint_NxLxG


def num_ids(config: ModelConfig) -> int:
  return density.num_bins(config) * (config.densities[-1] + 1)


def num_lefts(config: ModelConfig) -> int:
  return 2 * config.densities[-1] + 2


def left_of(id_NxL, config: ModelConfig):
  """Ids of how many notes a density still has room for; of the last one, how many it asks for.

  0: there are more already. The last density is never full.
  """
  edges, most = config.densities, config.densities[-1]
  density_NxL, count_NxL = id_NxL // (most + 1), id_NxL % (most + 1)
  left_NxL = jnp.maximum(jnp.asarray((*edges, most))[density_NxL] - count_NxL, 0)
  return jnp.where(density_NxL == len(edges), most + 1 + most - count_NxL, left_NxL)


def is_full(id_NxL, config: ModelConfig):
  """Whether one more note would be too many for the density, (N, L)."""
  return left_of(id_NxL, config) <= 1


def ids(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Of each patch the density of its bar with the notes until now, (N, L)."""
  most = config.densities[-1]
  count_NxL = notes_before(region, seen_NxQxW, grid, config)
  return region.density_NxL * (most + 1) + jnp.minimum(count_NxL, most)


def notes_before(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Notes of the bar before each patch in the scan, (N, L); what is unknown does not count."""
  if region.count_N is None:  # a patch is a bar
    return jnp.zeros((region.row_N.shape[0], len(grid)), jnp.int32)
  is_note_NxPxT = config.codec.is_note(region.inner(seen_NxQxW))
  return density.count_before(region.count_N, is_note_NxPxT, grid)
