"""The reprise: the returns of all bars, decided after the form and before any note.

See `fractaljax.model.returns`.
"""

import itertools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.initializers import zeros

from fractaljax.model import density, returns
from fractaljax.model.bars import Bars
from fractaljax.model.config import ModelConfig
from fractaljax.model.form import FormEmbed
from fractaljax.model.nats import NEVER
from fractaljax.model.region import Region
from fractaljax.model.repeat import EIGHTHS, NUM_EIGHTHS, eighths_of, lag_of

# How much two earlier bars have in common: eighths, or that no return says it.
NUM_BETWEEN = NUM_EIGHTHS + 1


class Reprise(Bars):
  """Logits of the return of each bar, (N, L, Z), by the forms of all and the returns before it.

  What two bars have in common limits what a third has with both. So there are tables of what an
  echo's bar has in common with the one that is repeated, and with the bars of the other echoes.
  """

  def setup(self):
    super().setup()
    config, width = self.config, self.config.levels[0].width
    self.embed = returns.ReturnsEmbed(config, width, nn.Embed.embedding_init)
    self.form = FormEmbed(config, width, nn.Embed.embedding_init)
    num_echoes, num_eighths = len(config.echoes), NUM_EIGHTHS
    # Of each echo: by what the bar repeats, see `kinds`, and by the densities there and here.
    self.like = self.param('like', zeros, (num_echoes, num_kinds(), num_eighths))
    if config.densities:
      num = density.num_bins(config)
      self.density = self.param('density', zeros, (num_echoes, num, num, num_eighths))
    # Of two echoes: by what their bars have in common.
    self.pairs = list(itertools.combinations(range(num_echoes), 2))
    if self.pairs:
      shape = len(self.pairs), NUM_BETWEEN, num_eighths, num_eighths
      self.pair = self.param('pair', zeros, shape)
    self.out = nn.Dense(returns.num_ids(config), dtype=jnp.float32, kernel_init=zeros)

  def said(self, region: Region):
    return self.embed(region.return_NxL)

  def inputs(self, region: Region):
    """Those of all bars, and the bar's own form, (N, L, D)."""
    return super().inputs(region) + self.form(region).astype(self.config.dtype)

  def logits(self, y_NxAxD, region: Region, bar_A):
    """Of the bars `bar_A`; of the returns in `region` only what is before each is read."""
    eighths_ExZ = returns.eighths_of(np.arange(returns.num_ids(self.config)), self.config).T
    logits_NxAxZ, may_be_NxAxZ = self.out(y_NxAxD), True
    for e, lag in enumerate(returns.lags(self.config)):
      table_NxLxK = self.of_echo(region, e)
      may_be_NxLxK = possible(region, lag, self.config)
      logits_NxAxZ += table_NxLxK[:, bar_A][..., eighths_ExZ[e]]
      may_be_NxAxZ &= may_be_NxLxK[:, bar_A][..., eighths_ExZ[e]]
    for k, (e, f) in enumerate(self.pairs):
      lag_NxL = jnp.full_like(region.return_NxL, returns.lags(self.config)[f])
      table_NxLxKxK = jnp.asarray(self.pair)[k, between(region, e, lag_NxL, self.config)]
      logits_NxAxZ += table_NxLxKxK[:, bar_A][..., eighths_ExZ[e], eighths_ExZ[f]]
    return jnp.where(may_be_NxAxZ, logits_NxAxZ, NEVER)

  def of_echo(self, region: Region, e: int):
    """Logits of the eighths of one echo, (N, L, K)."""
    logits_NxLxK = jnp.asarray(self.like)[e, kinds(region, e, self.config)]
    if self.config.densities:
      then_NxL = density_then(region, returns.lags(self.config)[e])
      logits_NxLxK += jnp.asarray(self.density)[e, then_NxL, region.density_NxL]
    return logits_NxLxK


def density_then(region: Region, lag: int):
  """The density so many bars before each bar, (N, L); that of the first bar where there is none."""
  bar_L = np.arange(region.density_NxL.shape[1])
  return region.density_NxL[:, np.maximum(bar_L - lag, 0)]


def num_kinds() -> int:
  return 1 + len(EIGHTHS) * NUM_BETWEEN


def kinds(region: Region, e: int, config: ModelConfig):
  """0 where a bar repeats none; else how much of one, and what that has in common with an echo's.

  Args:
    region: whole rolls.
    e: which echo.
    config: of the model.
  """
  lag_NxL = lag_of(region.repeat_NxL)
  more_NxL = (eighths_of(region.repeat_NxL) - EIGHTHS[0]) * NUM_BETWEEN
  return jnp.where(lag_NxL > 0, 1 + more_NxL + between(region, e, lag_NxL, config), 0)


def between(region: Region, e: int, lag_NxL, config: ModelConfig):
  """What the bar of an echo and the bar so far before have in common, one of NUM_BETWEEN, (N, L).

  A return says it if the one is an echo of the other; else, and where both are the same bar, it is
  the last of NUM_BETWEEN. No return but those of earlier bars is read.
  """
  lags, bar_L = returns.lags(config), np.arange(region.return_NxL.shape[1])
  newer_NxL, apart_NxL = jnp.minimum(lag_NxL, lags[e]), jnp.abs(lag_NxL - lags[e])
  then_NxL = bar_L - jnp.maximum(newer_NxL, 1)
  eighths_NxLxE = returns.eighths_of(region.return_NxL, config)
  eighths_NxLxE = jnp.take_along_axis(eighths_NxLxE, jnp.maximum(then_NxL, 0)[..., None], axis=1)
  found_NxL = jnp.full_like(lag_NxL, NUM_BETWEEN - 1)
  for g, lag in enumerate(lags):
    is_said_NxL = (apart_NxL == lag) & (then_NxL >= lag)
    found_NxL = jnp.where(is_said_NxL, eighths_NxLxE[..., g], found_NxL)
  return found_NxL


def possible(region: Region, lag: int, config: ModelConfig):
  """Which eighths of the bar so far before the form leaves open to return, (N, L, K).

  A bar that repeats that one has as much in common with it as was said. One that repeats none has
  less than half in common with any that it could repeat. Bars of so many notes and of so few have
  no more in common than the few. Nothing returns of what is not there.
  """
  eighths_K, bar_L = np.arange(NUM_EIGHTHS), np.arange(region.repeat_NxL.shape[1])
  may_be_NxLxK = (bar_L >= lag)[:, None] | (eighths_K == 0)
  if config.densities:
    most_BxB = jnp.asarray(density.most_eighths(config))
    most_NxL = most_BxB[density_then(region, lag), region.density_NxL]
    may_be_NxLxK &= eighths_K <= most_NxL[..., None]
  if lag <= config.repeats:
    may_be_NxLxK &= (region.repeat_NxL > 0)[..., None] | (eighths_K < EIGHTHS[0])
  is_this_NxLx1 = (lag_of(region.repeat_NxL) == lag)[..., None]
  so_much_NxLx1 = eighths_of(region.repeat_NxL)[..., None]
  return jnp.where(is_this_NxLx1, eighths_K == so_much_NxLx1, may_be_NxLxK)
