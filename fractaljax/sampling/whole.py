"""What is decided of rolls before any note: their attributes and what is said of their bars."""

import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model import density, repeat, rhythm
from fractaljax.model.bars import empty_cache
from fractaljax.model.config import ModelConfig
from fractaljax.model.form import form_of, num_ids, num_parts, parts_of, with_form
from fractaljax.model.nats import NEVER
from fractaljax.model.prior import before
from fractaljax.model.region import Region, known_bars, whole_roll, with_own_form
from fractaljax.model.said import HALVES, said_of, with_said
from fractaljax.music.crop import Crop
from fractaljax.sampling import choice
from fractaljax.sampling.asked import FREE
from fractaljax.sampling.decision import Decoder, branch, guide, rising, tile
from fractaljax.sampling.job import Job, Noise


def decide_whole(decoder: Decoder, crop: Crop, noise: Noise, target_BxPxT=None):
  """The job of filling rolls, and the log probability of what is decided by now, (B,).

  Args:
    decoder: the model and what is asked of it.
    crop: the rolls; cells to be generated are unknown.
    noise: all the chance in the samples.
    target_BxPxT: rolls to be scored: of these nothing is drawn.
  """
  config = decoder.model.config
  region = whole_roll(crop, config)
  logp_B = jnp.zeros(crop.valid_T.shape[0])
  if config.attributes:
    ids_BxA, logp_B = decide_attributes(decoder, region.attributes_NxA, noise, target_BxPxT is None)
    region = region.replace(attributes_NxA=ids_BxA)
  scale_B = jnp.broadcast_to(decoder.knobs.guidance, logp_B.shape)
  job = Job(region, noise, scale_B, target_BxPxT)
  if config.repeats:
    form_BxL, more_B = _form(decoder, job)
    job, logp_B = job._replace(region=with_form(region, form_BxL, config)), logp_B + more_B
  if config.returns:
    job, more_B = _said(decoder, job, 'reprise', noise.returns)
    logp_B += more_B
  if config.chords:
    asked_L = decoder.knobs.chord_L
    job, more_B = _said(decoder, job, 'harmony', noise.chords, asked_L)
    logp_B += more_B
  if config.rhythms:
    rhythm_L = decoder.knobs.rhythm_L
    for name, half in HALVES.items():
      asked_L = jnp.where(rhythm_L == FREE, FREE, rhythm.half_of(rhythm_L, half, config))
      job, more_B = _said(decoder, job, name, noise.rhythms[..., half], asked_L)
      logp_B += more_B
  return job, logp_B


def decide_attributes(decoder: Decoder, given_BxA, noise: Noise, draw: bool):
  """The attributes, those that are not given drawn if asked to, and their log probability (B,).

  Each is drawn by those that are given and those that were drawn before it.
  """
  ids_BxA, logp_B = given_BxA, jnp.zeros(given_BxA.shape[0])
  place_A = np.arange(given_BxA.shape[1])
  known_BxAxA = before(jnp.broadcast_to(place_A, given_BxA.shape))
  if draw:
    known_BxAxA |= (given_BxA > 0)[:, None] & ~np.eye(len(place_A), dtype=bool)
  for a in place_A:
    logits_BxAxK = decoder.apply('attribute_logits', ids_BxA, known_BxAxA)
    logits_Bx1xK = choice.temper(logits_BxAxK[:, a : a + 1], decoder.knobs.temperature_L[0])
    id_Bx1 = choice.choose_one(logits_Bx1xK, noise.attributes[:, a : a + 1])
    id_Bx1 = jnp.where((ids_BxA[:, a : a + 1] == 0) & draw, id_Bx1, ids_BxA[:, a : a + 1])
    ids_BxA = ids_BxA.at[:, a : a + 1].set(id_Bx1)
    logp_Bx1 = choice.one_logp(logits_Bx1xK, id_Bx1)
    logp_B += jnp.where(id_Bx1 > 0, logp_Bx1, 0.0)[:, 0]
  return ids_BxA, logp_B


