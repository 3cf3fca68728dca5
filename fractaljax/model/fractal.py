"""The recursion: levels split what the level before found occupied, down to cells."""

import dataclasses
import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from fractaljax.model import limits, patches, rhythm, trunk
from fractaljax.model.bars import Bars
from fractaljax.model.children import children
from fractaljax.model.config import ModelConfig
from fractaljax.model.detail import (
  Detail,
  added,
  choice_detail,
  gate_detail,
  tokens_before,
  value_detail,
)
from fractaljax.model.form import Form
from fractaljax.model.harmony import Harmony
from fractaljax.model.masking import training_mask
from fractaljax.model.nats import gate_nats, value_logp, value_nats
from fractaljax.model.occupancy import gather, is_forced
from fractaljax.model.patches import Grid
from fractaljax.model.prior import Prior, before
from fractaljax.model.pulse import Pulse
from fractaljax.model.region import Region, hide, patch_states, whole_roll
from fractaljax.model.reprise import Reprise
from fractaljax.model.said import said_of, with_said
from fractaljax.model.split import Split
from fractaljax.music.crop import Crop


class LevelLoss(NamedTuple):
  """Sums over a batch for one level.

  Attributes:
    nats: negative log likelihood of its decisions: gates, or values at the last level; at the first
      the rolls' attributes and what is said of their bars, too.
    num_scored: gates or values that were scored.
    num_open: patches that were to be expanded.
    num_dropped: those among them that did not fit the capacity.
    detail: what the decisions were like; None in training, and where nothing was to be decided.
  """

  nats: jax.Array
  num_scored: jax.Array
  num_open: jax.Array
  num_dropped: jax.Array
  detail: Detail | None


