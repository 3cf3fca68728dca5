"""Retries: bars whose notes are not as was said are drawn again.

The form, the returns and the chord of a bar follow from its notes, and so of what a model says
first only notes that have it can come: all others are probability that it wastes. Drawing again
until a bar is as was said is drawing by what is left, renormalised (rejection sampling).

Each roll goes on to its next bar by itself: in a batch of rolls that waited for one another, every
bar would be drawn as often as the most stubborn of them asks for.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.model.config import ModelConfig
from fractaljax.model.region import Region, known_bars, with_own_form
from fractaljax.sampling.job import Job, Noise, make_noise

PARTS = 'repeat_NxL', 'density_NxL', 'top_NxL', 'return_NxL', 'chord_NxL'


class Walk(NamedTuple):
  """How far rolls are filled.

  Attributes:
    canvas_NxQxW: all bars before the present one of each roll.
    cache: keys and values of these bars.
    bar_N: the present bar; how many there are where a roll is full.
    number_N: how often it was drawn.
    best_NxQxW: the canvas with the draw that has most of what was said.
    kept_N: how much, of PARTS; -1 before the first draw.
  """

  canvas_NxQxW: jax.Array
  cache: tuple
  bar_N: jax.Array
  number_N: jax.Array
  best_NxQxW: jax.Array
  kept_N: jax.Array


def fill_bars(job: Job, cache, tries: int, config: ModelConfig, fill):
  """Fills whole rolls bar by bar, a bar again where it is not as was said; gives the canvas.

  After so many tries the first one that has most of what was said is kept. What a roll gets does
  not depend on the others.

  Args:
    job: the rolls, with what is said of them.
    cache: of the first level, empty.
    tries: at most, for each bar.
    config: of the model.
    fill: fills one bar of each member, `fill(job, cache, bar_N, member_N)`, and gives canvas and
      cache.
  """
  num_parts = sum(getattr(job.region, part) is not None for part in PARTS)
  is_known_NxL = known_bars(job.region, config)
  num, num_bars = is_known_NxL.shape

  def body(walk: Walk) -> Walk:
    is_full_N, bar_N = walk.bar_N == num_bars, jnp.minimum(walk.bar_N, num_bars - 1)
    noise = _noise(job.noise, bar_N, walk.number_N, config)
    again = job._replace(noise=noise).with_canvas(walk.canvas_NxQxW)
    is_known_N = is_known_NxL[jnp.arange(num), bar_N]
    canvas, cache = fill(again, walk.cache, bar_N, ~is_full_N & ~is_known_N)
    more_N = jnp.where(is_known_N, num_parts, num_kept(job.region, bar_N, canvas, config))
    is_better_N, kept_N = more_N > walk.kept_N, jnp.maximum(walk.kept_N, more_N)
    best = jnp.where(is_better_N[:, None, None], canvas, walk.best_NxQxW)
    number_N = walk.number_N + 1
    is_over_N = ~is_full_N & ((kept_N == num_parts) | (number_N == tries))
    return Walk(
      jnp.where(is_over_N[:, None, None], best, walk.canvas_NxQxW),
      cache,
      walk.bar_N + is_over_N,
      jnp.where(is_over_N, 0, number_N),
      best,
      jnp.where(is_over_N, -1, kept_N),
    )

  canvas, none_N = job.region.canvas_NxQxW, jnp.zeros(num, jnp.int32)
  walk = Walk(canvas, cache, none_N, none_N, canvas, none_N - 1)
  return jax.lax.while_loop(lambda walk: (walk.bar_N < num_bars).any(), body, walk).canvas_NxQxW


def num_kept(region: Region, bar_N, canvas, config: ModelConfig):
  """How much of what was said of a bar of each roll its notes have, of PARTS, (N,)."""
  own = with_own_form(region, region.inner(canvas), config)
  here = jnp.arange(canvas.shape[0]), bar_N
  pairs = [(getattr(region, part), getattr(own, part)) for part in PARTS]
  return sum((said_NxL == own_NxL)[here] for said_NxL, own_NxL in pairs if said_NxL is not None)


def _noise(noise: Noise, bar_N, number_N, config: ModelConfig) -> Noise:
  """The noise of rolls, in one bar of each that of a try: of the first one, number 0, as it is."""
  keys_N = jax.vmap(jax.random.fold_in)(jax.random.wrap_key_data(noise.seed), bar_N)
  keys_N = jax.vmap(jax.random.fold_in)(keys_N, number_N)
  new = make_noise(config, keys_N, config.levels[0].patch[1])

  @jax.vmap
  def replaced(old_RxC, new_RxB, bar, number):
    first = bar * new_RxB.shape[1]
    now_RxB = jax.lax.dynamic_slice_in_dim(old_RxC, first, new_RxB.shape[1], axis=1)
    now_RxB = jnp.where(number == 0, now_RxB, new_RxB)
    return jax.lax.dynamic_update_slice_in_dim(old_RxC, now_RxB, first, axis=1)

  choice, order = (
    tuple(
      replaced(old_NxRxC, new_NxRxB, bar_N, number_N)
      for old_NxRxC, new_NxRxB in zip(old, more, strict=True)
    )
    for old, more in ((noise.choice, new.choice), (noise.order, new.order))
  )
  return noise._replace(choice=choice, order=order)
