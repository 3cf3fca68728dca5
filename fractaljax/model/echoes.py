"""Echoes: what was at a region's pitches before, where the music may repeat itself.

An echo of a region is a block of tokens: the region's pitches and steps as they were so many steps
before, with ECHO_PITCHES above and below, ECHO_STEPS after them and `steps_before` before them.
"""

import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model import patches
from fractaljax.model.config import ModelConfig
from fractaljax.model.occupancy import is_sounding
from fractaljax.music.codec import Codec

ECHO_PITCHES, ECHO_STEPS = 2, 1
NUM_LIKENESSES = 10
NUM_TRUSTS = NUM_LIKENESSES**2
# How many cells that sound alike a note that is equal in velocity too is worth to a match.
EQUAL_NOTE = 8


def steps_before(halo: int) -> int:
  """Steps of an echo that are before its region: its halo, and at least as many as after it."""
  return max(halo, ECHO_STEPS)


def block_size(patch: tuple[int, int], halo: int) -> tuple[int, int]:
  """(pitches, steps) of an echo of a patch."""
  return patch[0] + 2 * ECHO_PITCHES, steps_before(halo) + patch[1] + ECHO_STEPS


def core(echo_NxExQxW, halo: int, num_steps: int):
  """The cells of echoes at the pitches and steps of their regions, (N, E, P, T)."""
  before = steps_before(halo)
  return echo_NxExQxW[:, :, ECHO_PITCHES:-ECHO_PITCHES, before : before + num_steps]


def first_echoes(roll_NxPxW, halo: int, corners_C, patch: tuple[int, int], config: ModelConfig):
  """The echoes of patches of whole rolls, C x E blocks.

  Args:
    roll_NxPxW: tokens of whole rolls, with a halo of so many steps before them.
    halo: H.
    corners_C: (roll, row, column) of each patch, without the halo.
    patch: its pitches and steps.
    config: the model.
  """
  n_C, row_C, col_C = corners_C
  size = block_size(patch, halo)
  # The earliest that is asked for; at 0 in the padded roll, a whole block is outside.
  back = max((size[1], *(steps_before(halo) + steps for steps in config.echoes)))
  around = ((0, 0), (ECHO_PITCHES, ECHO_PITCHES), (back, 0))
  roll_NxQxW = jnp.pad(roll_NxPxW, around, constant_values=config.codec.outside)
  here_C = back + halo + col_C - steps_before(halo)
  cols = [here_C - steps for steps in config.echoes]
  if config.matches:
    steps_CxM = _matches(roll_NxPxW, halo, patch[1], n_C, col_C, config)
    cols += list(jnp.where(steps_CxM > 0, here_C[:, None] - steps_CxM, 0).T)
  return jnp.stack([patches.cut(roll_NxQxW, n_C, row_C, col, size) for col in cols], axis=1)


def child_echoes(echo_NxExQxW, halo: int, corners_C, patch: tuple[int, int]):
  """The echoes of patches, C x E blocks, from those of the regions that they lie in."""
  size = block_size(patch, halo)
  echoes = echo_NxExQxW.swapaxes(0, 1)
  return jnp.stack([patches.cut(echo_NxQxW, *corners_C, size) for echo_NxQxW in echoes], axis=1)


def trust(before_NxPxH, echo_NxExQxW, parent_NxE, codec: Codec):
  """How far each echo can be trusted to go on as what its region repeats, ids of N x E.

  Compared are the H steps before the region and those before the echo, at the region's pitches.

  Args:
    before_NxPxH: the halo of the region's own pitches.
    echo_NxExQxW: its echoes.
    parent_NxE: ids of the region that it lies in; None if that is the whole roll.
    codec: of the tokens.

  Returns:
    NUM_LIKENESSES * the likeness of what sounds + that of the notes. Notes are alike if they are
    equal in velocity too, and tell a passage that was copied from one that resembles it. A region
    without any, here and there, has its parent's.
  """
  halo = before_NxPxH.shape[2]
  then_NxExPxH = echo_NxExQxW[:, :, ECHO_PITCHES:-ECHO_PITCHES, :halo]
  here_Nx1xPxH = before_NxPxH[:, None]
  sounds_here, sounds_then = (
    is_sounding(x, codec.num_values) for x in (here_Nx1xPxH, then_NxExPxH)
  )
  like_NxE = likeness(sounds_here, sounds_then, sounds_here & sounds_then)
  note_V = jnp.asarray(codec.is_note())
  note_here, note_then = note_V[here_Nx1xPxH], note_V[then_NxExPxH]
  equal_NxE = likeness(note_here, note_then, note_here & (here_Nx1xPxH == then_NxExPxH))
  if parent_NxE is not None:
    is_silent_NxE = equal_NxE == NUM_LIKENESSES - 1
    equal_NxE = jnp.where(is_silent_NxE, parent_NxE % NUM_LIKENESSES, equal_NxE)
  return like_NxE * NUM_LIKENESSES + equal_NxE


