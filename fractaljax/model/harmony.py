"""The harmony: the chords of all bars, decided after the form and returns, before any note.

A sample that finds its chords while it writes its notes does not come back to them: songs have the
chord of eight bars before in two bars of five, and without a harmony samples have it little more
often than by chance. See `fractaljax.model.chord`.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.initializers import zeros

from fractaljax.model import returns
from fractaljax.model.bars import Bars
from fractaljax.model.chord import NUM_CHORDS
from fractaljax.model.form import FormEmbed
from fractaljax.model.region import Region
from fractaljax.model.repeat import EIGHTHS, NUM_EIGHTHS, eighths_of, lag_of

# Bars before, the chords of which have tables of what comes so many bars after them.
LAGS = 1, 2, 4, 8, 16


class Harmony(Bars):
  """Logits of the chord of each bar, (N, L, 25), by the forms of all and the chords before it."""

  def setup(self):
    super().setup()
    config, width = self.config, self.config.levels[0].width
    self.chord = nn.Embed(NUM_CHORDS, width)
    self.form = FormEmbed(config, width, nn.Embed.embedding_init)
    # By how much of a bar is repeated: the chord there, and here.
    self.like = self.param('like', zeros, (len(EIGHTHS), NUM_CHORDS, NUM_CHORDS))
    self.before = self.param('before', zeros, (len(LAGS), NUM_CHORDS, NUM_CHORDS))
    if config.returns:
      self.returns = returns.ReturnsEmbed(config, width, nn.Embed.embedding_init)
      # Of each echo, by how much of it returns: the chord there, and here.
      shape = len(config.echoes), NUM_EIGHTHS, NUM_CHORDS, NUM_CHORDS
      self.returning = self.param('returning', zeros, shape)
    self.out = nn.Dense(NUM_CHORDS, dtype=jnp.float32, kernel_init=zeros)

  def said(self, region: Region):
    return self.chord(region.chord_NxL)

  def inputs(self, region: Region):
    """Those of all bars, and the bar's own form and return, (N, L, D)."""
    x_NxLxD = super().inputs(region) + self.form(region).astype(self.config.dtype)
    if self.config.returns:
      x_NxLxD += self.returns(region.return_NxL).astype(self.config.dtype)
    return x_NxLxD

  def logits(self, y_NxAxD, region: Region, bar_A):
    """Of the bars `bar_A`; of the chords in `region` only those before each are read."""
    return self.out(y_NxAxD) + self.tables(region)[:, bar_A]

  def tables(self, region: Region):
    """Logits by the chords of the bar that is repeated and of those so many bars before."""
    chord_NxL, bar_L = region.chord_NxL, np.arange(region.chord_NxL.shape[1])
    lag_NxL = lag_of(region.repeat_NxL)
    then_NxL = jnp.take_along_axis(chord_NxL, jnp.maximum(bar_L - lag_NxL, 0), axis=1)
    kind_NxL = jnp.maximum(eighths_of(region.repeat_NxL) - EIGHTHS[0], 0)
    like_NxLxK = jnp.asarray(self.like)[kind_NxL, then_NxL]
    logits_NxLxK = jnp.where(lag_NxL[..., None] > 0, like_NxLxK, 0.0)
    of_lag = [(lag, (k,), self.before) for k, lag in enumerate(LAGS)]
    if self.config.returns:
      eighths_NxLxE = returns.eighths_of(region.return_NxL, self.config)
      for e, lag in enumerate(returns.lags(self.config)):
        of_lag.append((lag, (e, eighths_NxLxE[..., e]), self.returning))
    for lag, row, table in of_lag:
      after_NxLxK = jnp.asarray(table)[*row, chord_NxL[:, np.maximum(bar_L - lag, 0)]]
      logits_NxLxK += jnp.where((bar_L >= lag)[:, None], after_NxLxK, 0.0)
    return logits_NxLxK
