import numpy as np
import pytest

from fractaljax.errors import UserError
from fractaljax.music.attributes import attribute_ids, best_key, in_key_share, num_ids
from fractaljax.music.notes import Song

C_MAJOR = (0, 2, 4, 5, 7, 9, 11, 0, 4, 7, 0)
A_MINOR = (9, 11, 0, 2, 4, 5, 7, 9, 0, 4, 9)


def notes_of(pitch_classes, shift=0):
  pitch_N = 48 + shift + np.array(pitch_classes)
  columns = (
    2 * np.arange(len(pitch_N)),
    np.full_like(pitch_N, 2),
    pitch_N,
    np.full_like(pitch_N, 80),
  )
  return np.stack(columns, axis=1).astype(np.int32)


@pytest.mark.parametrize('shift', range(12))
def test_key_of_a_tune_moves_with_it(shift):
  assert best_key(notes_of(C_MAJOR, shift)) == (shift, 'major')
  assert best_key(notes_of(A_MINOR, shift)) == ((9 + shift) % 12, 'minor')


def test_key_weighs_by_duration():
  notes_Nx4 = notes_of(C_MAJOR)
  notes_Nx4[notes_Nx4[:, 2] % 12 == 9, 1] = 40  # a long A makes it A minor
  assert best_key(notes_Nx4) == (9, 'minor')


def test_in_key_share_counts_the_notes_of_the_best_scale():
  assert in_key_share(notes_of(C_MAJOR)) == 1.0
  assert in_key_share(notes_of((*C_MAJOR, 6))) == pytest.approx(11 / 12)
  assert in_key_share(notes_of(range(12))) == pytest.approx(7 / 12)
  assert in_key_share(notes_of(())) == 0.0


def test_ids_are_in_range_and_follow_the_song():
  slow = Song(notes_of(C_MAJOR), 32, tempo_bpm=50)
  fast = Song(notes_of(C_MAJOR), 320, tempo_bpm=300)
  names = ('tempo', 'density', 'key')
  slow_A, fast_A = attribute_ids(slow, names), attribute_ids(fast, names)
  assert slow_A[0] == 1 and fast_A[0] == num_ids('tempo') - 1
  assert slow_A[1] > fast_A[1] == 1
  assert slow_A[2] == 1 and slow_A.dtype == np.int32
  np.testing.assert_array_equal(attribute_ids(slow, ('key', 'tempo')), slow_A[[2, 0]])


def test_a_song_without_notes_has_no_key():
  empty = Song(np.zeros((0, 4), np.int32), 16)
  assert best_key(empty.notes_Nx4) is None
  assert attribute_ids(empty, ('key',))[0] == 0
  assert attribute_ids(empty, ()).shape == (0,)


def test_every_key_has_its_own_id():
  tunes = [notes_of(tune, shift) for tune in (C_MAJOR, A_MINOR) for shift in range(12)]
  ids = {int(attribute_ids(Song(tune, 32), ('key',))[0]) for tune in tunes}
  assert ids == set(range(1, num_ids('key')))


def test_an_unknown_attribute_is_named():
  for refused in (
    lambda: num_ids('mood'),
    lambda: attribute_ids(Song(notes_of(()), 16), ('mood',)),
  ):
    with pytest.raises(UserError, match='mood'):
      refused()
