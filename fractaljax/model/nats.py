"""Negative log likelihood of one decision: a gate, or the value of a cell."""

import jax
import jax.numpy as jnp

# The logarithm of 0. Finite: unused places may hold what cannot be, and must give 0 * finite.
NEVER = -1e9


def value_logp(logits_NxLxV, forced_NxL):
  """Log probabilities of the values; where forced, silence is impossible."""
  silence_NxL = jnp.where(forced_NxL, NEVER, logits_NxLxV[..., 0])
  return jax.nn.log_softmax(logits_NxLxV.at[..., 0].set(silence_NxL))


def value_nats(logp_NxLxV, token_NxL):
  """-log p of the tokens."""
  return -jnp.take_along_axis(logp_NxLxV, token_NxL[..., None], axis=-1, mode='clip')[..., 0]


def gate_nats(logit_NxL, occupied_NxL, forced_NxL):
  """-log p of the gates; a forced one is certain."""
  nats_NxL = jax.nn.softplus(jnp.where(occupied_NxL, -logit_NxL, logit_NxL))
  return jnp.where(forced_NxL, 0.0, nats_NxL)
