"""Matches: the echoes that are not of a fixed age, but follow what was most like the present."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model import patches
from fractaljax.model.config import ModelConfig
from fractaljax.model.echoes import ECHO_PITCHES, block_size, steps_before
from fractaljax.model.occupancy import is_sounding
from fractaljax.model.trust import nearness
from fractaljax.music.codec import Codec

# What a note that is equal in velocity too counts, where a cell that sounds alike counts 1.
EQUAL_NOTE = 8


def matches(known_NxPxA, past_NxPxB, col_N, corners_C, patch: tuple[int, int], config: ModelConfig):
  """What followed the halos most like that of each patch, a list of M blocks for each of C patches.

  Compared are those that are as far from the beginning of a first patch, and of which what followed
  had ended before it; the newest first among equals. A cell that a MAR level hides neither agrees
  nor differs.

  Args:
    known_NxPxA: regions of all pitches, each with its halo before it, as their patches see them.
    past_NxPxB: of each the roll until its end, `Memory.past_NxPxB`.
    col_N: where in the roll each begins.
    corners_C: (region, row, column) of each patch, without the halo.
    patch: its pitches and steps.
    config: the model.
  """
  n_C, row_C, col_C = corners_C
  codec, num_columns, end = config.codec, known_NxPxA.shape[2], past_NxPxB.shape[2]
  num_steps, every = num_columns - config.halo, config.levels[0].patch[1]
  lag_L = np.arange(2 * every, end - num_columns + 1, every)
  alike_LxNxA = _agreement(known_NxPxA, past_NxPxB, lag_L, codec)
  alike_LxNxT = sum(
    weight * alike_LxNxA[:, :, h : h + num_steps] for h, weight in enumerate(nearness(config.halo))
  )
  is_there_CxL = (col_N[n_C] + col_C)[:, None] >= lag_L
  alike_CxL = jnp.where(is_there_CxL, alike_LxNxT[:, n_C, col_C].T, -jnp.inf)
  # With room for those that are not there. Among equals the first, the newest, comes first.
  room = ((0, 0), (0, config.matches))
  alike_CxL = jnp.pad(alike_CxL, room, constant_values=-jnp.inf)
  best_CxM, index_CxM = jax.lax.top_k(alike_CxL, config.matches)
  lag_CxM = jnp.asarray(np.pad(lag_L, room[1:], mode='edge'))[index_CxM]

  around = ((0, 0), (ECHO_PITCHES, ECHO_PITCHES), (0, 0))
  past_NxQxB = jnp.pad(past_NxPxB, around, constant_values=codec.outside)
  here_C = end - num_steps + col_C - steps_before(config.halo)
  size, blocks = block_size(patch, config.halo), []
  for best_C, lag_C in zip(best_CxM.T, lag_CxM.T, strict=True):
    block_CxQxW = patches.cut(past_NxQxB, n_C, row_C, here_C - lag_C, size).astype(jnp.int32)
    blocks.append(jnp.where(jnp.isfinite(best_C)[:, None, None], block_CxQxW, codec.outside))
  return blocks


def _agreement(known_NxPxA, past_NxPxB, lag_L, codec: Codec):
  """How far each column agrees with the one so many steps before, (L, N, A).

  The sum over pitches of 1 where both sound or both are silent and -1 where they differ, and
  EQUAL_NOTE for each note that is equal in velocity too.
  """
  num_columns, end = known_NxPxA.shape[2], past_NxPxB.shape[2]
  sign_NxPxA, sign_NxPxB = (_signs(x, codec) for x in (known_NxPxA, past_NxPxB))
  note_NxPxA = _notes(known_NxPxA, codec, -1)
  note_NxPxB = _notes(past_NxPxB, codec, -2)

  def at(lag):
    before = functools.partial(
      jax.lax.dynamic_slice_in_dim,
      start_index=end - num_columns - lag,
      slice_size=num_columns,
      axis=2,
    )
    alike_NxPxA = sign_NxPxA * before(sign_NxPxB)
    if codec.has_velocity:
      alike_NxPxA += EQUAL_NOTE * (note_NxPxA == before(note_NxPxB))
    return alike_NxPxA.sum(axis=1)

  return jax.lax.map(at, lag_L)


def _signs(tokens, codec: Codec):
  sign = jnp.where(is_sounding(tokens, codec.num_values), 1.0, -1.0)
  return jnp.where(tokens == codec.unknown, 0.0, sign)


def _notes(tokens, codec: Codec, other: int):
  """The tokens of notes, `other` elsewhere."""
  return jnp.where(codec.is_note(tokens), tokens.astype(jnp.int32), other)
