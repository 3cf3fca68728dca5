"""Which patches a MAR level hides: in training, and from one sampling iteration to the next."""

import jax
import jax.numpy as jnp

from fractaljax.model.config import Level


def random_order(noise_NxL, open_NxL):
  """Rank of each open patch in a random order, 0 first; patches that are not open come last."""
  key_NxL = jnp.where(open_NxL, noise_NxL, 2.0)
  return jnp.argsort(jnp.argsort(key_NxL, axis=1), axis=1)


def training_mask(rng: jax.Array, level: Level, open_NxL):
  """Hides a random share of the open patches, at least one where there is any: bool (N, L).

  The share is drawn for every region from the level's distribution: uniform over counts, or a
  normal truncated to [0, 1] (Li et al. 2024, MAR, which draws from the left half of N(1, 0.25)).
  """
  ratio_rng, order_rng = jax.random.split(rng)
  num_N = open_NxL.sum(axis=1)
  if level.mask == 'uniform':
    ratio_N = jax.random.uniform(ratio_rng, num_N.shape)
    hidden_N = 1 + jnp.floor(ratio_N * num_N)
  else:
    low, high = ((bound - level.mask_mean) / level.mask_std for bound in (0.0, 1.0))
    ratio_N = jax.random.truncated_normal(ratio_rng, low, high, num_N.shape)
    hidden_N = jnp.ceil((ratio_N * level.mask_std + level.mask_mean) * num_N)
  hidden_N = jnp.clip(hidden_N, 1, num_N)
  order_NxL = random_order(jax.random.uniform(order_rng, open_NxL.shape), open_NxL)
  return open_NxL & (order_NxL < hidden_N[:, None])


def num_done(iteration, num_iterations: int, num_N):
  """How many of `num_N` patches are known after an iteration (counted from 0): cosine schedule.

  Chang et al. 2022 (MaskGIT), and at least one patch an iteration as long as any are left, so that
  as many iterations as patches means one patch each.
  """
  share = jnp.cos(jnp.pi / 2 * (iteration + 1) / num_iterations)
  by_cosine_N = num_N - jnp.floor(share * num_N).astype(jnp.int32)
  at_most_N = num_N - (num_iterations - 1 - iteration)
  by_count_N = jnp.maximum(jnp.minimum(by_cosine_N, at_most_N), iteration + 1)
  return jnp.minimum(jnp.where(iteration + 1 >= num_iterations, num_N, by_count_N), num_N)
