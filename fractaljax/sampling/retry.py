"""Retries: bars whose notes are not as was said are drawn again.

The form and the chords of a bar follow from its notes, and so of what a model says first only notes
that have it can come: all others are probability that it wastes. Drawing again until a bar has its
form and its chord is drawing by what is left, renormalised (rejection sampling).
"""

import jax
import jax.numpy as jnp

from fractaljax.model.config import ModelConfig
from fractaljax.model.region import Region, with_own_form
from fractaljax.sampling.job import Job, Noise, make_noise

PARTS = 'repeat_NxL', 'density_NxL', 'top_NxL', 'chord_NxL'


def fill_bar(job: Job, i, canvas, tries: int, config: ModelConfig, fill):
  """Fills bar `i` of whole rolls, again where it is not as was said; gives the new canvas.

  After so many tries the first one that has most of what was said is kept. What a roll gets does
  not depend on the others.

  Args:
    job: the rolls, with what is said of them.
    i: the bar.
    canvas: of the rolls until now.
    tries: at most.
    config: of the model.
    fill: fills the bar of some rolls, `fill(job, member_N)`, and gives the canvas.
  """
  num_parts = sum(getattr(job.region, part) is not None for part in PARTS)
  steps = config.levels[0].patch[1]
  bar_NxPxS = jax.lax.dynamic_slice_in_dim(job.region.inner(canvas), i * steps, steps, axis=2)
  is_known_N = (bar_NxPxS != config.codec.unknown).all(axis=(1, 2))

  def body(state):
    number, best, kept_N = state
    again = job._replace(noise=_noise(job.noise, i, number, config)).with_canvas(canvas)
    new = fill(again, kept_N < num_parts)
    more_N = num_kept(job.region, i, new, config)
    best = jnp.where((more_N > kept_N)[:, None, None], new, best)
    return number + 1, best, jnp.maximum(kept_N, more_N)

  kept_N = jnp.where(is_known_N, num_parts, -1)
  state = jax.lax.while_loop(
    lambda state: (state[0] < tries) & (state[2] < num_parts).any(), body, (0, canvas, kept_N)
  )
  return state[1]


def num_kept(region: Region, i, canvas, config: ModelConfig):
  """How much of what was said of bar `i` its notes have, of PARTS, (N,)."""
  own = with_own_form(region, region.inner(canvas), config)
  pairs = [(getattr(region, part), getattr(own, part)) for part in PARTS]
  return sum((said_NxL == own_NxL)[:, i] for said_NxL, own_NxL in pairs if said_NxL is not None)


def _noise(noise: Noise, i, number, config: ModelConfig) -> Noise:
  """The noise of rolls, in bar `i` that of a try: of the first one, number 0, as it is."""
  keys_N = jax.random.wrap_key_data(noise.seed)
  keys_N = jax.vmap(lambda key: jax.random.fold_in(jax.random.fold_in(key, i), number))(keys_N)
  new = make_noise(config, keys_N, config.levels[0].patch[1])

  def replaced(old_NxRxC, new_NxRxB):
    first = i * new_NxRxB.shape[2]
    now_NxRxB = jax.lax.dynamic_slice_in_dim(old_NxRxC, first, new_NxRxB.shape[2], axis=2)
    now_NxRxB = jnp.where(number == 0, now_NxRxB, new_NxRxB)
    return jax.lax.dynamic_update_slice_in_dim(old_NxRxC, now_NxRxB, first, axis=2)

  choice, order = (
    tuple(map(replaced, old, more))
    for old, more in ((noise.choice, new.choice), (noise.order, new.order))
  )
  return noise._replace(choice=choice, order=order)
