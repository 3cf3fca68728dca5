import numpy as np
import pytest

from fractaljax.music import corpus
from fractaljax.music.attributes import attribute_ids
from fractaljax.music.codec import HOLD, Codec
from fractaljax.music.crop import cut, phase, stack, transpose_range
from fractaljax.music.notes import PITCH, Song


def long_notes_song(num_steps=192):
  """Notes that last longer than a crop and its halo together."""
  notes_Nx4 = [[7 * i, 60, 40 + i, 50 + i] for i in range(18)]
  return Song(np.array(notes_Nx4, np.int32), num_steps)


SONGS = {'corpus': corpus.song(0, 1, num_bars=12), 'long notes': long_notes_song()}


@pytest.mark.parametrize('name', SONGS)
@pytest.mark.parametrize('codec', [Codec(), Codec('velocity'), Codec('binary', 36, 40)])
def test_consecutive_crops_join_to_the_whole_roll(name, codec):
  song = SONGS[name]
  whole_PxT = codec.encode(song.notes_Nx4, song.num_steps)
  crops = [cut(song, codec, start, 32, halo=16) for start in range(0, song.num_steps, 32)]
  np.testing.assert_array_equal(np.concatenate([c.tokens_PxT for c in crops], axis=1), whole_PxT)
  for before, after in zip(crops, crops[1:], strict=False):
    np.testing.assert_array_equal(after.left_PxH, before.tokens_PxT[:, -16:])
  assert all(crop.valid_T.all() for crop in crops)


def test_a_note_from_long_before_the_window_is_held_in_it():
  crop = cut(long_notes_song(), Codec(), start_step=32, num_steps=8, halo=16)
  assert np.all(crop.tokens_PxT[40] == HOLD) and np.all(crop.left_PxH[40] == HOLD)


def test_before_the_song_is_outside_and_only_there():
  codec = Codec()
  crop = cut(SONGS['corpus'], codec, start_step=4, num_steps=16, halo=10)
  assert np.all(crop.left_PxH[:, :6] == codec.outside)
  assert not np.any(crop.left_PxH[:, 6:] == codec.outside)
  assert not np.any(crop.tokens_PxT == codec.outside)


def test_past_the_end_is_silent_and_not_valid_and_the_bars_go_on():
  song = SONGS['long notes']
  crop = cut(song, Codec(), start_step=176, num_steps=48, halo=4)
  np.testing.assert_array_equal(crop.valid_T, np.arange(48) < 16)
  assert not crop.tokens_PxT[:, 16:].any()
  np.testing.assert_array_equal(crop.phase_T, np.tile(np.arange(16), 3))
  np.testing.assert_array_equal(crop.bar_T, np.repeat([11, 12, 13], 16))


def test_phase_and_bar_follow_the_metre():
  song = Song(np.array([[0, 4, 60, 64]], np.int32), 48, metre=(3, 4))
  crop = cut(song, Codec(), start_step=10, num_steps=4, halo=0)
  np.testing.assert_array_equal(crop.phase_T, [26, 27, 16, 17])
  np.testing.assert_array_equal(crop.bar_T, [0, 0, 1, 1])
  assert crop.left_PxH.shape == (128, 0)
  assert phase(np.arange(200), 20).max() == 43 and phase(np.arange(200), 20).min() == 28


def test_transposition_moves_the_rows_and_the_key():
  song = SONGS['corpus']
  plain = cut(song, Codec(), 32, 64, 16, attributes=('key', 'density'))
  raised = cut(song, Codec(), 32, 64, 16, transpose=3, attributes=('key', 'density'))
  np.testing.assert_array_equal(raised.tokens_PxT[3:], plain.tokens_PxT[:-3])
  np.testing.assert_array_equal(raised.left_PxH[3:], plain.left_PxH[:-3])
  assert (raised.attributes_A[0] - 1) % 12 == (plain.attributes_A[0] - 1 + 3) % 12
  assert raised.attributes_A[1] == plain.attributes_A[1]
  np.testing.assert_array_equal(plain.attributes_A, attribute_ids(song, ('key', 'density')))


def test_transpose_range_keeps_every_note_and_leaves_no_shift_out():
  song = SONGS['corpus']
  lowest, highest = int(song.notes_Nx4[:, PITCH].min()), int(song.notes_Nx4[:, PITCH].max())
  codec = Codec(low=lowest - 2, num_pitches=highest - lowest + 6)
  shifts = transpose_range(song, codec, -5, 6)
  for shift in range(-5, 7):
    kept = (song.notes_Nx4[:, PITCH] + shift >= codec.low) & (
      song.notes_Nx4[:, PITCH] + shift < codec.low + codec.num_pitches
    )
    assert kept.all() == (shift in shifts)
  assert transpose_range(song, Codec(low=60, num_pitches=2), -5, 6) == range(1)
  assert transpose_range(Song(song.notes_Nx4[:0], 16), codec, -5, 6) == range(-5, 7)


def test_stack_puts_the_batch_first():
  crops = [cut(SONGS['corpus'], Codec(), 16 * i, 32, 16, attributes=('tempo',)) for i in range(3)]
  batch = stack(crops)
  assert batch.tokens_PxT.shape == (3, 128, 32) and batch.attributes_A.shape == (3, 1)
  np.testing.assert_array_equal(batch.left_PxH[2], crops[2].left_PxH)
  dtypes = [np.uint8, np.uint8, bool, np.int32, np.int32, np.int32]
  assert [field.dtype for field in batch] == dtypes
