"""Retries: bars whose notes are not as was said are drawn again.

What a model says of a bar first, its form, chord and so on, follows from its notes, and so only
notes that have it can come: all others are probability that it wastes. Drawing again until a
bar is as was said is drawing by what is left, renormalised (rejection sampling), as long as all
tries are drawn alike.

Some bars a model all but never writes as it said. So in the second half of the tries the notes of
the echoes become more or less probable, by what the try before had too little or too much of what
was said to come again. To weight bars by exp(lean x notes that come again) would leave those in
which equally many do in their proportions; to lean from decision to decision is nearly that.

Each roll goes on to its next bar by itself: in a batch of rolls that waited for one another, every
bar would be drawn as often as the most stubborn of them asks for.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.model import due, repeat, returns
from fractaljax.model.config import ModelConfig
from fractaljax.model.region import Region, known_bars, with_own_form
from fractaljax.sampling.job import Job, Noise, make_noise

# More than what can come again too much or too little.
NOT_AS_SAID = 1 << 16
NOT_YET = 1 << 30
# Between two tries: of the log odds that are missing, which are of few notes, a half, but no more.
LEAN, MOST_LEAN = 0.5, 1.0
# Not the rhythm: nothing begins elsewhere anyway, and to draw again where a note goes on alone at a
# step that is struck would favour notes that end early.
PARTS = 'repeat_NxL', 'density_NxL', 'top_NxL', 'return_NxL', 'chord_NxL'


class Walk(NamedTuple):
  """How far rolls are filled.

  Attributes:
    canvas_NxQxW: all bars before the present one of each roll.
    cache: keys and values of these bars.
    bar_N: the present bar; how many there are where a roll is full.
    number_N: how often it was drawn.
    best_NxQxW: the canvas with the draw that is most as was said.
    off_N: how far from that it is, see `how_far`; NOT_YET before the first draw.
    lean_NxS: of the next draw, see `Job`.
  """

  canvas_NxQxW: jax.Array
  cache: tuple
  bar_N: jax.Array
  number_N: jax.Array
  best_NxQxW: jax.Array
  off_N: jax.Array
  lean_NxS: jax.Array


def fill_bars(job: Job, cache, tries: int, config: ModelConfig, fill):
  """Fills whole rolls bar by bar, a bar again where it is not as was said; gives the canvas.

  After so many tries the one is kept that comes nearest. What a roll gets does not depend on the
  others.

  Args:
    job: the rolls, with what is said of them.
    cache: of the first level, empty.
    tries: at most, for each bar.
    config: of the model.
    fill: fills one bar of each member, `fill(job, cache, bar_N, member_N)`, and gives canvas and
      cache.
  """
  is_known_NxL = known_bars(job.region, config)
  num, num_bars = is_known_NxL.shape

  def body(walk: Walk) -> Walk:
    is_full_N, bar_N = walk.bar_N == num_bars, jnp.minimum(walk.bar_N, num_bars - 1)
    noise = _noise(job.noise, bar_N, walk.number_N, config)
    here = job._replace(noise=noise, lean_NxS=walk.lean_NxS).with_canvas(walk.canvas_NxQxW)
    is_known_N = is_known_NxL[jnp.arange(num), bar_N]
    canvas, cache = fill(here, walk.cache, bar_N, ~is_full_N & ~is_known_N)
    again = coming_again(job.region, bar_N, canvas, config)
    now_N = jnp.where(is_known_N, 0, how_far(job.region, bar_N, canvas, again, config))
    is_nearer_N, off_N = now_N < walk.off_N, jnp.minimum(walk.off_N, now_N)
    best = jnp.where(is_nearer_N[:, None, None], canvas, walk.best_NxQxW)
    number_N = walk.number_N + 1
    is_over_N = ~is_full_N & ((off_N == 0) | (number_N == tries))
    is_plain_N = 2 * number_N < tries
    lean_NxS = walk.lean_NxS + leaning(again)
    return Walk(
      jnp.where(is_over_N[:, None, None], best, walk.canvas_NxQxW),
      cache,
      walk.bar_N + is_over_N,
      jnp.where(is_over_N, 0, number_N),
      best,
      jnp.where(is_over_N, NOT_YET, off_N),
      jnp.where((is_over_N | is_plain_N)[:, None], 0.0, lean_NxS),
    )

  canvas, none_N = job.region.canvas_NxQxW, jnp.zeros(num, jnp.int32)
  lean_NxS = jnp.zeros(due.said_lags(job.region.repeat_NxL[:, 0], config).shape)
  walk = Walk(canvas, cache, none_N, none_N, canvas, none_N + NOT_YET, lean_NxS)
  return jax.lax.while_loop(lambda walk: (walk.bar_N < num_bars).any(), body, walk).canvas_NxQxW


class Again(NamedTuple):
  """How much of each of `due.said_echoes` comes again, in `repeat.PARTS` of the notes of both.

  Attributes:
    least_NxS: as much, at least, is said to.
    share_NxS: does.
    end_NxS: less is said to.
  """

  least_NxS: jax.Array
  share_NxS: jax.Array
  end_NxS: jax.Array


def coming_again(region: Region, bar_N, canvas, config: ModelConfig) -> Again:
  """What comes again in a bar of each roll."""
  here = jnp.arange(len(canvas)), bar_N
  lag_NxS = due.said_lags(region.repeat_NxL[here], config)
  both_NxS, either_NxS = (
    jnp.take_along_axis(x_NxLxK[here], lag_NxS, axis=1)
    for x_NxLxK in returns.overlaps(region.inner(canvas), config)
  )
  return_N = region.return_NxL[here] if config.returns else None
  eighths_NxS = due.said_eighths(region.repeat_NxL[here], return_N, config)
  least_NxS, end_NxS = (repeat.PARTS // 8 * x_NxS for x_NxS in (eighths_NxS, eighths_NxS + 1))
  # An echo that is the bar which is repeated counts once, as that.
  is_twice_NxS = (lag_NxS == lag_NxS[:, -1:]).at[:, -1].set(False)
  least_NxS = jnp.where(is_twice_NxS, 0, least_NxS)
  end_NxS = jnp.where(is_twice_NxS, repeat.PARTS + 1, end_NxS)
  return Again(least_NxS, repeat.PARTS * both_NxS // jnp.maximum(either_NxS, 1), end_NxS)


def how_far(region: Region, bar_N, canvas, again: Again, config: ModelConfig):
  """How far the notes of a bar of each roll are from what was said of it, (N,); 0 if not at all.

  First by how many of PARTS are not as was said, then by how much more or less comes again.
  """
  own = with_own_form(region, region.inner(canvas), config)
  pairs = [(getattr(region, part), getattr(own, part)) for part in PARTS]
  is_not_each = [said_NxL != own_NxL for said_NxL, own_NxL in pairs if said_NxL is not None]
  num_not_N = sum(is_not_each)[jnp.arange(len(canvas)), bar_N]
  short_NxS, over_NxS = again.least_NxS - again.share_NxS, again.share_NxS - again.end_NxS + 1
  off_NxS = jnp.maximum(short_NxS, 0) + jnp.maximum(over_NxS, 0)
  return NOT_AS_SAID * num_not_N + off_NxS.sum(axis=1)


def leaning(again: Again):
  """Log odds to add for the notes of each of `due.said_echoes`, by what came of them, (N, S).

  0 where as much came again as was said.
  """
  is_as_said_NxS = (again.least_NxS <= again.share_NxS) & (again.share_NxS < again.end_NxS)
  said_NxS, came_NxS = (
    jax.scipy.special.logit(jnp.clip(x_NxS / repeat.PARTS, 0.02, 0.98))
    for x_NxS in ((again.least_NxS + again.end_NxS) / 2, again.share_NxS)
  )
  lean_NxS = jnp.clip(LEAN * (said_NxS - came_NxS), -MOST_LEAN, MOST_LEAN)
  return jnp.where(is_as_said_NxS, 0.0, lean_NxS)


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
