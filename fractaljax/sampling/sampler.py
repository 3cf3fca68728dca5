"""The sampler: from a known roll (all of it unknown, a prefix, a hole) to a full one."""

import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model.fractal import Fractal, empty_cache
from fractaljax.model.masking import num_done, random_order
from fractaljax.model.patches import Grid, make_grid
from fractaljax.model.prior import before
from fractaljax.model.region import hide, whole_roll
from fractaljax.music.crop import Crop
from fractaljax.sampling import choice
from fractaljax.sampling.decision import Decoder, branch, decide, tile
from fractaljax.sampling.forms import draw_form
from fractaljax.sampling.job import Job, Noise
from fractaljax.sampling.options import Knobs, Plan
from fractaljax.sampling.spot import Spot


def sample(model: Fractal, plan: Plan, params, crop: Crop, noise: Noise, knobs: Knobs) -> jax.Array:
  """Fills the unknown cells of rolls.

  Jit it with `static_argnums=(0, 1)`. Known cells stay as they are; those that an AR level has not
  reached yet do not influence what comes before them.

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
  tokens_BxPxT, _ = _start(Decoder(model, params, knobs, plan), crop, noise, None)
  return tokens_BxPxT


def score(model: Fractal, plan: Plan, params, crop: Crop, noise: Noise, knobs: Knobs) -> jax.Array:
  """Log probability (nats, (B,)) that `sample` would have drawn these whole rolls, none padded.

  Together with what their bars repeat, and the attributes that they are given with, if the model
  says these.
  The sampler's own walk, cached and chunked, with every decision given. For MAR levels it is the
  likelihood in the random orders of `noise`.
  """
  target_BxPxT = jnp.asarray(crop.tokens_PxT, jnp.int32)
  crop = crop._replace(tokens_PxT=jnp.full_like(target_BxPxT, model.config.codec.unknown))
  return _start(Decoder(model, params, knobs, plan), crop, noise, target_BxPxT)[1]


def _start(decoder: Decoder, crop: Crop, noise: Noise, target_BxPxT):
  config = decoder.model.config
  region = whole_roll(crop, config)
  logp_B = jnp.zeros(crop.valid_T.shape[0])
  if config.attributes:
    ids_BxA, logp_B = _attributes(decoder, region.attributes_NxA, noise, target_BxPxT is None)
    region = region.replace(attributes_NxA=ids_BxA)
  scale_B = jnp.broadcast_to(decoder.knobs.guidance, logp_B.shape)
  job = Job(region, noise, scale_B, target_BxPxT)
  if config.repeats:
    repeat_BxL, form_logp_B = draw_form(decoder, job)
    job = job._replace(region=region.replace(repeat_NxL=repeat_BxL))
    logp_B += form_logp_B
  tokens_BxPxT, more_B = _fill(decoder, 0, job)
  return tokens_BxPxT, logp_B + more_B


def _attributes(decoder: Decoder, given_BxA, noise: Noise, draw: bool):
  """The attributes, those that are not given drawn if asked to, and their log probability (B,).

  Each is drawn by those that are given and those that were drawn before it.
  """
  ids_BxA, logp_B = given_BxA, jnp.zeros(given_BxA.shape[0])
  place_A = np.arange(given_BxA.shape[1])
  known_BxAxA = before(jnp.broadcast_to(place_A, given_BxA.shape))
  if draw:
    known_BxAxA |= (given_BxA > 0)[:, None]
  for a in place_A:
    logits_BxAxK = decoder.apply('attribute_logits', ids_BxA, known_BxAxA)
    logits_Bx1xK = choice.temper(logits_BxAxK[:, a : a + 1], decoder.knobs.temperature_L[0])
    id_Bx1 = choice.choose_one(logits_Bx1xK, noise.attributes[:, a : a + 1])
    id_Bx1 = jnp.where((ids_BxA[:, a : a + 1] == 0) & draw, id_Bx1, ids_BxA[:, a : a + 1])
    ids_BxA = ids_BxA.at[:, a : a + 1].set(id_Bx1)
    logp_Bx1 = choice.one_logp(logits_Bx1xK, id_Bx1)
    logp_B += jnp.where(id_Bx1 > 0, logp_Bx1, 0.0)[:, 0]
  return ids_BxA, logp_B


def _fill(decoder: Decoder, index: int, job: Job):
  """Fills the regions of a job by level `index`: (tokens_NxPxT, logp_N)."""
  level = decoder.model.config.levels[index]
  grid = make_grid(job.region.size, level.patch, level.scan)
  fill = _fill_in_order if level.causal else _fill_masked
  canvas, logp_N = fill(decoder, index, job, grid)
  return job.region.inner(canvas), logp_N


def _fill_in_order(decoder: Decoder, index: int, job: Job, grid: Grid):
  """AR: patch by patch, with a key-value cache."""
  branches = decoder.branches
  known = branch(job.region, branches)
  place_NxLxD = decoder.apply('place', index, known)
  num = job.region.row_N.shape[0]
  member_Nx1 = jnp.ones((num, 1), bool)

  def body(i, state):
    canvas, cache, logp_N = state
    region = known.replace(canvas_NxQxW=tile(canvas, branches))
    logits, cond, cache = decoder.apply('step', index, place_NxLxD, region, grid, cache, i)
    spot = Spot(grid, jnp.reshape(i, 1), member_Nx1)
    now = _rising(decoder, index, job.with_canvas(canvas), (i + 1) / len(grid))
    canvas, more_N = decide(decoder, index, now, spot, canvas, logits, cond, _fill)
    return canvas, cache, logp_N + more_N

  cache = empty_cache(decoder.model.config, index, num * branches, len(grid))
  state = (job.region.canvas_NxQxW, cache, jnp.zeros(num))
  canvas, _, logp_N = jax.lax.fori_loop(0, len(grid), body, state)
  return canvas, logp_N


def _fill_masked(decoder: Decoder, index: int, job: Job, grid: Grid):
  """MAR: a random group of patches an iteration, all of a group from what is known before it."""
  config, branches = decoder.model.config, decoder.branches
  unknown_NxL = (grid.split(job.region.tokens_NxPxT) == config.codec.unknown).any(axis=(2, 3))
  order_NxL = random_order(grid.to_scan(job.noise.order[0]), unknown_NxL)
  num_N = unknown_NxL.sum(axis=1)
  iterations = min(config.levels[index].iterations, len(grid))

  def body(k, state):
    canvas, start_N, logp_N = state
    now = _rising(decoder, index, job.with_canvas(canvas), (k + 1) / iterations)
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


def _rising(decoder: Decoder, index: int, job: Job, share) -> Job:
  """The job with its guidance at this share of the first level, where it is to rise over it."""
  if index or not decoder.plan.rising:
    return job
  return job._replace(scale_N=1 + (job.scale_N - 1) * share)
