"""What is known of a song from its beginning: where in it one is, what it is like."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import zeros

from fractaljax.model.config import ModelConfig
from fractaljax.model.region import Region
from fractaljax.music import attributes


class SongEmbed(nn.Module):
  """Vectors of the bar in its phrase, of the phrase and of the song's attributes."""

  config: ModelConfig
  width: int

  def setup(self):
    config = self.config
    self.bar = nn.Embed(config.phrase_bars, self.width)
    self.phrase = nn.Embed(config.num_phrases, self.width)
    self.attributes = [
      nn.Embed(attributes.num_ids(name), self.width, embedding_init=zeros)
      for name in config.attributes
    ]

  def __call__(self, region: Region, every: int):
    """Vectors at every so many steps of regions, (N, C, D)."""
    config, bar_NxC = self.config, region.bar_NxT[:, ::every]
    # Any later phrase is as the last of those that are told apart.
    phrase_NxC = jnp.minimum(bar_NxC // config.phrase_bars, config.num_phrases - 1)
    x_NxCxD = self.bar(bar_NxC % config.phrase_bars) + self.phrase(phrase_NxC)
    for a, embed in enumerate(self.attributes):
      x_NxCxD += embed(region.attributes_NxA[:, None, a])
    return x_NxCxD


class SongHint(nn.Module):
  """Logits to add to those of a level: of each attribute by the pitch, learned from zero.

  How high a song goes, or how chromatic it is, says of a single cell whether it can sound; trunks,
  which would have to multiply pitch with attribute, follow it only in part.
  """

  config: ModelConfig
  num_rows: int
  num_out: int

  @nn.compact
  def __call__(self, attributes_NxA, row_NxL):
    """Logits for patches in these rows of the roll, (N, L, G)."""
    hint_NxLxG = 0.0
    for a, name in enumerate(self.config.attributes):
      num = attributes.num_ids(name) * self.num_rows
      embed = nn.Embed(num, self.num_out, embedding_init=zeros, name=name)
      hint_NxLxG += embed(attributes_NxA[:, a, None] * self.num_rows + row_NxL)
    return hint_NxLxG
