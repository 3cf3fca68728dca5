"""Trust: how far an echo can be expected to go on as what its region repeats."""

import jax.numpy as jnp
import numpy as np

from fractaljax.model.echoes import ECHO_PITCHES
from fractaljax.model.occupancy import is_sounding
from fractaljax.music.codec import Codec

NUM_LIKENESSES = 10
NUM_TRUSTS = NUM_LIKENESSES**2


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


def by_echo(trust_NxE):
  """The same ids, of NUM_TRUSTS for each echo: rows of a table of all echoes."""
  return NUM_TRUSTS * np.arange(trust_NxE.shape[1]) + trust_NxE


def likeness(here_Nx1xPxH, then_NxExPxH, both_NxExPxH):
  """The weighted Dice overlap of sets of cells, given with what they have in common, (N, E).

  In eighths rounded down: 0 is no cell in common, 8 is equal; NUM_LIKENESSES - 1 where both are
  empty. Cells that are nearer in time count more.
  """
  here_Nx1, then_NxE, both_NxE = (
    (x_NxExPxH * nearness(x_NxExPxH.shape[3])).sum(axis=(2, 3))
    for x_NxExPxH in (here_Nx1xPxH, then_NxExPxH, both_NxExPxH)
  )
  all_NxE = here_Nx1 + then_NxE
  return jnp.where(all_NxE, 8 * 2 * both_NxE // jnp.maximum(all_NxE, 1), NUM_LIKENESSES - 1)


def nearness(halo: int) -> np.ndarray:
  """What a cell of each step of a halo counts: 1 / distance from its end, in whole numbers.

  Whole, so that equals are equal in every program.
  """
  return halo // np.arange(halo, 0, -1)
