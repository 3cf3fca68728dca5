"""A crop: the piece of a song that the model reads, as token arrays."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fractaljax.music.attributes import attribute_ids
from fractaljax.music.codec import SILENCE, Codec
from fractaljax.music.notes import PITCH, Song


class Crop(NamedTuple):
  """One crop, or a batch of them with a leading B on every field.

  Attributes:
    tokens_PxT: uint8 codec tokens; silence where `valid_T` is False.
    left_PxH: uint8 tokens of the H steps before the crop; the codec's `outside` before the song.
    valid_T: bool, False on padding after the song's end. Padding never reaches a loss.
    phase_T: int32 in [0, NUM_PHASES), place in the bar, see `phase`.
    bar_T: int32, index of the bar in the song.
    attributes_A: int32 ids of the global attributes, 0 = not given.
  """

  tokens_PxT: np.ndarray
  left_PxH: np.ndarray
  valid_T: np.ndarray
  phase_T: np.ndarray
  bar_T: np.ndarray
  attributes_A: np.ndarray


# Phases 0..15 are the steps of a 16-step bar, 16..27 of a 12-step bar, 28..43 sixteenths of any
# other.
NUM_PHASES = 44


def phase(step_T: np.ndarray, steps_per_bar: np.ndarray | int) -> np.ndarray:
  """Place in the bar of each step (counted from the song's start), an id in [0, NUM_PHASES)."""
  # Arithmetic alone, for arrays of NumPy and of JAX.
  is_16, is_12 = steps_per_bar == 16, steps_per_bar == 12
  place_T = step_T % steps_per_bar * (16 - 4 * is_12) // steps_per_bar
  return (place_T + 28 - 28 * is_16 - 12 * is_12).astype(step_T.dtype)


def cut(
  song: Song,
  codec: Codec,
  start_step: int,
  num_steps: int,
  halo: int,
  transpose: int = 0,
  attributes: tuple[str, ...] = (),
) -> Crop:
  """Cuts steps start_step .. start_step + num_steps - 1 out of a song, which may end before them.

  Notes that began earlier go on in the crop: what is cut is what the whole song's roll has there.

  Args:
    song: the song.
    codec: spells the tokens.
    start_step: first step of the crop, >= 0.
    num_steps: T.
    halo: H, steps before the crop that `left_PxH` shows.
    transpose: semitones added to every pitch; notes that leave the codec's pitches are dropped.
    attributes: names for `attributes_A`, taken from the whole song after transposition.
  """
  moved_Nx4 = song.notes_Nx4 + np.array([halo - start_step, 0, transpose, 0], np.int32)
  tokens_PxS = codec.encode(moved_Nx4, halo + num_steps)
  tokens_PxS[:, : max(halo - start_step, 0)] = codec.outside
  tokens_PxS[:, max(halo + song.num_steps - start_step, 0) :] = SILENCE
  step_T = start_step + np.arange(num_steps, dtype=np.int32)
  return Crop(
    tokens_PxT=tokens_PxS[:, halo:],
    left_PxH=tokens_PxS[:, :halo],
    valid_T=step_T < song.num_steps,
    phase_T=phase(step_T, song.steps_per_bar),
    bar_T=step_T // song.steps_per_bar,
    attributes_A=attribute_ids(transposed(song, transpose), attributes),
  )


def stack(crops: Sequence[Crop]) -> Crop:
  """A batch: every field with a leading B."""
  return Crop(*(np.stack(field_B) for field_B in zip(*crops, strict=True)))


def transpose_range(song: Song, codec: Codec, low: int, high: int) -> range:
  """The shifts of low..high semitones that keep every note within the codec's pitches.

  Where none does, no shift: the codec then drops what lies outside.
  """
  if len(song.notes_Nx4) == 0:
    return range(low, high + 1)
  pitch_N = song.notes_Nx4[:, PITCH]
  first = max(low, codec.low - int(pitch_N.min()))
  last = min(high, codec.low + codec.num_pitches - 1 - int(pitch_N.max()))
  return range(first, last + 1) or range(1)


def transposed(song: Song, semitones: int) -> Song:
  """The song with every pitch moved; pitches may leave 0..127, which a codec then drops."""
  if semitones == 0:
    return song
  shift_4 = np.array([0, 0, semitones, 0], np.int32)
  return dataclasses.replace(song, notes_Nx4=song.notes_Nx4 + shift_4)
