"""The reprise: the returns of all bars, decided after the form and before any note.

See `fractaljax.model.returns`.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.initializers import zeros

from fractaljax.model import density, returns
from fractaljax.model.bars import Bars
from fractaljax.model.form import FormEmbed
from fractaljax.model.nats import NEVER
from fractaljax.model.region import Region
from fractaljax.model.repeat import EIGHTHS, eighths_of, lag_of


class Reprise(Bars):
  """Logits of the return of each bar, (N, L, Z), by the forms of all and the returns before it."""

  def setup(self):
    super().setup()
    config, width = self.config, self.config.levels[0].width
    self.embed = nn.Embed(returns.num_ids(config), width)
    self.form = FormEmbed(config, width, nn.Embed.embedding_init)
    num_echoes, num_bins = len(config.echoes), returns.NUM_BINS
    # Of each echo: by what the bar repeats, see `kinds`, and by the densities there and here.
    self.like = self.param('like', zeros, (num_echoes, len(EIGHTHS) + 2, num_bins))
    if config.densities:
      num = density.num_bins(config)
      self.density = self.param('density', zeros, (num_echoes, num, num, num_bins))
    self.out = nn.Dense(returns.num_ids(config), dtype=jnp.float32, kernel_init=zeros)

  def said(self, region: Region):
    return self.embed(region.return_NxL)

  def inputs(self, region: Region):
    """Those of all bars, and the bar's own form, (N, L, D)."""
    return super().inputs(region) + self.form(region).astype(self.config.dtype)

  def logits(self, y_NxAxD, region: Region, bar_A):
    """Of the bars `bar_A`; the returns in `region` are not read."""
    bin_ZxE = returns.bins_of(np.arange(returns.num_ids(self.config)), self.config)
    lag_E = np.array(returns.lags(self.config))
    logits_NxAxZ = self.out(y_NxAxD)
    for table_NxLxB, bin_Z in zip(self.tables(region), bin_ZxE.T, strict=True):
      logits_NxAxZ += table_NxLxB[:, bar_A][..., bin_Z]
    is_there_AxZ = ((bin_ZxE == 0) | (bar_A[:, None, None] >= lag_E)).all(axis=-1)
    return jnp.where(is_there_AxZ, logits_NxAxZ, NEVER)

  def tables(self, region: Region):
    """Logits of the bins of each echo by the form alone, a list of (N, L, B)."""
    bar_L, each = np.arange(region.repeat_NxL.shape[1]), []
    for e, lag in enumerate(returns.lags(self.config)):
      logits_NxLxB = jnp.asarray(self.like)[e, kinds(region.repeat_NxL, lag)]
      if self.config.densities:
        then_NxL = region.density_NxL[:, np.maximum(bar_L - lag, 0)]
        logits_NxLxB += jnp.asarray(self.density)[e, then_NxL, region.density_NxL]
      each.append(logits_NxLxB)
    return each


def kinds(repeat_x, lag: int):
  """0 where nothing is repeated, 1 another bar than that so far before, then by the eighths."""
  of_x = lag_of(repeat_x)
  return jnp.where(of_x == lag, 2 + eighths_of(repeat_x) - EIGHTHS[0], jnp.minimum(of_x, 1))