def likeness(here_Nx1xPxH, then_NxExPxH, both_NxExPxH):
  """The weighed Dice overlap of sets of cells, given with what they have in common, (N, E).

  In eighths rounded down: 0 is no cell in common, 8 is equal; NUM_LIKENESSES - 1 where both are
  empty. Cells that are nearer in time count more.
  """
  here_Nx1, then_NxE, both_NxE = (
    (x_NxExPxH * _weights(x_NxExPxH.shape[3])).sum(axis=(2, 3))
    for x_NxExPxH in (here_Nx1xPxH, then_NxExPxH, both_NxExPxH)
  )
  all_NxE = here_Nx1 + then_NxE
  return jnp.where(all_NxE, 8 * 2 * both_NxE // jnp.maximum(all_NxE, 1), NUM_LIKENESSES - 1)


def _matches(roll_NxPxW, halo: int, steps: int, n_C, col_C, config: ModelConfig):
  """How many steps before each patch that began which followed the halo most like its own, (C, M).

  Of the patches of `steps` steps that end a step before it or earlier, the M whose halos differ
  from its own the least, the newest first among equals; 0 where there are not so many. A cell that
  a MAR level hides neither agrees nor differs.
  """
  sign_NxPxW = jnp.where(is_sounding(roll_NxPxW, config.codec.num_values), 1.0, -1.0)
  sign_NxPxW = jnp.where(roll_NxPxW == config.codec.unknown, 0.0, sign_NxPxW)
  num = (roll_NxPxW.shape[2] - halo) // steps
  col_LxH = np.arange(num)[:, None] * steps + np.arange(halo)
  halos_NxPxLxH = sign_NxPxW[:, :, col_LxH]
  alike_NxLxL = jnp.einsum('npih,npjh->nij', halos_NxPxLxH * _weights(halo), halos_NxPxLxH)
  if config.codec.has_velocity:
    alike_NxLxL += EQUAL_NOTE * _equal_notes(roll_NxPxW[:, :, col_LxH], config.codec)
  ago_LxL = np.arange(num)[:, None] - np.arange(num)
  alike_NxLxL = jnp.where(ago_LxL * steps >= steps + ECHO_STEPS, alike_NxLxL, -jnp.inf)
  alike_CxL = alike_NxLxL[n_C, col_C // steps]
  # With room for those that are not there.
  newest_CxL = jnp.pad(alike_CxL[:, ::-1], ((0, 0), (0, config.matches)), constant_values=-jnp.inf)
  best_CxM, newest_CxM = jax.lax.top_k(newest_CxL, config.matches)
  col_CxM = (num - 1 - newest_CxM) * steps
  return jnp.where(jnp.isfinite(best_CxM), col_C[:, None] - col_CxM, 0)


def _equal_notes(halo_NxPxLxH, codec: Codec):
  """The weighed number of notes that each two halos have in common, (N, L, L)."""
  note_NxPxLxH = jnp.where(jnp.asarray(codec.is_note())[halo_NxPxLxH], halo_NxPxLxH, -1)
  is_note_NxPxLxH = note_NxPxLxH >= 0

  def of_one(one_NxPxH):
    equal_NxPxLxH = is_note_NxPxLxH & (halo_NxPxLxH == one_NxPxH[:, :, None])
    return (equal_NxPxLxH * _weights(halo_NxPxLxH.shape[3])).sum(axis=(1, 3))

  return jax.lax.map(of_one, note_NxPxLxH.transpose(2, 0, 1, 3)).swapaxes(0, 1)


def _weights(halo: int) -> np.ndarray:
  """What a cell of each step of a halo counts: 1 / distance from its end, in whole numbers.

  Whole, so that equals are equal in every program.
  """
  return halo // np.arange(halo, 0, -1)
