"""From logits to cells: gates first, then the occupied patches by the next level."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.model import due, limits
from fractaljax.model.config import ModelConfig
from fractaljax.model.fractal import Fractal
from fractaljax.model.occupancy import gather, is_sounding, occupied_logit
from fractaljax.model.region import Region
from fractaljax.sampling import choice
from fractaljax.sampling.job import Job, child_job
from fractaljax.sampling.options import Knobs, Plan
from fractaljax.sampling.spot import OwnSpot, Spot


class Decoder(NamedTuple):
  """What stays the same through the recursion."""

  model: Fractal
  params: dict
  knobs: Knobs
  plan: Plan

  @property
  def branches(self) -> int:
    """Evaluations of the model for each decision: with and without the attributes if guided."""
    return 2 if self.plan.guided else 1

  def apply(self, method: str, *args):
    return self.model.apply(self.params, *args, method=method)


def tile(x, branches: int):
  return x if branches == 1 else jax.tree.map(lambda a: jnp.concatenate([a] * branches), x)


def branch(region: Region, branches: int) -> Region:
  """The region once for each branch, the second without its attributes.

  Its conditions are there for both of them already.
  """
  ids_NxA = region.attributes_NxA
  if branches == 2:
    ids_NxA = jnp.concatenate([ids_NxA, jnp.zeros_like(ids_NxA)])
  tiled = tile(region.replace(cond_NxC=None), branches)
  return tiled.replace(cond_NxC=region.cond_NxC, attributes_NxA=ids_NxA)


def decide(decoder: Decoder, index: int, job: Job, spot: Spot | OwnSpot, seen, logits, cond, fill):
  """Decides the patches of `spot` and fills them.

  Args:
    decoder: the model and what is asked of it.
    index: the level whose patches they are.
    job: the regions as they are now.
    spot: which patches.
    seen: the canvas as the patches see each other.
    logits: of gates (N, A), of values (N, A, V), or None: all are expanded.
    cond: (N, A, C), what their children are told. Guided, both have 2 N rows.
    fill: fills the regions of a job by a level, `fill(decoder, index, job)`.

  Returns:
    the new canvas and the log probability of what was decided, (N,).
  """
  codec, region = decoder.model.config.codec, job.region
  cells_NxAxpxt = spot.read(region.canvas_NxQxW, region.origin)
  unknown_NxAxpxt = (cells_NxAxpxt == codec.unknown) & spot.member_NxA[..., None, None]
  logp_N = jnp.zeros(region.row_N.shape)
  bit_NxA = spot.member_NxA
  if logits is not None:
    logits = guide(logits, job.scale_N, decoder)
    gates, token_NxA, logp_N = _draw(decoder, index, job, spot, logits)
    known_NxA = is_sounding(cells_NxAxpxt, codec.num_values).any(axis=(2, 3))
    bit_NxA = gates.bit_NxA | known_NxA
    # Values are final; of gates only the empty ones are: the others are left to the next level.
    done_NxAxpxt = unknown_NxAxpxt & ~bit_NxA[..., None, None] | (token_NxA is not None)
    cells_NxAxpxt = jnp.where(
      unknown_NxAxpxt & done_NxAxpxt,
      0 if token_NxA is None else token_NxA[..., None, None],
      cells_NxAxpxt,
    )
    job = job.with_canvas(spot.write(region.canvas_NxQxW, cells_NxAxpxt, region.origin))
    if token_NxA is not None:
      return job.region.canvas_NxQxW, logp_N
  chosen_NxA = bit_NxA & unknown_NxAxpxt.any(axis=(2, 3))
  canvas, more_N = _expand(decoder, index, job, spot, seen, cond, chosen_NxA, fill)
  return canvas, logp_N + more_N


def rising(decoder: Decoder, index: int, job: Job, share) -> Job:
  """The job with its guidance at this share of the first level, where it is to rise over it."""
  if index or not decoder.plan.rising:
    return job
  return job._replace(scale_N=1 + (job.scale_N - 1) * share)


def guide(logits_NxAx, scale_N, decoder: Decoder):
  """Classifier-free guidance (Ho & Salimans 2022): uncond + s * (cond - uncond)."""
  if decoder.branches == 1:
    return logits_NxAx
  cond, uncond = jnp.split(logits_NxAx, 2)
  return uncond + scale_N.reshape(-1, *[1] * (cond.ndim - 1)) * (cond - uncond)


def _draw(decoder: Decoder, index: int, job: Job, spot: Spot, logits):
  """Gates, at the last level also values, and the log probability of both (N,)."""
  is_last = index == len(decoder.model.config.levels) - 1
  logits = choice.temper(logits, decoder.knobs.temperature_L[index])
  if job.lean_NxS is not None and index:  # whole rolls have no echoes
    logits += lean(job, spot, decoder.model.config, is_last)
  if is_last and decoder.plan.nucleus:
    logits = choice.nucleus(logits, decoder.knobs.top_p)
  logit_NxA = occupied_logit(logits) if is_last else logits + decoder.knobs.gate_bias
  target_NxA = None
  if job.target_NxPxT is not None:
    target_NxAxpxt = spot.read(job.target_NxPxT)
    target_NxA = (target_NxAxpxt > 0).any(axis=(2, 3))
  uniform_NxA = spot.read_noise(job.noise.choice[0])
  must_N, may_NxA = _must_sound(decoder, index, job, spot)
  gates = choice.choose_occupied(
    logit_NxA, uniform_NxA, spot.member_NxA, must_N, target_NxA, may_NxA
  )
  logp_N = jnp.zeros(must_N.shape)
  if target_NxA is not None:
    logp_N = choice.gate_logp(gates, spot.member_NxA).sum(axis=1)
  if not is_last:
    return gates, None, logp_N
  if target_NxA is None:
    return gates, choice.choose_value(logits, gates, uniform_NxA), logp_N
  token_NxA = target_NxAxpxt[..., 0, 0]
  return gates, token_NxA, logp_N + choice.value_logp(logits, gates, token_NxA).sum(axis=1)


def lean(job: Job, spot: Spot, config: ModelConfig, is_last: bool):
  """What is added to logits for the notes that echoes have there: of gates (N, A), of values."""
  there_NxSxPxT = job.region.there_NxExPxT[:, due.said_echoes(config)]
  read = jax.vmap(spot.read, in_axes=1, out_axes=1)
  has_note_NxSxA = read(config.codec.is_note(there_NxSxPxT)).any(axis=(3, 4))
  lean_NxA = (job.lean_NxS[..., None] * has_note_NxSxA).sum(axis=1)
  if not is_last:
    return lean_NxA
  return lean_NxA[..., None] * config.codec.is_note(jnp.arange(config.codec.num_values))


def _must_sound(decoder: Decoder, index: int, job: Job, spot: Spot):
  """Which regions must sound here, and which of the patches may then be the first to, (N, A).

  Those that are known to be occupied, silent so far, whose last open cells these are, of those that
  may sound.
  """
  config, region = decoder.model.config, job.region
  if index == 0 or not config.gate:
    return jnp.zeros(region.row_N.shape, bool), True
  tokens_NxPxT, may_NxA = region.tokens_NxPxT, True
  open_NxPxT = tokens_NxPxT == config.codec.unknown
  if config.has_limits:
    may_NxPxT = spot.grid.spread(limits.in_silence(region, spot.grid, config))
    may_NxA = spot.read(may_NxPxT)[..., 0, 0]
    open_NxPxT &= may_NxPxT
  here_NxA = spot.read(open_NxPxT).sum(axis=(2, 3)) * spot.member_NxA
  is_final_N = open_NxPxT.sum(axis=(1, 2)) == here_NxA.sum(axis=1)
  is_silent_N = ~is_sounding(tokens_NxPxT, config.codec.num_values).any(axis=(1, 2))
  return is_final_N & is_silent_N, may_NxA


def _expand(decoder: Decoder, index: int, job: Job, spot: Spot, seen, cond, chosen_NxA, fill):
  """Lets the next level fill the chosen patches, a chunk of them at a time."""
  margin, halo = job.region.origin
  total = chosen_NxA.size
  # As a formula: in an exported program the batch is not a number.
  chunk = jax.core.min_dim(decoder.plan.chunk, total)
  chosen_K = gather(chosen_NxA.reshape(-1), -(-total // chunk) * chunk).flat_K
  count = chosen_NxA.sum()
  cond_GxMxC = cond.reshape(decoder.branches, total, -1)

  def body(state):
    start, canvas, logp_N = state
    number_C = jax.lax.dynamic_slice_in_dim(chosen_K, start, chunk)
    used_C = start + jnp.arange(chunk) < count
    flat_C = spot.flat(number_C)
    cond_CxD = cond_GxMxC[:, number_C].reshape(-1, cond_GxMxC.shape[-1])
    child = child_job(job, decoder.model.config, index, spot.grid, seen, flat_C, cond_CxD)
    tokens_Cxpxt, logp_C = fill(decoder, index + 1, child)
    n_C, row_C, col_C = spot.grid.corners(flat_C)
    canvas = _paste(canvas, tokens_Cxpxt, used_C, n_C, row_C + margin, col_C + halo)
    return start + chunk, canvas, logp_N.at[n_C].add(jnp.where(used_C, logp_C, 0.0))

  state = (jnp.int32(0), job.region.canvas_NxQxW, jnp.zeros(job.region.row_N.shape))
  _, canvas, logp_N = jax.lax.while_loop(lambda state: state[0] < count, body, state)
  return canvas, logp_N


def _paste(canvas, tokens_Cxpxt, used_C, n_C, row_C, col_C):
  """Writes blocks of cells into the canvas, those that are used."""

  def write(c, canvas):
    corner = (n_C[c], row_C[c], col_C[c])
    block = jax.lax.dynamic_slice_in_dim(tokens_Cxpxt, c, 1)
    old = jax.lax.dynamic_slice(canvas, corner, block.shape)
    return jax.lax.dynamic_update_slice(canvas, jnp.where(used_C[c], block, old), corner)

  if tokens_Cxpxt.shape[0] == 1:
    return write(0, canvas)
  return jax.lax.fori_loop(0, tokens_Cxpxt.shape[0], write, canvas)
