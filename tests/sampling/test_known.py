"""What the sampler is given: a prefix, a hole, nothing."""

import dataclasses

import numpy as np
import pytest

import models
from fractaljax.errors import UserError
from fractaljax.music import corpus
from fractaljax.sampling import known

SONG = corpus.song(0, 0, num_bars=6)


def config(generator='ar'):
  return models.tiny(((64, 16), (1, 1)), (generator, 'ar'), num_pitches=64, codec='onset')


def unknown_T(model, crop):
  is_unknown_PxT = crop.tokens_PxT == model.codec.unknown
  assert np.all(is_unknown_PxT.all(axis=0) == is_unknown_PxT.any(axis=0))
  return np.flatnonzero(is_unknown_PxT[0])


def test_nothing_is_known_of_a_new_song():
  crop = known.nothing(config(), 64, (3, 4))
  assert len(unknown_T(config(), crop)) == 64
  assert crop.phase_T[12] == crop.phase_T[0] != crop.phase_T[1]


def test_nothing_is_asked_of_a_new_song():
  described = models.tiny(attributes=('density', 'tempo'))
  np.testing.assert_array_equal(known.nothing(described, 64).attributes_A, [0, 0])


def test_a_beginning_has_the_attributes_of_what_is_heard_of_it():
  described = models.tiny(attributes=('density', 'loudness'))
  until_40 = SONG.notes_Nx4[:, 0] < 40
  louder = dataclasses.replace(SONG, notes_Nx4=SONG.notes_Nx4 + np.array([0, 0, 0, 30], np.int32))
  later = np.where(until_40[:, None], SONG.notes_Nx4, louder.notes_Nx4)
  heard, same, other = (
    known.beginning(described, song, 40, 160).attributes_A
    for song in (SONG, dataclasses.replace(SONG, notes_Nx4=later), louder)
  )
  assert (heard > 0).all()
  np.testing.assert_array_equal(heard, same)
  assert heard[0] == other[0] and heard[1] < other[1]


def test_the_beginning_is_the_songs():
  model = config()
  crop = known.beginning(model, SONG, 40, 160)
  np.testing.assert_array_equal(unknown_T(model, crop), np.arange(40, 160))
  whole = model.codec.encode(SONG.notes_Nx4, SONG.num_steps)
  np.testing.assert_array_equal(crop.tokens_PxT[:, :40], whole[:, :40])
  assert crop.valid_T.all()


def test_a_beginning_longer_than_the_song_is_all_of_it():
  model, until_32 = config(), SONG.notes_Nx4[:, 0] < 32
  short = dataclasses.replace(SONG, notes_Nx4=SONG.notes_Nx4[until_32], num_steps=32)
  crop = known.beginning(model, short, 128, 160)
  np.testing.assert_array_equal(unknown_T(model, crop), np.arange(32, 160))


def test_all_but_a_hole_is_the_songs():
  model = config('mar')
  crop = known.all_but(model, SONG, (20, 50))
  np.testing.assert_array_equal(unknown_T(model, crop), np.arange(20, 50))
  whole = model.codec.encode(SONG.notes_Nx4, SONG.num_steps)
  rest = np.r_[0:20, 50 : SONG.num_steps]
  np.testing.assert_array_equal(crop.tokens_PxT[:, rest], whole[:, rest])


@pytest.mark.parametrize(
  ('ask', 'named'),
  [
    (lambda: known.nothing(config(), 100), '--steps=100'),
    (lambda: known.beginning(config(), SONG, 0, 64), '--prompt_steps=0'),
    (lambda: known.beginning(config(), SONG, 64, 64), '--prompt_steps=64'),
    (lambda: known.all_but(config('mar'), SONG, (50, 50)), '50:50'),
    (lambda: known.all_but(config('mar'), SONG, (0, 10_000)), '0:10000'),
    (lambda: known.all_but(config('ar'), SONG, (0, 16)), 'both sides'),
  ],
)
def test_what_cannot_be_asked_is_named(ask, named):
  with pytest.raises(UserError, match=named):
    ask()
