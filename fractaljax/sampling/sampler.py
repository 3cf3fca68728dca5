"""The sampler: from a known roll (all of it unknown, a prefix, a hole) to a full one."""

import functools

import jax
import jax.numpy as jnp

from fractaljax.model.fractal import Fractal, empty_cache
from fractaljax.model.masking import num_done, random_order
from fractaljax.model.patches import Grid, make_grid
from fractaljax.model.region import hide
from fractaljax.music.crop import Crop
from fractaljax.sampling.decision import Decoder, branch, decide, rising, tile
from fractaljax.sampling.job import Job, Noise
from fractaljax.sampling.options import Knobs, Plan
from fractaljax.sampling.retry import fill_bars
from fractaljax.sampling.spot import OwnSpot, Spot
from fractaljax.sampling.whole import decide_whole


def sample(model: Fractal, plan: Plan, params, crop: Crop, noise: Noise, knobs: Knobs) -> jax.Array:
  """Fills the unknown cells of rolls.

  Jit it with `static_argnums=(0, 1)`. Known cells stay as they are; those that an AR level has not
  reached yet do not influence what comes before them, but that a bar is said to have at least the
  notes that are known, and to go as high as these.

  Args:
    model: the model.
    plan: what fixes the program.
    params: its variables.
    crop: B rolls; cells to be generated hold the codec's `unknown`.
    noise: all the chance in the samples, see `make_noise`.
    knobs: temperature and so on.

  Returns:
    tokens_BxPxT without unknown cells.
  """
  return sample_and_tell(model, plan, params, crop, noise, knobs)[0]


def sample_and_tell(
  model: Fractal, plan: Plan, params, crop: Crop, noise: Noise, knobs: Knobs
) -> tuple[jax.Array, jax.Array]:
  """`sample`, and the attributes that the rolls are said to have, ids (B, A), given or drawn."""
  tokens_BxPxT, attributes_BxA, _ = _start(Decoder(model, params, knobs, plan), crop, noise, None)
  return tokens_BxPxT, attributes_BxA


def score(model: Fractal, plan: Plan, params, crop: Crop, noise: Noise, knobs: Knobs) -> jax.Array:
  """Log probability (nats, (B,)) that `sample` would have drawn these whole rolls, none padded.

  Together with what is said of their bars, and the attributes that they are given with, if the
  model says these. Nothing is drawn, and so nothing again.
  The sampler's own walk, cached and chunked, with every decision given. For MAR levels it is the
  likelihood in the random orders of `noise`.
  """
  target_BxPxT = jnp.asarray(crop.tokens_PxT, jnp.int32)
  crop = crop._replace(tokens_PxT=jnp.full_like(target_BxPxT, model.config.codec.unknown))
  return _start(Decoder(model, params, knobs, plan), crop, noise, target_BxPxT)[2]


def _start(decoder: Decoder, crop: Crop, noise: Noise, target_BxPxT):
  job, logp_B = decide_whole(decoder, crop, noise, target_BxPxT)
  tokens_BxPxT, more_B = _fill(decoder, 0, job)
  return tokens_BxPxT, job.region.attributes_NxA, logp_B + more_B


def _fill(decoder: Decoder, index: int, job: Job):
  """Fills the regions of a job by level `index`: (tokens_NxPxT, logp_N)."""
  level = decoder.model.config.levels[index]
  grid = make_grid(job.region.size, level.patch, level.scan)
  fill = _fill_in_order if level.causal else _fill_masked
  canvas, logp_N = fill(decoder, index, job, grid)
  return job.region.inner(canvas), logp_N


def _fill_in_order(decoder: Decoder, index: int, job: Job, grid: Grid):
  """AR: patch by patch, with a key-value cache."""
  branches, config = decoder.branches, decoder.model.config
  num = job.region.row_N.shape[0]
  known, logp_N = branch(job.region, branches), jnp.zeros(num)
  place_NxLxD = decoder.apply('place', index, known)
  cache = empty_cache(config, index, num * branches, len(grid))
  if index == 0 and decoder.plan.tries > 1 and config.repeats and job.target_NxPxT is None:
    fill = functools.partial(_fill_own_bars, decoder, grid, known, place_NxLxD)
    return fill_bars(job, cache, decoder.plan.tries, config, fill), logp_N
  member_Nx1 = jnp.ones((num, 1), bool)

  def body(i, state):
    canvas, cache, logp_N = state
    region = known.replace(canvas_NxQxW=tile(canvas, branches))
    logits, cond, cache = decoder.apply('step', index, place_NxLxD, region, grid, cache, i)
    spot = Spot(grid, jnp.reshape(i, 1), member_Nx1)
    now = rising(decoder, index, job.with_canvas(canvas), (i + 1) / len(grid))
    canvas, more_N = decide(decoder, index, now, spot, canvas, logits, cond, _fill)
    return canvas, cache, logp_N + more_N

  state = (job.region.canvas_NxQxW, cache, logp_N)
  canvas, _, logp_N = jax.lax.fori_loop(0, len(grid), body, state)
  return canvas, logp_N


def _fill_own_bars(decoder, grid: Grid, known, place_NxLxD, job: Job, cache, bar_N, member_N):
  """Fills one first patch of each member, of each roll another one; gives canvas and cache."""
  canvas = job.region.canvas_NxQxW
  region = known.replace(canvas_NxQxW=tile(canvas, decoder.branches))

  @jax.vmap
  def step(*one):
    place_1xLxD, region, cache, bar_1 = jax.tree.map(lambda x: x[None], one)
    out = decoder.apply('step', 0, place_1xLxD, region, grid, cache, bar_1[0])
    return jax.tree.map(lambda x: x[0], out)

  logits, cond, cache = step(place_NxLxD, region, cache, tile(bar_N, decoder.branches))
  now = rising(decoder, 0, job, (bar_N + 1) / len(grid))
  spot = OwnSpot(grid, bar_N, member_N[:, None])
  canvas, _ = decide(decoder, 0, now, spot, canvas, logits, cond, _fill)
  return canvas, cache


def _fill_masked(decoder: Decoder, index: int, job: Job, grid: Grid):
  """MAR: a random group of patches an iteration, all of a group from what is known before it."""
  config, branches = decoder.model.config, decoder.branches
  unknown_NxL = (grid.split(job.region.tokens_NxPxT) == config.codec.unknown).any(axis=(2, 3))
  order_NxL = random_order(grid.to_scan(job.noise.order[0]), unknown_NxL)
  num_N = unknown_NxL.sum(axis=1)
  iterations = min(config.levels[index].iterations, len(grid))

  def body(k, state):
    canvas, start_N, logp_N = state
    now = rising(decoder, index, job.with_canvas(canvas), (k + 1) / iterations)
    end_N = num_done(k, iterations, num_N)
    hidden_NxL = unknown_NxL & (order_NxL >= start_N[:, None])
    seen = hide(now.region, grid, hidden_NxL, config.codec)
    logits, cond = decoder.apply(
      'predict', index, branch(now.region, branches), tile(seen, branches)
    )
    spot = Spot(grid, jnp.arange(len(grid)), hidden_NxL & (order_NxL < end_N[:, None]))
    canvas, more_N = decide(decoder, index, now, spot, seen, logits, cond, _fill)
    return canvas, end_N, logp_N + more_N

  state = (job.region.canvas_NxQxW, jnp.zeros_like(num_N), jnp.zeros(num_N.shape))
  canvas, _, logp_N = jax.lax.fori_loop(0, iterations, body, state)
  return canvas, logp_N
