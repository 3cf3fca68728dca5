"""What is known of a song from its beginning: where in it one is, what it is like."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import zeros

from fractaljax.model.config import ModelConfig
from fractaljax.model.region import Region
from fractaljax.music import attributes


class SongEmbed(nn.Module):
  """Vectors of the bar in its phrase, of the phrase, of the two together, and of attributes.

  Bars that begin a phrase are dense, a song's first one is not: a sum does not say that.
  """

  config: ModelConfig
  width: int

  def setup(self):
    config = self.config
    self.bar = nn.Embed(config.phrase_bars, self.width)
    self.phrase = nn.Embed(config.num_phrases, self.width)
    num_bars = config.num_phrases * config.phrase_bars
    self.both = nn.Embed(num_bars, self.width, embedding_init=zeros)
    self.attributes = [
      nn.Embed(attributes.num_ids(name), self.width, embedding_init=zeros)
      for name in config.attributes
    ]

  def __call__(self, region: Region, every: int):
    """Vectors at every so many steps of regions, (N, C, D)."""
    phrase_bars, bar_NxC = self.config.phrase_bars, region.bar_NxT[:, ::every]
    # Any later phrase is as the last of those that are told apart.
    phrase_NxC = jnp.minimum(bar_NxC // phrase_bars, self.config.num_phrases - 1)
    bar_NxC = bar_NxC % phrase_bars
    x_NxCxD = self.bar(bar_NxC) + self.phrase(phrase_NxC)
    x_NxCxD += self.both(phrase_NxC * phrase_bars + bar_NxC)
    for a, embed in enumerate(self.attributes):
      x_NxCxD += embed(region.attributes_NxA[:, None, a])
    return x_NxCxD


class SongHint(nn.Module):
  """Logits to add to those of a level: of each attribute by pitch and by step, learned from zero.

  How high a song goes, or how chromatic it is, says of a single cell whether it can sound, and how
  many of its notes are off the eighths whether one can begin; trunks, which would have to multiply
  the place with the attribute, follow it only in part.
  """

  config: ModelConfig
  num_rows: int
  num_out: int

  @nn.compact
  def __call__(self, attributes_NxA, row_NxL, step_NxL):
    """Logits for patches in these rows of the roll, at these steps of the bar, (N, L, G)."""
    places = {'row': (self.num_rows, row_NxL), 'step': (self.config.levels[0].patch[1], step_NxL)}
    hint_NxLxG = 0.0
    for a, name in enumerate(self.config.attributes):
      for by, (num, place_NxL) in places.items():
        num_all = attributes.num_ids(name) * num
        embed = nn.Embed(num_all, self.num_out, embedding_init=zeros, name=f'{name}_by_{by}')
        hint_NxLxG += embed(attributes_NxA[:, a, None] * num + place_NxL)
    return hint_NxLxG