def _form(decoder: Decoder, job: Job):
  """The forms of rolls, ids of their bars (B, L), and the log probability of that, (B,).

  Bars of which all is known have that of their notes, and so have those of a target. Of one that is
  asked to repeat another the model says how much of it comes again, and of one of which some notes
  are known how many there are with these and how high they go. One that is asked for a rhythm has a
  note for each of its steps.
  """
  config, branches = decoder.model.config, decoder.branches
  known = branch(job.region, branches)
  own_BxL, is_own_BxL = form_of(_own(job, config), config), _is_known(job, config)
  num, num_bars = own_BxL.shape
  asked_L = _of_bars(decoder.knobs.repeat_L, num_bars)
  rhythm_L = _of_bars(decoder.knobs.rhythm_L, num_bars)
  repeat_K, *bins_2xK = parts_of(np.arange(num_ids(config)), config)
  fewest_K, most_K = (x_B[bins_2xK[0]] for x_B in density.bounds(config))
  lag_K, (_, *least_2xBxL) = repeat.lag_of(repeat_K), parts_of(own_BxL, config)

  def body(i, state):
    id_BxL, cache, logp_B = state
    region = with_form(known, tile(id_BxL, branches), config)
    logits, cache = decoder.apply('bar_step', 'form', region, cache, i)
    scale_B = rising(decoder, 0, job, (i + 1) / num_bars).scale_N
    logits_Bx1xK = steered(logits, scale_B, decoder)
    uniform_Bx1, own_Bx1, is_own_Bx1, *least_2xBx1 = (
      jax.lax.dynamic_slice_in_dim(x_BxL, i, 1, axis=1)
      for x_BxL in (job.noise.order[0][:, 0], own_BxL, is_own_BxL, *least_2xBxL)
    )
    may_be_Bx1xK = (asked_L[i] == FREE) | (asked_L[i] == lag_K)
    num_struck = rhythm.num_struck(rhythm_L[i])
    is_room_K = (num_struck <= most_K) & ((num_struck > 0) | (fewest_K == 0))
    may_be_Bx1xK &= (rhythm_L[i] == FREE) | is_room_K
    for bin_K, least_Bx1 in zip(bins_2xK, least_2xBx1, strict=True):
      may_be_Bx1xK &= bin_K >= least_Bx1[..., None]
    id_Bx1 = choice.choose_one(jnp.where(may_be_Bx1xK, logits_Bx1xK, NEVER), uniform_Bx1)
    id_Bx1 = jnp.where(is_own_Bx1, own_Bx1, id_Bx1)
    id_BxL = jax.lax.dynamic_update_slice_in_dim(id_BxL, id_Bx1, i, axis=1)
    return id_BxL, cache, logp_B + choice.one_logp(logits_Bx1xK, id_Bx1)[:, 0]

  cache = empty_cache(config, num * branches, num_bars)
  state = (jnp.zeros_like(own_BxL), cache, jnp.zeros(num))
  id_BxL, _, logp_B = jax.lax.fori_loop(0, num_bars, body, state)
  return id_BxL, logp_B


def _said(decoder: Decoder, job: Job, name: str, uniform_BxL, asked_L=()):
  """The job with what bars are said to be in one respect, and the log probability of that, (B,).

  Bars of which all is known are said to be what their notes are, and so are those of a target.

  Args:
    decoder: the model and what is asked of it.
    job: the rolls.
    name: what says it, see `fractaljax.model.said`.
    uniform_BxL: the chance in it.
    asked_L: ids that are asked for; FREE ones and those after the last are left to the model.
  """
  config, branches = decoder.model.config, decoder.branches
  known = branch(job.region, branches)
  own_BxL, is_own_BxL = said_of(_own(job, config), config)[name], _is_known(job, config)
  num, num_bars = own_BxL.shape
  asked_L = _of_bars(jnp.asarray(asked_L, jnp.int32), num_bars)
  may_be_BxLxK = _left_open(job.region, name, own_BxL, config)

  def body(i, state):
    id_BxL, cache, logp_B = state
    region = with_said(known, name, tile(id_BxL, branches), config)
    logits, cache = decoder.apply('bar_step', name, region, cache, i)
    scale_B = rising(decoder, 0, job, (i + 1) / num_bars).scale_N
    logits_Bx1xK = guide(logits, scale_B, decoder)
    logits_Bx1xK = choice.temper(logits_Bx1xK, decoder.knobs.temperature_L[0])
    uniform_Bx1, own_Bx1, is_own_Bx1, may_be_Bx1xK = (
      jax.lax.dynamic_slice_in_dim(x_BxLx, i, 1, axis=1)
      for x_BxLx in (uniform_BxL, own_BxL, is_own_BxL, may_be_BxLxK)
    )
    id_Bx1 = choice.choose_one(jnp.where(may_be_Bx1xK, logits_Bx1xK, NEVER), uniform_Bx1)
    id_Bx1 = jnp.where(asked_L[i] == FREE, id_Bx1, asked_L[i])
    id_Bx1 = jnp.where(is_own_Bx1, own_Bx1, id_Bx1)
    id_BxL = jax.lax.dynamic_update_slice_in_dim(id_BxL, id_Bx1, i, axis=1)
    return id_BxL, cache, logp_B + choice.one_logp(logits_Bx1xK, id_Bx1)[:, 0]

  cache = empty_cache(config, num * branches, num_bars)
  state = (jnp.zeros_like(own_BxL), cache, jnp.zeros(num))
  id_BxL, _, logp_B = jax.lax.fori_loop(0, num_bars, body, state)
  return job._replace(region=with_said(job.region, name, id_BxL, config)), logp_B


