"""Drawing the form of rolls: what each bar repeats, where that is neither known nor asked for."""

import jax
import jax.numpy as jnp

from fractaljax.model import repeat
from fractaljax.model.form import empty_cache
from fractaljax.model.nats import NEVER
from fractaljax.sampling import choice
from fractaljax.sampling.decision import Decoder, branch, guide, tile
from fractaljax.sampling.form import FREE
from fractaljax.sampling.job import Job


def draw_form(decoder: Decoder, job: Job):
  """What the bars of whole rolls repeat, ids (N, L), and the log probability of that, (N,).

  Bars of which all is known repeat what their notes do, and so do those of a target. Of one that is
  asked to repeat another the model says how much of it does come again.
  """
  config, branches = decoder.model.config, decoder.branches
  known = branch(job.region, branches)
  if job.target_NxPxT is None:
    own_NxL, is_own_NxL = job.region.repeat_NxL, ~_has_unknown(job.region, config.codec.unknown)
  else:
    own_NxL = repeat.of_rolls(job.target_NxPxT, config)
    is_own_NxL = jnp.ones(own_NxL.shape, bool)
  num, num_bars = own_NxL.shape
  asked_L = decoder.knobs.repeat_L[:num_bars]
  asked_L = jnp.full(num_bars, FREE).at[: len(asked_L)].set(asked_L)
  lag_K = repeat.lag_of(jnp.arange(repeat.num_ids(config.repeats)))

  def body(i, state):
    id_NxL, cache, logp_N = state
    region = known.replace(repeat_NxL=tile(id_NxL, branches))
    logits, cache = decoder.apply('form_step', region, cache, i)
    logits_Nx1xK = guide(logits, job.scale_N, decoder)
    logits_Nx1xK = choice.temper(logits_Nx1xK, decoder.knobs.temperature_L[0])
    may_be_K = (asked_L[i] == FREE) | (asked_L[i] == lag_K)
    uniform_Nx1 = jax.lax.dynamic_slice_in_dim(job.noise.order[0][:, 0], i, 1, axis=1)
    id_Nx1 = choice.choose_one(jnp.where(may_be_K, logits_Nx1xK, NEVER), uniform_Nx1)
    own_Nx1, is_own_Nx1 = (
      jax.lax.dynamic_slice_in_dim(x_NxL, i, 1, axis=1) for x_NxL in (own_NxL, is_own_NxL)
    )
    id_Nx1 = jnp.where(is_own_Nx1, own_Nx1, id_Nx1)
    id_NxL = jax.lax.dynamic_update_slice_in_dim(id_NxL, id_Nx1, i, axis=1)
    return id_NxL, cache, logp_N + choice.one_logp(logits_Nx1xK, id_Nx1)[:, 0]

  cache = empty_cache(config, num * branches, num_bars)
  state = (jnp.zeros_like(own_NxL), cache, jnp.zeros(num))
  id_NxL, _, logp_N = jax.lax.fori_loop(0, num_bars, body, state)
  return id_NxL, logp_N


def _has_unknown(region, unknown: int):
  """Whether anything in a bar is unknown, (N, L)."""
  is_unknown_NxT = (region.tokens_NxPxT == unknown).any(axis=1)
  return is_unknown_NxT.reshape(*region.repeat_NxL.shape, -1).any(axis=2)
