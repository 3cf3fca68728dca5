"""What is empty and what is not: the gate's rule and the gathering of occupied patches."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Gathered(NamedTuple):
  """A fixed number K of places for the chosen ones of many.

  Attributes:
    flat_K: their numbers; 0 where a place is not used.
    weight_K: 0 where a place is not used, else 1, or more to make up for what did not fit.
    num_dropped: how many did not fit.
  """

  flat_K: jax.Array
  weight_K: jax.Array
  num_dropped: jax.Array


def is_sounding(tokens, num_values: int):
  """True for cells with a note in them: neither silent, nor unknown, nor outside."""
  return (tokens > 0) & (tokens < num_values)


def is_forced(causal: bool, scored_NxL, occupied_NxL, may_NxL=True):
  """True for the patch that must be occupied since it is the last and all before it are empty.

  The last of those that may be the first one that is occupied, `may_NxL`.
  """
  open_NxL = scored_NxL & may_NxL
  if causal:
    before_NxL = jnp.cumsum(occupied_NxL, axis=1) - occupied_NxL
    left_NxL = jnp.cumsum(open_NxL[:, ::-1], axis=1)[:, ::-1]
    return open_NxL & (before_NxL == 0) & (left_NxL == 1)
  seen_N = (occupied_NxL & ~scored_NxL).any(axis=1)
  return open_NxL & ~seen_N[:, None] & (open_NxL.sum(axis=1) == 1)[:, None]


def gather(chosen_M: jax.Array, capacity: int, rng: jax.Array | None = None) -> Gathered:
  """Packs the numbers of the chosen into `capacity` places, in order.

  If there are more than fit, `rng` decides which are kept: a stretch of them from a random start,
  going round, so that each is kept with the same probability; their weight is the inverse of it.
  Without `rng` the first ones are kept.
  """
  if chosen_M.shape[0] == 1:
    return Gathered(jnp.zeros(1, jnp.int32), chosen_M.astype(jnp.float32), jnp.zeros((), jnp.int32))
  rank_M = jnp.cumsum(chosen_M) - 1
  total = rank_M[-1] + 1
  if rng is not None:
    shift = jnp.floor(jax.random.uniform(rng) * total).astype(jnp.int32)
    shift = jnp.where(total > capacity, shift, 0)
    rank_M = (rank_M + shift) % jnp.maximum(total, 1)
  place_M = jnp.where(chosen_M, rank_M, capacity)
  numbers_M = jnp.arange(chosen_M.shape[0])
  flat_K = jnp.zeros(capacity, jnp.int32).at[place_M].set(numbers_M, mode='drop')
  used_K = jnp.arange(capacity) < total
  weight_K = jnp.where(used_K, jnp.maximum(1.0, total / capacity), 0.0)
  return Gathered(flat_K, weight_K, jnp.maximum(total - capacity, 0))


def occupied_logit(logits_xV):
  """Log odds that a cell is not silent, from its value logits."""
  return jax.nn.logsumexp(logits_xV[..., 1:], axis=-1) - logits_xV[..., 0]


def not_all_empty(prob_NxA, member_NxA, must_N):
  """Occupancy probabilities of a group, given that it cannot stay empty.

  The members (in the order of axis A) are independent, but where `must_N` holds at least one is
  occupied. Member j, when all before it came out empty, then has p_j / (1 - prod_{k>=j} (1 - p_k));
  once one is occupied the rest are free. A group of one is occupied for certain.

  Returns:
    the probability of each member given that all before it in the group are empty, (N, A).
  """
  log_empty_NxA = jnp.where(member_NxA, jnp.log1p(-jnp.minimum(prob_NxA, 1 - 1e-7)), 0.0)
  from_here_NxA = jnp.cumsum(log_empty_NxA[:, ::-1], axis=1)[:, ::-1]
  any_left_NxA = -jnp.expm1(from_here_NxA)
  last_NxA = member_NxA & (jnp.cumsum(member_NxA[:, ::-1], axis=1)[:, ::-1] == 1)
  forced_NxA = jnp.where(last_NxA, 1.0, prob_NxA / jnp.maximum(any_left_NxA, 1e-30))
  return jnp.where(must_N[:, None] & member_NxA, jnp.minimum(forced_NxA, 1.0), prob_NxA)