class Fractal(nn.Module):
  """A distribution over piano rolls.

  The nats of all levels together estimate the negative log likelihood of a batch: exactly if all
  levels are AR and nothing was dropped, else as a bound averaged over random orders (the
  order-agnostic bound of Hoogeboom et al. 2022). They are those of the rolls together with their
  attributes, form, returns, chords and rhythm, where the model says these, and so a bound, too.
  """

  config: ModelConfig

  def setup(self):
    self.splits = [Split(self.config, i) for i in range(len(self.config.levels))]
    self.prior = Prior(self.config) if self.config.attributes else None
    self.form = Form(self.config) if self.config.repeats else None
    self.reprise = Reprise(self.config) if self.config.returns else None
    self.harmony = Harmony(self.config) if self.config.chords else None
    self.pulse = self.offbeats = None
    if self.config.rhythms:
      self.pulse = Pulse(self.config, rhythm.PULSE)
      self.offbeats = Pulse(self.config, rhythm.OFFBEATS)

  @property
  def bars(self) -> dict[str, Bars | None]:
    """What says something of the first patches, the bars, in the order in which they do."""
    return {
      'form': self.form, 'reprise': self.reprise, 'harmony': self.harmony, 'pulse': self.pulse,
      'offbeats': self.offbeats,
    }  # fmt: skip

  def __call__(
    self,
    crop: Crop,
    train: bool,
    capacities: tuple[int, ...] | None = None,
    said: dict[str, jax.Array] | None = None,
  ) -> tuple[LevelLoss, ...]:
    """Scores a batch of crops, one `LevelLoss` a level.

    Args:
      crop: the batch.
      train: with dropout, dropped attributes and masks from each level's own distribution.
        Otherwise masks are uniform over counts, which makes the loss a bound.
      capacities: patches that each level but the last can expand; None for the config's shares.
      said: what is said of the bars in the place of what their notes are, ids (B, L), see
        `fractaljax.model.said`.
    """
    region = whole_roll(crop, self.config)
    for name, id_BxL in (said or {}).items():
      region = with_said(region, name, id_BxL, self.config)
    if train and self.config.attributes:
      region = region.replace(attributes_NxA=self._drop_attributes(region.attributes_NxA))
    weight_N = jnp.ones(region.row_N.shape)
    before_NxPxT = None if train else tokens_before(crop, self.config.codec)
    capacities = capacities or share_capacities(self.config, *crop.valid_T.shape)
    losses, roll = [], region
    for split, capacity in zip(self.splits, (*capacities, 0), strict=True):
      loss, region, before_NxPxT, weight_N = self._level(
        split, region, before_NxPxT, weight_N, capacity, train
      )
      losses.append(loss)
    for name, id_BxL in said_of(roll, self.config).items():
      losses[0] = self._with_bars(losses[0], name, id_BxL, roll, train)
    if self.config.attributes:
      losses[0] = self._with_attributes(losses[0], crop, train)
    return tuple(losses)

  def _level(self, split: Split, region: Region, before_NxPxT, weight_N, capacity: int, train):
    """Scores one level; returns its loss, and regions, tokens before and weights for the next."""
    grid = split.grid(region)
    occupied_NxL, open_NxL = patch_states(region, grid, self.config)
    if split.level.causal:
      scored_NxL, seen_NxQxW = open_NxL, region.canvas_NxQxW
    else:
      level = split.level if train else dataclasses.replace(split.level, mask='uniform')
      scored_NxL = training_mask(self.make_rng('mask'), level, open_NxL)
      seen_NxQxW = hide(region, grid, scored_NxL, self.config.codec)
      weight_N *= open_NxL.sum(axis=1) / jnp.maximum(scored_NxL.sum(axis=1), 1)
    y_NxLxD, logits = split(region, seen_NxQxW, train)

    forced_NxL = jnp.zeros_like(open_NxL)
    if self.config.gate and split.index:
      may_NxL = True
      if self.config.has_limits:
        may_NxL = limits.in_silence(region, grid, self.config)
      forced_NxL = is_forced(split.level.causal, scored_NxL, occupied_NxL, may_NxL)
    weight_NxL = weight_N[:, None] * scored_NxL
    nats_NxL, detail = self._decisions(
      split, logits, region, before_NxPxT, occupied_NxL, forced_NxL, weight_NxL
    )
    nats, num_scored = (weight_NxL * nats_NxL).sum(), (weight_NxL > 0).sum()
    if split.is_last:
      return LevelLoss(nats, num_scored, jnp.zeros(()), jnp.zeros(()), detail), None, None, None

    chosen_NxL = (weight_NxL > 0) & (occupied_NxL | (not self.config.gate))
    cond_NxLxC = split.condition(y_NxLxD, grid)
    rng = self.make_rng('mask') if train else None
    gathered = gather(chosen_NxL.reshape(-1), capacity, rng)
    cond_KxC = cond_NxLxC.reshape(-1, cond_NxLxC.shape[-1])[gathered.flat_K]
    region = children(region, grid, seen_NxQxW, gathered.flat_K, cond_KxC, self.config, split.level)
    if not train:
      before_NxPxT = patches.cut(before_NxPxT, *grid.corners(gathered.flat_K), grid.patch)
    loss = LevelLoss(nats, num_scored, chosen_NxL.sum(), gathered.num_dropped, detail)
    weight_K = weight_NxL.reshape(-1)[gathered.flat_K] * gathered.weight_K
    return loss, region, before_NxPxT, weight_K

  def _decisions(
    self, split: Split, logits, region, before_NxPxT, occupied_NxL, forced_NxL, weight_NxL
  ):
    """Nats of a level's gates or values, (N, L), and in scoring their `Detail`."""
    grid, codec = split.grid(region), self.config.codec
    if split.is_last:
      logp_NxLxV = value_logp(logits, forced_NxL)
      token_NxL = grid.split(region.tokens_NxPxT)[..., 0, 0]
      nats_NxL = value_nats(logp_NxLxV, token_NxL)
      if before_NxPxT is None:
        return nats_NxL, None
      before_NxL = grid.split(before_NxPxT)[..., 0, 0]
      return nats_NxL, value_detail(
        logp_NxLxV, nats_NxL, token_NxL, before_NxL, ~forced_NxL, weight_NxL, codec
      )
    if logits is None:
      return jnp.zeros(weight_NxL.shape), None
    nats_NxL = gate_nats(logits, occupied_NxL, forced_NxL)
    if before_NxPxT is None:
      return nats_NxL, None
    return nats_NxL, gate_detail(logits, nats_NxL, occupied_NxL, ~forced_NxL, weight_NxL)

  def _with_bars(self, loss: LevelLoss, name: str, id_NxL, region: Region, train) -> LevelLoss:
    """The loss of the first level with that of what one of `bars` says of its patches."""
    logp_NxLxK = jax.nn.log_softmax(self.bars[name](region, train))
    weight_NxL = region.valid_NxT.reshape(*id_NxL.shape, -1).any(axis=2)
    return _with_choices(loss, logp_NxLxK, value_nats(logp_NxLxK, id_NxL), weight_NxL, train)

  def _with_attributes(self, loss: LevelLoss, crop: Crop, train) -> LevelLoss:
    """The loss of the first level with that of the rolls' attributes, of those that are given."""
    ids_BxA = jnp.asarray(crop.attributes_A)
    place_BxA = jnp.broadcast_to(jnp.arange(ids_BxA.shape[1]), ids_BxA.shape)
    if train:  # in any order: asked for some of them, the sampler draws the others
      place_BxA = jax.random.uniform(self.make_rng('mask'), ids_BxA.shape)
    logp_BxAxK = jax.nn.log_softmax(self.prior(ids_BxA, before(place_BxA)))
    nats_BxA = value_nats(logp_BxAxK, ids_BxA)
    weight_BxA = (ids_BxA > 0) & jnp.asarray(crop.valid_T).any(axis=1, keepdims=True)
    return _with_choices(loss, logp_BxAxK, nats_BxA, weight_BxA, train)

  def _drop_attributes(self, ids_BxA):
    share, shape = 1 - self.config.cond_drop, (ids_BxA.shape[0], 1)
    return jnp.where(jax.random.bernoulli(self.make_rng('mask'), share, shape), ids_BxA, 0)

  def place(self, index: int, region: Region):
    """`Split.place` of level `index`, for the sampler."""
    return self.splits[index].place(region, self.splits[index].grid(region))

  def step(self, index: int, place_NxLxD, region: Region, grid: Grid, cache, i):
    """One patch of AR level `index`: logits (N, 1, ...), its children's condition, the cache."""
    y_Nx1xD, logits, cache = self.splits[index].step(place_NxLxD, region, grid, cache, i)
    return logits, y_Nx1xD, cache

  def attribute_logits(self, ids_NxA, known_NxAxA):
    """Logits of the attributes of rolls, see `Prior`."""
    return self.prior(ids_NxA, known_NxAxA)

  def bar_logits(self, name: str, region: Region):
    """Logits of what one of `bars` says of the bars of whole rolls, (N, L, K)."""
    return self.bars[name](region, train=False)

  def bar_step(self, name: str, region: Region, cache, i):
    """Those of bar `i` alone, (N, 1, K), and the cache."""
    return self.bars[name].step(region, cache, i)

  def predict(self, index: int, region: Region, seen_NxQxW):
    """All patches of level `index` at once: logits (N, L, ...), their children's conditions."""
    split = self.splits[index]
    y_NxLxD, logits = split(region, seen_NxQxW, train=False)
    return logits, split.condition(y_NxLxD, split.grid(region))


def _with_choices(loss: LevelLoss, logp_NxAxK, nats_NxA, weight_NxA, train) -> LevelLoss:
  """A loss with that of more decisions, each one of K."""
  loss = loss._replace(nats=loss.nats + (weight_NxA * nats_NxA).sum())
  if train:
    return loss
  return loss._replace(detail=added(loss.detail, choice_detail(logp_NxAxK, nats_NxA, weight_NxA)))


def share_capacities(config: ModelConfig, batch: int, num_steps: int) -> tuple[int, ...]:
  """The config's capacities as numbers of patches in a batch; all if there is no gate."""
  cells = batch * num_steps * config.codec.num_pitches
  return tuple(
    math.ceil((share if config.gate else 1.0) * cells / math.prod(level.patch))
    for share, level in zip(config.capacities, config.levels[:-1], strict=True)
  )


def empty_cache(config: ModelConfig, index: int, num: int, length: int):
  """Caches for `step` of level `index`: `num` regions of `length` patches."""
  return trunk.empty_cache(config.levels[index], num, length, config.dtype)
