"""What decisions are made of, and how good the predictions behind them are; for evaluations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.model.nats import NEVER
from fractaljax.model.occupancy import is_sounding
from fractaljax.music.codec import HOLD, SILENCE, Codec
from fractaljax.music.crop import Crop

PARTS = ('when', 'long', 'loud')
NUM_BINS = 10


class Detail(NamedTuple):
  """The decisions of a level, sums over a batch with the weights of its nats.

  Attributes:
    nats_3: of the `PARTS`: when and what, how long, how loud. Together they are the level's nats.
    entropy: of the predictions, nats. Where they are right on average, it is as large as the nats.
    num: decisions.
    bins_3xK: decisions by the probability that they gave to "not empty", in K equal bins: how many
      they are, the sum of these probabilities, and how many were not empty. Those that were certain
      beforehand are left out.
  """

  nats_3: jax.Array
  entropy: jax.Array
  num: jax.Array
  bins_3xK: jax.Array


def gate_detail(logit_NxL, nats_NxL, occupied_NxL, free_NxL, weight_NxL) -> Detail:
  """The gates of a level; `free_NxL` is False where they are certain. All nats are of `when`."""
  prob_NxL = jax.nn.sigmoid(logit_NxL)
  # -p log p - (1 - p) log (1 - p), in logits.
  entropy_NxL = jax.nn.softplus(logit_NxL) - prob_NxL * logit_NxL
  when = (weight_NxL * nats_NxL).sum()
  return Detail(
    jnp.stack([when, jnp.zeros(()), jnp.zeros(())]),
    (weight_NxL * free_NxL * entropy_NxL).sum(),
    weight_NxL.sum(),
    _bins(prob_NxL, occupied_NxL, weight_NxL * free_NxL),
  )


def choice_detail(logp_NxLxK, nats_NxL, weight_NxL) -> Detail:
  """Forms and attributes. All nats are of `when`; nothing is said of what is empty."""
  entropy_NxL = -(jnp.exp(logp_NxLxK) * logp_NxLxK).sum(axis=-1)
  when = (weight_NxL * nats_NxL).sum()
  return Detail(
    jnp.stack([when, jnp.zeros(()), jnp.zeros(())]),
    (weight_NxL * entropy_NxL).sum(),
    weight_NxL.sum(),
    jnp.zeros((3, NUM_BINS)),
  )


def added(one: Detail | None, other: Detail) -> Detail:
  """Those of two kinds of decisions together."""
  return other if one is None else jax.tree.map(jnp.add, one, other)


def value_detail(
  logp_NxLxV, nats_NxL, token_NxL, before_NxL, free_NxL, weight_NxL, codec: Codec
) -> Detail:
  """The values of the last level; `before_NxL` are the tokens of the cells just before in time.

  A value is decided in three steps, whose probabilities multiply to its own:

  1. long: where the cell before sounds, whether its note goes on;
  2. when: if it does not, silence or an onset;
  3. loud: of an onset, which velocity.

  A note goes on by a hold or, in codecs without, by the token of the cell before.
  """
  sounds_NxL = is_sounding(before_NxL, codec.num_values)
  going_on_NxL = HOLD if codec.has_onsets else jnp.where(sounds_NxL, before_NxL, SILENCE)
  goes_on_NxL, silent_NxL = token_NxL == going_on_NxL, token_NxL == SILENCE
  token_V = jnp.arange(codec.num_values)
  other_NxLxV = token_V != jnp.asarray(going_on_NxL)[..., None]
  logp_end_NxL = _log_total(logp_NxLxV, other_NxLxV)
  logp_onset_NxL = _log_total(logp_NxLxV, other_NxLxV & (token_V != SILENCE))
  long_NxL = jnp.where(goes_on_NxL, nats_NxL, -logp_end_NxL) * sounds_NxL
  loud_NxL = jnp.where(silent_NxL | goes_on_NxL, 0.0, nats_NxL + logp_onset_NxL)
  parts_3xNxL = jnp.stack([nats_NxL - long_NxL - loud_NxL, long_NxL, loud_NxL])
  entropy_NxL = -(jnp.exp(logp_NxLxV) * logp_NxLxV).sum(axis=-1)
  return Detail(
    (weight_NxL * parts_3xNxL).sum(axis=(1, 2)),
    (weight_NxL * entropy_NxL).sum(),
    weight_NxL.sum(),
    _bins(-jnp.expm1(logp_NxLxV[..., SILENCE]), ~silent_NxL, weight_NxL * free_NxL),
  )


def tokens_before(crop: Crop, codec: Codec):
  """The token of the cell before each in time, (B, P, T); `outside` where none is known."""
  tokens_BxPxT = crop.tokens_PxT
  start_BxPx1 = jnp.full((*tokens_BxPxT.shape[:2], 1), codec.outside, tokens_BxPxT.dtype)
  cells_BxPxW = jnp.concatenate([start_BxPx1, crop.left_PxH, tokens_BxPxT], axis=2)
  return cells_BxPxW[:, :, -tokens_BxPxT.shape[2] - 1 : -1]


def _log_total(logp_NxLxV, kept_NxLxV):
  """Log of the probability of those that are kept."""
  return jax.nn.logsumexp(jnp.where(kept_NxLxV, logp_NxLxV, NEVER), axis=-1)


def _bins(prob_NxL, occupied_NxL, weight_NxL):
  """See `Detail.bins_3xK`."""
  bin_M = jnp.clip(prob_NxL.reshape(-1) * NUM_BINS, 0, NUM_BINS - 1).astype(jnp.int32)
  sums_3xM = jnp.stack([weight_NxL, weight_NxL * prob_NxL, weight_NxL * occupied_NxL])
  return jnp.zeros((3, NUM_BINS)).at[:, bin_M].add(sums_3xM.reshape(3, -1))
