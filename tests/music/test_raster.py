"""What a device makes of notes is what NumPy cuts out of the song."""

import functools

import jax
import numpy as np
import pytest

from fractaljax.data import pipeline
from fractaljax.music import corpus
from fractaljax.music.clip import Clip
from fractaljax.music.codec import Codec
from fractaljax.music.crop import cut, stack
from fractaljax.music.grid import quantised
from fractaljax.music.notes import ONSET, Song
from fractaljax.music.raster import rasterise

STARTS = (0, 5, 16, 40, 90, 300)
STEPS = 32


def random_song(rng, metre) -> Song:
  """Notes of all lengths on few pitches, many of them struck again while they sound."""
  num = 150
  onset_N = rng.integers(0, 120, num)
  end_N = onset_N + rng.geometric(0.05, num)
  notes_Nx4 = quantised(onset_N, end_N, rng.integers(40, 60, num), rng.integers(1, 128, num))
  return Song(notes_Nx4, 48 * 4, metre)


def clips(song: Song, semitones: int) -> Clip:
  """One at each of the starts, with all notes of the song and many that last 0 steps."""
  num = len(STARTS)
  notes_4xN = np.tile(song.notes_Nx4.T, 3)[:, :300] * np.array([[1], [0], [1], [1]], np.int32)
  notes_4xN[ONSET] += 1
  notes_4xN[:, : len(song.notes_Nx4)] = song.notes_Nx4.T
  of_song = semitones, song.num_steps, song.steps_per_bar
  return Clip(
    np.repeat(notes_4xN[None], num, axis=0),
    np.array(STARTS, np.int32),
    *(np.full(num, number, np.int32) for number in of_song),
    np.zeros((num, 0), np.int32),
  )


@functools.cache
def raster(codec: Codec, halo: int):
  return jax.jit(functools.partial(rasterise, codec=codec, num_steps=STEPS, halo=halo))


def assert_same(crops, others):
  for name, field, other in zip(crops._fields, crops, others, strict=True):
    np.testing.assert_array_equal(field, other, err_msg=name)
    assert field.dtype == other.dtype, name


@pytest.mark.parametrize(
  'codec, halo', [(Codec(), 16), (Codec('velocity', 45, 12), 3), (Codec('binary', 30, 50), 0)]
)
def test_a_device_makes_what_numpy_cuts(codec, halo):
  rng = np.random.default_rng(0)
  for number, metre in enumerate([(4, 4), (3, 4), (5, 8)] * 4):
    song, semitones = random_song(rng, metre), 6 * (number % 3) - 6
    expected = stack([cut(song, codec, start, STEPS, halo, semitones) for start in STARTS])
    assert_same(raster(codec, halo)(clips(song, semitones)), expected)


def test_of_notes_that_overlap_the_last_event_counts():
  notes_Nx4 = np.array([[0, 9, 60, 40], [2, 3, 60, 80], [12, 4, 61, 5], [12, 2, 61, 90]], np.int32)
  song = Song(notes_Nx4, 48)
  crop = raster(Codec('velocity', 60, 12), 0)(clips(song, 0))
  roll_2xT = np.zeros((2, STEPS))
  roll_2xT[0, :2], roll_2xT[0, 2:5], roll_2xT[1, 12:14] = 40, 80, 90
  np.testing.assert_array_equal(crop.tokens_PxT[0, :2], roll_2xT)


def test_the_stream_has_the_crops_of_its_songs():
  songs = [corpus.song(0, i, num_bars=4 + i) for i in range(3)]
  by_length = {song.num_steps: song for song in songs}
  names = ('key', 'density')
  stream = pipeline.training_batches(songs, Codec(), 8, STEPS, 16, (-5, 6), names, 0)
  batch = next(stream)
  assert len(np.unique(batch.transpose)) > 2 and len(np.unique(batch.start)) > 2
  drawn = zip(batch.num_steps.tolist(), batch.start.tolist(), batch.transpose.tolist(), strict=True)
  expected = [
    cut(by_length[num_steps], Codec(), start, STEPS, 16, semitones, names)
    for num_steps, start, semitones in drawn
  ]
  assert_same(jax.device_get(raster(Codec(), 16)(batch)), stack(expected))
