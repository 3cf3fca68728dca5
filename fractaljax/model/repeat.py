"""Repeats: which patch of the first level, a bar, each one repeats, and how much of it.

A bar's repeat is an id. 0 is none; each of the others is of a lag, how many bars before lies the
one that is repeated, and of the share of their notes that both have in common.
"""

import jax.numpy as jnp
import numpy as np

from fractaljax.model.config import ModelConfig
from fractaljax.music.codec import Codec

# Shares are whole numbers of so many parts, so that equals are equal in every program.
PARTS = 4096
# A bar has four eighths of its notes in common with one that it repeats, or more; 8 is all of them.
EIGHTHS = 4, 5, 6, 7, 8
NUM_EIGHTHS = EIGHTHS[-1] + 1  # and none of them


def num_repeats(most: int) -> int:
  """Ids of repeats of bars that lie so many back, at most."""
  return 1 + most * len(EIGHTHS)


def id_of(lag_x, eighths_x):
  """The id of a repeat of so much of the bar that lies so far before."""
  return 1 + (lag_x - 1) * len(EIGHTHS) + eighths_x - EIGHTHS[0]


def lag_of(id_x):
  """How many bars before lies the one that is repeated; 0 for none."""
  return (id_x + len(EIGHTHS) - 1) // len(EIGHTHS)


def eighths_of(id_x):
  """How many eighths of their notes both bars have in common; 0 where none is repeated."""
  return jnp.where(id_x > 0, EIGHTHS[0] + (id_x - 1) % len(EIGHTHS), 0)


def overlaps(tokens_NxPxT, steps: int, most: int, codec: Codec):
  """What each bar has in common with those before it: notes in both and in either, two (N, L, K).

  Of their sets of (step in the bar, pitch). K = most + 1: how many bars before; none in common with
  itself, and where there is no bar so far before.

  Args:
    tokens_NxPxT: rolls.
    steps: of a bar.
    most: bars back, at most.
    codec: of the tokens.
  """
  num, num_pitches, num_steps = tokens_NxPxT.shape
  notes = codec.is_note(tokens_NxPxT).reshape(num, num_pitches, num_steps // steps, steps)
  notes_NxLxC = notes.swapaxes(1, 2).reshape(num, num_steps // steps, -1).astype(jnp.float32)
  # Zeros and ones, and sums of them: exact in any precision of the product.
  both_NxLxL = jnp.einsum('nlc,nmc->nlm', notes_NxLxC, notes_NxLxC).astype(jnp.int32)
  count_NxL = notes_NxLxC.sum(axis=2).astype(jnp.int32)
  bar_L, lag_K = np.arange(num_steps // steps), np.arange(most + 1)
  then_LxK = bar_L[:, None] - lag_K
  is_there_LxK, then_LxK = (then_LxK >= 0) & (lag_K > 0), np.maximum(then_LxK, 0)
  both_NxLxK = jnp.where(is_there_LxK, both_NxLxL[:, bar_L[:, None], then_LxK], 0)
  return both_NxLxK, count_NxL[:, :, None] + count_NxL[:, then_LxK] - both_NxLxK


def find(both_NxLxK, either_NxLxK):
  """What each bar repeats, ids (N, L).

  A bar can repeat those with which it has half of their notes in common, and repeats the one with
  most of them in common; the share that the two bars before these have in common counts half as
  much, since repeats go on. The newest of equals. See `overlaps` for the arguments.
  """
  share_NxLxK = PARTS * both_NxLxK // jnp.maximum(either_NxLxK, 1)
  is_like_NxLxK = (both_NxLxK > 0) & (2 * both_NxLxK >= either_NxLxK)
  lag_NxLx1 = jnp.argmax(
    is_like_NxLxK * (2 * share_NxLxK + after(share_NxLxK)), axis=2, keepdims=True
  )
  eighths_NxLx1 = jnp.take_along_axis(8 * share_NxLxK // PARTS, lag_NxLx1, axis=2)
  return jnp.where(lag_NxLx1 > 0, id_of(lag_NxLx1, eighths_NxLx1), 0)[..., 0]


def of_rolls(tokens_NxPxT, config: ModelConfig):
  """What the bars of rolls repeat, ids (N, L); nothing where not a note of theirs is known."""
  return find(*overlaps(tokens_NxPxT, config.levels[0].patch[1], config.repeats, config.codec))


def after(x_NxLx):
  """What was there one bar earlier; zeros at the first."""
  return jnp.concatenate([jnp.zeros_like(x_NxLx[:, :1]), x_NxLx[:, :-1]], axis=1)
