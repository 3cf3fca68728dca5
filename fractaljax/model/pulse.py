"""The pulse: the rhythms of all bars, decided after all else that is said and before any note.

See `fractaljax.model.rhythm`.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.initializers import zeros

from fractaljax.model import density, returns, rhythm
from fractaljax.model.bars import Bars
from fractaljax.model.form import FormEmbed
from fractaljax.model.harmony import LAGS
from fractaljax.model.hint import SCALE
from fractaljax.model.nats import NEVER
from fractaljax.model.region import Region
from fractaljax.model.repeat import NUM_EIGHTHS, eighths_of, lag_of

# Of two rhythms: steps that both strike, steps that neither does, and whether they are equal.
NUM_LIKE = 3


class Pulse(Bars):
  """Logits of one half of the rhythm of each bar, (N, L, K), by all forms and the rhythms before.

  The offbeats hear the pulse of their own bar, too. A bar has much in common with some bar before,
  and which of 2^8 rhythms do, sums over their steps say better than a table could.
  """

  half: int

  def setup(self):
    super().setup()
    config, width = self.config, self.config.levels[0].width
    self.before = rhythm.RhythmEmbed(config, width)
    self.form = FormEmbed(config, width, nn.Embed.embedding_init)
    if self.half == rhythm.OFFBEATS:
      self.own = rhythm.RhythmEmbed(config, width)
    # Of the bars so many before; of the one that is repeated, by how much of it is.
    self.like = nn.Dense(len(LAGS) * NUM_LIKE, dtype=jnp.float32, kernel_init=zeros)
    self.repeating = self.param('repeating', zeros, (NUM_EIGHTHS, NUM_LIKE))
    if config.returns:
      self.returns = returns.ReturnsEmbed(config, width, nn.Embed.embedding_init)
      # Of each echo, by how much of it returns.
      self.returning = self.param('returning', zeros, (len(config.echoes), NUM_EIGHTHS, NUM_LIKE))
    if config.densities:
      # By how many steps of the pulse, for the offbeats, and of this half are struck.
      num = config.levels[0].patch[1] // 2 + 1
      self.density = self.param('density', zeros, (density.num_bins(config), num, num))
    self.out = nn.Dense(rhythm.num_ids(config), dtype=jnp.float32, kernel_init=zeros)

  def said(self, region: Region):
    return self.before(self.decided(region))

  def decided(self, region: Region):
    """Rhythms of bars before one in which this half is decided, (N, L)."""
    if self.half == rhythm.OFFBEATS:
      return region.rhythm_NxL
    return rhythm.without(region.rhythm_NxL, rhythm.OFFBEATS, self.config)

  def inputs(self, region: Region):
    """Those of all bars, and what is known of the bar itself, (N, L, D)."""
    x_NxLxD = super().inputs(region) + self.form(region).astype(self.config.dtype)
    if self.config.returns:
      x_NxLxD += self.returns(region.return_NxL).astype(self.config.dtype)
    if self.half == rhythm.OFFBEATS:
      pulse_NxL = rhythm.without(region.rhythm_NxL, rhythm.OFFBEATS, self.config)
      x_NxLxD += self.own(pulse_NxL).astype(self.config.dtype)
    return x_NxLxD

  def logits(self, y_NxAxD, region: Region, bar_A):
    """Of the bars `bar_A`; of this half of the rhythms only what is before each is read."""
    config, logits_NxAxK = self.config, self.out(y_NxAxD)
    id_NxL = rhythm.half_of(region.rhythm_NxL, self.half, config)
    heard_NxAxGxC = self.like(y_NxAxD).reshape(*y_NxAxD.shape[:2], len(LAGS), NUM_LIKE)
    of_lag = [(lag, heard_NxAxGxC[:, :, g]) for g, lag in enumerate(LAGS)]
    repeat_NxA = region.repeat_NxL[:, bar_A]
    of_lag.append((lag_of(repeat_NxA), self.weights(self.repeating, eighths_of(repeat_NxA))))
    if config.returns:
      eighths_NxAxE = returns.eighths_of(region.return_NxL[:, bar_A], config)
      for e, lag in enumerate(returns.lags(config)):
        weight_NxAxC = self.weights(self.returning[e], eighths_NxAxE[..., e])
        of_lag.append((lag, weight_NxAxC))
    for lag, weight_NxAxC in of_lag:
      lag_NxA = jnp.broadcast_to(lag, repeat_NxA.shape)
      then_NxA = jnp.take_along_axis(id_NxL, jnp.maximum(bar_A - lag_NxA, 0), axis=1)
      like_NxAxK = (weight_NxAxC[..., None, :] * self.likeness(then_NxA)).sum(axis=-1)
      is_there_NxA = (lag_NxA > 0) & (lag_NxA <= bar_A)
      logits_NxAxK += jnp.where(is_there_NxA[..., None], like_NxAxK, 0.0)
    if config.densities:
      logits_NxAxK += self.by_density(region.density_NxL[:, bar_A], region.rhythm_NxL[:, bar_A])
    return logits_NxAxK

  def weights(self, table_IxC, id_NxA):
    return SCALE * jnp.asarray(table_IxC)[id_NxA]

  def likeness(self, then_NxA):
    """What each id has in common with those of other bars, see NUM_LIKE, (N, A, K, C)."""
    id_K, then_NxAx1 = np.arange(rhythm.num_ids(self.config)), then_NxA[..., None]
    num_both = rhythm.num_struck(then_NxAx1 & id_K)
    num_neither = rhythm.num_struck(~(then_NxAx1 | id_K) & (len(id_K) - 1))
    return jnp.stack([num_both, num_neither, then_NxAx1 == id_K], axis=-1)

  def by_density(self, density_NxA, rhythm_NxA):
    """Logits of ids by the density of their bars, (N, A, K); NEVER of those that it rules out."""
    config, num_pulse_NxA = self.config, jnp.zeros_like(density_NxA)
    if self.half == rhythm.OFFBEATS:
      num_pulse_NxA = rhythm.num_struck(rhythm.without(rhythm_NxA, rhythm.OFFBEATS, config))
    num_K = rhythm.num_struck(np.arange(rhythm.num_ids(config)))
    logits_NxAxK = jnp.asarray(self.density)[density_NxA, num_pulse_NxA][..., num_K]
    fewest_NxA, most_NxA = (jnp.asarray(x_B)[density_NxA] for x_B in density.bounds(config))
    num_NxAxK = num_pulse_NxA[..., None] + num_K
    may_be_NxAxK = num_NxAxK <= most_NxA[..., None]
    if self.half == rhythm.OFFBEATS:  # the pulse may still have none
      may_be_NxAxK &= (num_NxAxK > 0) | (fewest_NxA == 0)[..., None]
    return jnp.where(may_be_NxAxK, logits_NxAxK, NEVER)
