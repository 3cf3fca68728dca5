"""Trust: how far an echo can be expected to go on as what its region repeats.

Three things say so: how alike the steps before both are (`trust`), or where it is said how much of
an echo comes again just that (`as_said`), and what of it is left to come, see
`fractaljax.model.due`; which notes of the bar came again until now (`count_so_far`); and which of
the same step, below (`count_below`). That a repeat has begun shows in the second while the first
still says that nothing is alike. Notes come again as they were, or with another velocity: that
tells a copy from what is played once more.
"""

import jax.numpy as jnp
import numpy as np

from fractaljax.model import due
from fractaljax.model.density import bin_of
from fractaljax.model.echoes import halo_of
from fractaljax.model.occupancy import is_sounding
from fractaljax.model.patches import Grid
from fractaljax.music.codec import Codec

NUM_LIKENESSES = 10
NUM_TRUSTS = NUM_LIKENESSES**2
# Of the notes below: there are none; one, two, more, all of which came again; none did; some did.
# And whether any has another velocity.
NUM_CHORDS = 6 * 2
# Of the notes of the bar, how many are equal and how many are not, up to so many.
MOST_EQUAL, MOST_UNEQUAL = 5, 3
NUM_COPIES = (MOST_EQUAL + 1) * (MOST_UNEQUAL + 1)
# And how many came again, with any velocity, and how many did not, at least: in a bar of twenty
# notes these tell whether it has half of another's.
AGAIN = (1, 2, 3, 4, 5, 6, 8, 10, 13, 17)
DIFFERENT = (1, 2, 3, 4, 6, 8, 11, 15)
NUM_REPEATS = (len(AGAIN) + 1) * (len(DIFFERENT) + 1)
NUM_ROWS = NUM_TRUSTS + NUM_LIKENESSES * (NUM_CHORDS + NUM_COPIES + NUM_REPEATS) + due.NUM_DUES


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
  then_NxExPxH = halo_of(echo_NxExQxW, before_NxPxH.shape[2])
  here_Nx1xPxH = before_NxPxH[:, None]
  sounds_here, sounds_then = (
    is_sounding(x, codec.num_values) for x in (here_Nx1xPxH, then_NxExPxH)
  )
  like_NxE = likeness(sounds_here, sounds_then, sounds_here & sounds_then)
  note_here, note_then = codec.is_note(here_Nx1xPxH), codec.is_note(then_NxExPxH)
  equal_NxE = likeness(note_here, note_then, note_here & (here_Nx1xPxH == then_NxExPxH))
  if parent_NxE is not None:
    is_silent_NxE = equal_NxE == NUM_LIKENESSES - 1
    equal_NxE = jnp.where(is_silent_NxE, parent_NxE % NUM_LIKENESSES, equal_NxE)
  return like_NxE * NUM_LIKENESSES + equal_NxE


def as_said(trust_NxE, echoes: slice, eighths_NxS, parent_NxE):
  """Ids of which those of some echoes have a likeness of what sounds that was said, not measured.

  Args:
    trust_NxE: ids, see `trust`.
    echoes: S of them, of which it is said how much comes again.
    eighths_NxS: how many eighths of the notes; None but for first patches.
    parent_NxE: ids of the region that each lies in, which was told; None for first patches.
  """
  sounds_NxS = eighths_NxS
  if parent_NxE is not None:
    sounds_NxS = parent_NxE[:, echoes] // NUM_LIKENESSES
  said_NxS = NUM_LIKENESSES * sounds_NxS + trust_NxE[:, echoes] % NUM_LIKENESSES
  return trust_NxE.at[:, echoes].set(said_NxS)


def count_so_far(before_NxPxH, echo_NxExQxW, num_steps_N, codec: Codec):
  """Notes of the last steps: equal to an echo's, similar, added, missed, (N, E, 4).

  Args:
    before_NxPxH: the halo of each region's own pitches.
    echo_NxExQxW: its echoes.
    num_steps_N: how many steps of the halo count, those of the bar.
    codec: of the tokens.
  """
  halo = before_NxPxH.shape[2]
  then_NxExPxH = halo_of(echo_NxExQxW, halo)
  is_last_NxH = np.arange(halo, 0, -1) <= num_steps_N[:, None]
  cells_NxEx4xPxH = _compared(before_NxPxH, then_NxExPxH, codec)
  return (cells_NxEx4xPxH & is_last_NxH[:, None, None, None]).sum(axis=(3, 4))