def _left_open(region: Region, name: str, own_BxL, config: ModelConfig):
  """Which ids the known notes, which have `own_BxL`, leave open, (B, L, K); K = 1 if all of them.

  A step at which one of them begins is struck, and one of which all is known is as it is. And the
  bar must have room for those of the other half.
  """
  if name not in HALVES:
    return jnp.ones((*own_BxL.shape, 1), bool)
  half, is_known_NxT = HALVES[name], (region.tokens_NxPxT != config.codec.unknown).all(axis=1)
  known_BxL = rhythm.half_of(rhythm.of_steps(is_known_NxT, config), half, config)
  id_K, own_BxLx1 = jnp.arange(rhythm.num_ids(config)), own_BxL[..., None]
  may_be_BxLxK = (id_K ^ own_BxLx1) & (known_BxL[..., None] | own_BxLx1) == 0
  if config.densities:
    most_BxL = jnp.asarray(density.bounds(config)[1])[region.density_NxL]
    other_BxL = rhythm.without(region.rhythm_NxL, half, config)
    num_BxLxK = rhythm.num_struck(other_BxL)[..., None] + rhythm.num_struck(id_K)
    may_be_BxLxK &= num_BxLxK <= most_BxL[..., None]
  return may_be_BxLxK


def steered(logits_Nx1xK, scale_B, decoder: Decoder):
  """Logits of forms, guided and tempered, (B, 1, K): of repeats, of densities and tops given these.

  Each apart: what has one probable density would else be favoured at low temperatures over what has
  several, and a bar that comes again is the one, a new bar the other.
  """
  all_Nx1xRxDxH = logits_Nx1xK.reshape(-1, 1, *num_parts(decoder.model.config))
  both_Nx1xRxD = jax.nn.logsumexp(all_Nx1xRxDxH, axis=-1)
  repeat_Nx1xR = jax.nn.logsumexp(both_Nx1xRxD, axis=-1)
  repeat_Bx1xR, density_Bx1xRxD, top_Bx1xRxDxH = (
    choice.temper(guide(logits, scale_B, decoder), decoder.knobs.temperature_L[0])
    for logits in (
      repeat_Nx1xR,
      both_Nx1xRxD - repeat_Nx1xR[..., None],
      all_Nx1xRxDxH - both_Nx1xRxD[..., None],
    )
  )
  both_Bx1xRxD = repeat_Bx1xR[..., None] + jax.nn.log_softmax(density_Bx1xRxD)
  all_Bx1xRxDxH = both_Bx1xRxD[..., None] + jax.nn.log_softmax(top_Bx1xRxDxH)
  return all_Bx1xRxDxH.reshape(all_Bx1xRxDxH.shape[0], 1, -1)


def _of_bars(asked_L, num_bars: int):
  """What is asked of each bar; nothing of those after the last."""
  asked_L = asked_L[:num_bars]
  return jnp.full(num_bars, FREE).at[: len(asked_L)].set(asked_L)


def _own(job: Job, config: ModelConfig) -> Region:
  """Rolls of which that is said what their notes are, or those of a target."""
  if job.target_NxPxT is None:
    return job.region
  return with_own_form(job.region, job.target_NxPxT, config)


def _is_known(job: Job, config: ModelConfig):
  """Whether all of a bar is known, (B, L), as all of a target is."""
  if job.target_NxPxT is not None:
    return jnp.ones(job.region.repeat_NxL.shape, bool)
  return known_bars(job.region, config)
