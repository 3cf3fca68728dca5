"""Bars: a transformer over first patches, for what is said of each before there is a note."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model import trunk
from fractaljax.model.config import ModelConfig
from fractaljax.model.region import Region
from fractaljax.model.repeat import after
from fractaljax.model.rope import rope_table
from fractaljax.model.song import SongEmbed


class Bars(nn.Module):
  """Logits of what is to be said of each bar, (N, L, K), by what is said of those before it.

  A transformer like that of the first level. It hears the place in the song and the attributes. A
  subclass has `said`, what is said of bars as vectors (N, L, D), of which each hears that of the
  bar before it; and `logits` of some bars.
  """

  config: ModelConfig

  def setup(self):
    config, level = self.config, self.config.levels[0]
    self.start = self.param('start', nn.initializers.normal(0.02), (level.width,))
    self.song = SongEmbed(config, level.width)
    reach = config.span // level.patch[1]
    self.trunk = trunk.Trunk(level, config.qk_norm, config.dtype, config.remat, reach)

  def __call__(self, region: Region, train: bool):
    """Logits for all bars of whole rolls."""
    x_NxLxD = self.inputs(region)
    y_NxLxD, _ = self.trunk(x_NxLxD, self.rope(x_NxLxD.shape[1]), train=train)
    return self.logits(y_NxLxD, region, np.arange(x_NxLxD.shape[1]))

  def step(self, region: Region, cache, i):
    """Logits for bar `i` alone, (N, 1, K): the same as `__call__` gives there; and the cache."""
    x_NxLxD = self.inputs(region)
    rope = self.rope(x_NxLxD.shape[1]).at(i)
    x_Nx1xD = jax.lax.dynamic_slice_in_dim(x_NxLxD, i, 1, axis=1)
    y_Nx1xD, cache = self.trunk(x_Nx1xD, rope, cache, i)
    return self.logits(y_Nx1xD, region, jnp.reshape(i, 1)), cache

  def rope(self, num_bars: int):
    level = self.config.levels[0]
    return rope_table(np.zeros(num_bars, int), np.arange(num_bars), level.width // level.heads)

  def inputs(self, region: Region):
    """What is said of the bar before, place and attributes as vectors, (N, L, D)."""
    x_NxLxD = after(self.said(region)).at[:, 0].set(self.start)
    x_NxLxD += self.song(region, self.config.levels[0].patch[1])
    return x_NxLxD.astype(self.config.dtype)


def empty_cache(config: ModelConfig, num: int, num_bars: int):
  """Caches for `step` of `num` rolls."""
  return trunk.empty_cache(config.levels[0], num, num_bars, config.dtype)