def count_below(here_NxPxT, then_NxExPxT, grid: Grid, codec: Codec):
  """Notes below each patch, at its own steps: equal to an echo's, similar, added, missed.

  Args:
    here_NxPxT: the region's tokens. Of each patch only those of the rows below it are read.
    then_NxExPxT: what its echoes have there.
    grid: of the region.
    codec: of the tokens.

  Returns:
    (N, E, L, 4), counts.
  """
  num, num_echoes = then_NxExPxT.shape[:2]
  below_MxL = grid.sum_below(_compared(here_NxPxT, then_NxExPxT, codec))
  return below_MxL.reshape(num, num_echoes, 4, -1).swapaxes(2, 3)


def _compared(here_NxPxT, then_NxExPxT, codec: Codec):
  """Notes equal here and then; similar, but for the velocity; added; missed: (N, E, 4, P, T).

  Cells that are unknown here are none of these.
  """
  here_Nx1xPxT = here_NxPxT[:, None]
  note_here, note_then = codec.is_note(here_Nx1xPxT), codec.is_note(then_NxExPxT)
  again_NxExPxT, alike_NxExPxT = note_here & note_then, here_Nx1xPxT == then_NxExPxT
  equal_NxExPxT, similar_NxExPxT = again_NxExPxT & alike_NxExPxT, again_NxExPxT & ~alike_NxExPxT
  missed_NxExPxT = note_then & ~note_here & (here_Nx1xPxT != codec.unknown)
  return jnp.stack([equal_NxExPxT, similar_NxExPxT, note_here & ~note_then, missed_NxExPxT], axis=2)


def rows_by_echo(trust_NxEx, so_far_NxEx4, below_NxEx4, due_NxEx4):
  """Five rows, to be added, of a table of NUM_ROWS for each echo: (N, E, ..., 5).

  By trust; by the equal notes in it and the notes below; by these and the notes of the bar so far,
  those below among them, as they are equal; by what sounds alike and the same, as they come again;
  by what is left to come.
  """
  sounds_NxEx, notes_NxEx = trust_NxEx // NUM_LIKENESSES, trust_NxEx % NUM_LIKENESSES
  bar_NxEx4 = so_far_NxEx4 + below_NxEx4
  num_again_NxEx, different_NxEx = _again(bar_NxEx4), _different(bar_NxEx4)
  unequal_NxEx = jnp.minimum(bar_NxEx4[..., 1] + different_NxEx, MOST_UNEQUAL)
  copy_NxEx = jnp.minimum(bar_NxEx4[..., 0], MOST_EQUAL) * (MOST_UNEQUAL + 1) + unequal_NxEx
  again_NxEx = bin_of(num_again_NxEx, AGAIN)
  repeat_NxEx = again_NxEx * (len(DIFFERENT) + 1) + bin_of(different_NxEx, DIFFERENT)
  first, each_NxEx = NUM_TRUSTS, [jnp.broadcast_to(trust_NxEx, copy_NxEx.shape)]
  for likeness_NxEx, num, x_NxEx in (
    (notes_NxEx, NUM_CHORDS, _chord(below_NxEx4)),
    (notes_NxEx, NUM_COPIES, copy_NxEx),
    (sounds_NxEx, NUM_REPEATS, repeat_NxEx),
  ):
    each_NxEx.append(first + likeness_NxEx * num + x_NxEx)
    first += NUM_LIKENESSES * num
  added_NxEx, missed_NxEx = bar_NxEx4[..., 2], bar_NxEx4[..., 3]
  each_NxEx.append(first + due.ids(due_NxEx4, num_again_NxEx, added_NxEx, missed_NxEx))
  row_NxEx5 = jnp.stack(each_NxEx, axis=-1)
  num_echoes, ones = row_NxEx5.shape[1], [1] * (row_NxEx5.ndim - 2)
  return np.arange(num_echoes).reshape(num_echoes, *ones) * NUM_ROWS + row_NxEx5


def _chord(below_x4):
  """The notes below in one of NUM_CHORDS ways."""
  again_x, similar_x, different_x = _again(below_x4), below_x4[..., 1], _different(below_x4)
  broken_x = jnp.where(again_x > 0, 5, 4)
  chord_x = jnp.where(different_x > 0, broken_x, jnp.minimum(again_x, 3))
  return 2 * chord_x + (similar_x > 0)


def _again(count_x4):
  """Notes that came again, with any velocity."""
  return count_x4[..., 0] + count_x4[..., 1]


def _different(count_x4):
  """Notes that are only here or only in the echo."""
  return count_x4[..., 2] + count_x4[..., 3]


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
