"""Decisions: from logits and uniform numbers to gates and values, with their log probability."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.model.nats import value_nats
from fractaljax.model.occupancy import not_all_empty


class Gates(NamedTuple):
  """Whether each of A patches is occupied.

  Attributes:
    bit_NxA: the decision.
    prob_NxA: the probability of being occupied that it was drawn with.
  """

  bit_NxA: jax.Array
  prob_NxA: jax.Array


def temper(logits, temperature):
  """Divides by the temperature; 0 leaves only the largest, to the precision of float32."""
  return logits / jnp.maximum(temperature, 1e-6)


def choose_occupied(
  logit_NxA, uniform_NxA, member_NxA, must_N, target_NxA=None, may_NxA=True
) -> Gates:
  """Draws which of the patches are occupied, where `must_N` at least one of `may_NxA`.

  With `target_NxA` nothing is drawn: the targets are taken, with the probability they would have.
  """
  prob_NxA = jax.nn.sigmoid(logit_NxA)
  first_NxA = not_all_empty(prob_NxA, member_NxA & may_NxA, must_N)
  hit_NxA = member_NxA & (uniform_NxA < first_NxA if target_NxA is None else target_NxA)
  if hit_NxA.shape[1] == 1:
    return Gates(hit_NxA, first_NxA)
  # Until the first one that is occupied the condition counts; after it the others are free.
  any_before_NxA = jnp.cumsum(hit_NxA, axis=1) - hit_NxA > 0
  used_NxA = jnp.where(any_before_NxA, prob_NxA, first_NxA)
  bit_NxA = member_NxA & (uniform_NxA < used_NxA if target_NxA is None else target_NxA)
  return Gates(bit_NxA, used_NxA)


def gate_logp(gates: Gates, member_NxA):
  """Log probability of the members' gates, (N, A), 0 for the others."""
  prob_NxA = jnp.where(gates.bit_NxA, gates.prob_NxA, 1 - gates.prob_NxA)
  return jnp.where(member_NxA, jnp.log(prob_NxA), 0.0)


def choose_value(logits_NxAxV, gates: Gates, uniform_NxA):
  """Values of cells given which are not silent, by the inverse of the distribution function.

  The uniform number that decided on silence is used again: below the probability of sound it is
  uniform there, and so it picks the value.
  """
  probs_NxAxV = jax.nn.softmax(logits_NxAxV[..., 1:])
  if probs_NxAxV.shape[-1] == 1:
    return gates.bit_NxA.astype(jnp.int32)
  rest_NxA = uniform_NxA / jnp.maximum(gates.prob_NxA, 1e-30)
  return jnp.where(gates.bit_NxA, 1 + _inverse(probs_NxAxV, rest_NxA), 0)


def choose_one(logits_NxAxK, uniform_NxA):
  """One of K, (N, A)."""
  return _inverse(jax.nn.softmax(logits_NxAxK), uniform_NxA)


def one_logp(logits_NxAxK, one_NxA):
  """Log probability of one of K, (N, A)."""
  return -value_nats(jax.nn.log_softmax(logits_NxAxK), one_NxA)


def _inverse(probs_NxAxV, uniform_NxA):
  """The inverse of the distribution function."""
  total_NxAxV = jnp.cumsum(probs_NxAxV, axis=-1)
  # The last total is not quite 1, and what is impossible comes after it.
  below_NxA = (total_NxAxV <= uniform_NxA[..., None] * total_NxAxV[..., -1:]).sum(axis=-1)
  return jnp.minimum(below_NxA, probs_NxAxV.shape[-1] - 1)


def value_logp(logits_NxAxV, gates: Gates, token_NxA):
  """Log probability of the values of cells that are not silent, given that, (N, A)."""
  logp_NxA = one_logp(logits_NxAxV[..., 1:], jnp.maximum(token_NxA - 1, 0))
  return jnp.where(gates.bit_NxA, logp_NxA, 0.0)


def nucleus(logits_xV, top_p):
  """Lowers all logits outside the smallest set of values with probability `top_p`, at least one.

  (Holtzman et al. 2020.) They are lowered by much, not to minus infinity, so that a cell that must
  not be silent still chooses among its notes by their probabilities.
  """
  sorted_xV = -jnp.sort(-logits_xV, axis=-1)
  probs_xV = jax.nn.softmax(sorted_xV)
  is_inside_xV = jnp.cumsum(probs_xV, axis=-1) - probs_xV < jnp.maximum(top_p, 1e-6)
  lowest_x1 = jnp.min(jnp.where(is_inside_xV, sorted_xV, jnp.inf), axis=-1, keepdims=True)
  # None of them is above those inside, and float32 has no exp(-1000); it keeps the differences.
  return jnp.where(logits_xV >= lowest_x1, logits_xV, logits_xV - 1e3)
