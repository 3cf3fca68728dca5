"""The grammar: which REMI words may come next, so that every sequence spells one roll.

Each roll of the frame's length has exactly one sequence of allowed words from BOS to EOS, and each
such sequence spells a roll: probabilities over the allowed words are a distribution over rolls.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.baselines.vocabulary import (
  BAR,
  BOS,
  DURATION,
  EOS,
  PITCH,
  POSITION,
  VELOCITY,
  Vocabulary,
)


class Frame(NamedTuple):
  """What is known of an excerpt before its first word; a batch has a leading B.

  Attributes:
    first_place: place in the bar of its first step, int32.
    steps_per_bar: int32, at most 16.
    num_steps: its length, int32.
    sounding_P: rows that sound just before it: only these can go on in it.
  """

  first_place: jax.Array
  steps_per_bar: jax.Array
  num_steps: jax.Array
  sounding_P: jax.Array


class Cursor(NamedTuple):
  """Where a sequence stands.

  Attributes:
    kind: of the last word.
    opened: whether the first bar has begun; before it are the notes held over the left edge.
    line: step at which the bar begins, below 0 for a bar that began before the excerpt.
    step: of the last Position, or of the bar's first step.
    row: last pitch at this step, -1 without one.
    free_P: step from which each row is silent.
  """

  kind: jax.Array
  opened: jax.Array
  line: jax.Array
  step: jax.Array
  row: jax.Array
  free_P: jax.Array


def start(frame: Frame) -> Cursor:
  """After BOS."""
  zero = jnp.int32(0)
  free_P = jnp.zeros(frame.sounding_P.shape, jnp.int32)
  return Cursor(jnp.int32(BOS), jnp.bool_(False), zero, zero, jnp.int32(-1), free_P)


def advance(vocabulary: Vocabulary, frame: Frame, at: Cursor, word: jax.Array) -> Cursor:
  """After one more word, which has to be allowed."""
  kind, value = (jnp.asarray(x)[word] for x in (vocabulary.kind_V, vocabulary.value_V))
  is_bar, is_position = kind == BAR, kind == POSITION
  next_line = jnp.where(at.opened, at.line + frame.steps_per_bar, -frame.first_place)
  line = jnp.where(is_bar, next_line, at.line)
  step = jnp.where(is_bar, jnp.maximum(line, 0), jnp.where(is_position, line + value, at.step))
  row = jnp.where(kind == PITCH, value, jnp.where(is_bar | is_position, -1, at.row))
  ends_P = (kind == DURATION) & (jnp.arange(len(at.free_P)) == row)
  free_P = jnp.where(ends_P, step + value, at.free_P)
  return Cursor(kind, at.opened | is_bar, line, step, row, free_P)


def allowed(vocabulary: Vocabulary, frame: Frame, at: Cursor) -> jax.Array:
  """Which words may follow: bool (V,)."""
  kind_V, value_V = jnp.asarray(vocabulary.kind_V), jnp.asarray(vocabulary.value_V)
  row_V = jnp.minimum(value_V, len(at.free_P) - 1)
  was_bar, was_note = at.kind == BAR, at.kind == DURATION
  may_begin_P = jnp.where(at.opened, at.free_P <= at.step, frame.sounding_P)
  pitch_V = (was_note | (at.kind == jnp.where(at.opened, POSITION, BOS))) & (row_V > at.row)
  step_V = at.line + value_V
  later_V = (step_V > at.step) | (was_bar & (step_V == at.step))
  inside_V = (value_V < frame.steps_per_bar) & (step_V < frame.num_steps)
  # A Position without a pitch that can begin would be a dead end.
  position_V = at.opened & (was_bar | was_note) & later_V & inside_V & (step_V >= at.free_P.min())
  may_close = was_bar | was_note | (at.kind == BOS)
  goes_on = ~at.opened | (at.line + frame.steps_per_bar < frame.num_steps)
  velocity = at.opened & (at.kind == PITCH)
  length = (at.kind == VELOCITY) | (~at.opened & (at.kind == PITCH))
  rules = {
    PITCH: pitch_V & may_begin_P[row_V],
    POSITION: position_V,
    VELOCITY: velocity,
    DURATION: length & (at.step + value_V <= frame.num_steps),
    BAR: may_close & goes_on,
    EOS: may_close & ~goes_on,
  }
  return jnp.any(jnp.stack([(kind_V == kind) & rule for kind, rule in rules.items()]), axis=0)
