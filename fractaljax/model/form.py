"""The form: which bars repeat which, how dense each is and how high; before any note.

A bar that comes again begins with notes each of which is unlikely, unless it is known that the bar
does. So the model says first what each bar repeats, see `fractaljax.model.repeat`, and shows that
to all levels as an echo. It hears no notes for it: a sample whose notes are less alike than a
song's would else repeat less, and then even less. A roll's form follows from its notes, and what is
scored is both together: -log p(roll, form), which is more than -log p(roll) by what the notes leave
open of the form, -log p(form | roll).

The form of a bar is one id, of its repeat, of its density and of its top, see
`fractaljax.model.density` and `fractaljax.model.top`.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.initializers import zeros

from fractaljax.model import density, top
from fractaljax.model.bars import Bars
from fractaljax.model.config import ModelConfig
from fractaljax.model.nats import NEVER
from fractaljax.model.region import Region
from fractaljax.model.repeat import EIGHTHS, NUM_EIGHTHS, after, eighths_of, lag_of, num_repeats


class Form(Bars):
  """Logits of the form of each bar, (N, L, K), by that of those before it."""

  def setup(self):
    super().setup()
    config, level = self.config, self.config.levels[0]
    self.embed = FormEmbed(config, level.width, nn.Embed.embedding_init)
    if config.densities:
      self.density = Bins(config, density.num_bins(config))
    if config.tops:
      self.top = Bins(config, top.num_bins(config))
    if config.densities and config.tops:
      shape = density.num_bins(config), top.num_bins(config)
      self.top_of_density = self.param('top_of_density', zeros, shape)
    # Of none, of each lag, of the one that goes on, and of the shares where one begins and where it
    # goes on.
    num_out = config.repeats + 2 + 2 * len(EIGHTHS)
    self.out = nn.Dense(num_out, dtype=jnp.float32, kernel_init=zeros, bias_init=self.none_first)

  def said(self, region: Region):
    return self.embed(region)

  def logits(self, y_NxAxD, region: Region, bar_A):
    """Of the bars `bar_A`; of the form in `region` only what is before each is read."""
    logits_NxAxRx = self.repeat_logits(y_NxAxD, after(lag_of(region.repeat_NxL))[:, bar_A], bar_A)
    if self.config.densities:
      density_NxAxRxB = self.density(y_NxAxD, region.density_NxL, bar_A)
      logits_NxAxRx = logits_NxAxRx[..., None] + jax.nn.log_softmax(density_NxAxRxB)
    if self.config.tops:
      top_NxAxRxH = self.top(y_NxAxD, region.top_NxL, bar_A)
      if self.config.densities:
        top_NxAxRxH = top_NxAxRxH[..., None, :] + self.by_density()
      logits_NxAxRx = logits_NxAxRx[..., None] + jax.nn.log_softmax(top_NxAxRxH)
    return logits_NxAxRx.reshape(*y_NxAxD.shape[:2], -1)

  def repeat_logits(self, y_NxAxD, before_NxA, bar_A):
    """Of what the bars repeat, (N, A, R), where those before them do at the lags `before_NxA`."""
    most = self.config.repeats
    lag_NxAxL, more_NxAx1, begins_NxAxS, goes_on_NxAxS = jnp.split(
      self.out(y_NxAxD), [most + 1, most + 2, most + 2 + len(EIGHTHS)], axis=-1
    )
    lag_L = np.arange(most + 1)
    is_same_NxAxL = (before_NxA[..., None] == lag_L) & (lag_L > 0)
    lag_NxAxL += jnp.where(is_same_NxAxL, more_NxAx1, 0.0)
    share_NxAxLxS = jnp.where(
      is_same_NxAxL[..., None], goes_on_NxAxS[:, :, None], begins_NxAxS[:, :, None]
    )
    both_NxAxLxS = lag_NxAxL[..., None] + share_NxAxLxS
    one_NxAxR = both_NxAxLxS[:, :, 1:].reshape(*before_NxA.shape, -1)
    is_there_AxR = lag_of(np.arange(1, num_repeats(most))) <= bar_A[:, None]
    # Whether a bar repeats any must not depend on how many there are to repeat.
    one_NxAxR = jax.nn.log_softmax(jnp.where(is_there_AxR, one_NxAxR, NEVER))
    one_NxAxR = jnp.where(is_there_AxR, one_NxAxR, NEVER)
    return jnp.concatenate([lag_NxAxL[..., :1], one_NxAxR], axis=-1)

  def by_density(self):
    """Of tops, by the density, (B, H): a bar without notes has the first."""
    table_BxH = jnp.asarray(self.top_of_density)
    is_silence = self.config.densities[0] == 1  # the first density
    return table_BxH.at[0, 1:].set(NEVER) if is_silence else table_BxH

  def none_first(self, rng, shape: tuple[int], dtype) -> jax.Array:
    """Bias with which a bar begins as repeating none in three cases of four."""
    return jnp.zeros(shape, dtype).at[0].set(jnp.log(3.0))


class Bins(nn.Module):
  """Logits of the bins, of densities or of tops, of bars.

  A bar is about as dense and as high as the one that it repeats, or else as the one before it.
  """

  config: ModelConfig
  num: int

  @nn.compact
  def __call__(self, y_NxAxD, bin_NxL, bar_A):
    """Of the bars `bar_A` if they repeat this or that, (N, A, R, B)."""
    heard_NxAxB = nn.Dense(self.num, dtype=jnp.float32, kernel_init=zeros, name='heard')(y_NxAxD)
    # By how much comes again: the bins of the bar that is repeated, and of this one. First, where
    # none is repeated, of the bar before and of this one.
    like_IxBxB = self.param('like', zeros, (len(EIGHTHS) + 1, self.num, self.num))
    repeat_R = np.arange(num_repeats(self.config.repeats))
    then_AxR = bar_A[:, None] - np.maximum(lag_of(repeat_R), 1)
    then_NxAxR = jnp.where(then_AxR >= 0, bin_NxL[:, jnp.maximum(then_AxR, 0)], 0)
    kind_R = jnp.maximum(eighths_of(repeat_R) - EIGHTHS[0] + 1, 0)
    return heard_NxAxB[:, :, None] + jnp.asarray(like_IxBxB)[kind_R, then_NxAxR]


class FormEmbed(nn.Module):
  """The forms of the bars of whole rolls as vectors."""

  config: ModelConfig
  width: int
  embedding_init: nn.initializers.Initializer

  @nn.compact
  def __call__(self, region: Region):
    """Embeddings of repeat, density and top, (N, L, D)."""
    parts = [
      ('lag', self.config.repeats + 1, lag_of(region.repeat_NxL)),
      ('eighths', NUM_EIGHTHS, eighths_of(region.repeat_NxL)),
    ]
    if self.config.densities:
      parts.append(('density', density.num_bins(self.config), region.density_NxL))
    if self.config.tops:
      parts.append(('top', top.num_bins(self.config), region.top_NxL))
    return sum(
      nn.Embed(num, self.width, embedding_init=self.embedding_init, name=name)(id_NxL)
      for name, num, id_NxL in parts
    )


def num_parts(config: ModelConfig) -> tuple[int, int, int]:
  """Repeats, densities and tops that bars may have."""
  return num_repeats(config.repeats), density.num_bins(config), top.num_bins(config)


def num_ids(config: ModelConfig) -> int:
  """Ids of the forms of bars."""
  return math.prod(num_parts(config))


def form_of(region: Region, config: ModelConfig):
  """The forms of the bars of whole rolls, ids (N, L)."""
  id_NxL, (_, *nums) = region.repeat_NxL, num_parts(config)
  for num, part_NxL in zip(nums, (region.density_NxL, region.top_NxL), strict=True):
    if part_NxL is not None:
      id_NxL = id_NxL * num + part_NxL
  return id_NxL


def parts_of(id_x, config: ModelConfig):
  """The repeats, the densities and the tops of forms, three arrays of ids."""
  _, num_densities, num_tops = num_parts(config)
  both_x, top_x = id_x // num_tops, id_x % num_tops
  return both_x // num_densities, both_x % num_densities, top_x


def with_form(region: Region, id_NxL, config: ModelConfig) -> Region:
  """Whole rolls with other forms."""
  repeat_NxL, density_NxL, top_NxL = parts_of(jnp.asarray(id_NxL), config)
  return region.replace(
    repeat_NxL=repeat_NxL,
    density_NxL=density_NxL if config.densities else None,
    top_NxL=top_NxL if config.tops else None,
  )
