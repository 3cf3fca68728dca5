import numpy as np
import pytest

from fractaljax.errors import UserError
from fractaljax.music.attributes import ATTRIBUTES, attribute_ids, num_ids, parse, tempo_of
from fractaljax.music.keys import best_key, in_key_share
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


@pytest.mark.parametrize('name', ATTRIBUTES)
def test_the_middle_of_a_bin_is_in_it(name):
  attribute = ATTRIBUTES[name]
  for id_ in range(1, num_ids(name)):
    assert attribute.id(attribute.middle(id_)) == id_


def test_a_tempo_is_the_middle_of_what_is_told():
  assert tempo_of(np.array([3, 4]), ('key', 'tempo')) == 85
  assert tempo_of(np.array([3, 0]), ('key', 'tempo')) is None
  assert tempo_of(np.array([3]), ('key',)) is None


def test_a_song_without_notes_has_no_key():
  empty = Song(np.zeros((0, 4), np.int32), 16)
  assert best_key(empty.notes_Nx4) is None
  assert attribute_ids(empty, ('key',))[0] == 0
  assert attribute_ids(empty, ()).shape == (0,)


def test_every_key_has_its_own_id():
  tunes = [notes_of(tune, shift) for tune in (C_MAJOR, A_MINOR) for shift in range(12)]
  ids = {int(attribute_ids(Song(tune, 32), ('key',))[0]) for tune in tunes}
  assert ids == set(range(1, num_ids('key')))


@pytest.mark.parametrize(
  'name, less, more',
  [
    ('loudness', dict(velocity=50), dict(velocity=90)),
    ('dynamics', dict(), dict(last_velocity=127)),
    ('top', dict(), dict(last_pitch=96)),
    ('chromaticism', dict(), dict(last_pitch=61)),
    ('repetition', dict(last_bar=(60, 62, 64)), dict()),
  ],
)
def test_each_follows_what_it_measures_alone(name, less, more):
  low, high = (attribute_ids(eight_bars(**changes), (name,))[0] for changes in (less, more))
  assert 0 < low < high < num_ids(name)
  assert attribute_ids(Song(notes_of(()), 16), (name,))[0] == 0


def eight_bars(velocity=60, last_velocity=None, last_pitch=None, last_bar=None):
  """The same bar eight times and once more, with changes."""
  bar_Kx4 = [[4 * k, 4, pitch, velocity] for k, pitch in enumerate((48, 52, 55, 60))]
  notes_Nx4 = np.array([[16 * b + x[0], *x[1:]] for b in range(9) for x in bar_Kx4], np.int32)
  if last_bar is not None:
    notes_Nx4 = np.array([[t, 4, last_bar[(t // 16 + t) % 3], velocity] for t in range(0, 144, 5)])
  notes_Nx4[-1, 3] = last_velocity or velocity
  notes_Nx4[-1, 2] = last_pitch or notes_Nx4[-1, 2]
  return Song(notes_Nx4.astype(np.int32), 144)


def test_what_a_user_asks_for_is_in_the_units_of_the_attribute():
  names = ('density', 'key', 'dynamics')
  song = Song(notes_of(A_MINOR), 32)
  density, _, dynamics = attribute_ids(song, names)
  np.testing.assert_array_equal(parse('density=5.5, key=Am', names), [density, 22, 0])
  np.testing.assert_array_equal(parse('dynamics=0', names), [0, 0, dynamics])
  assert parse('key=C', names)[1] == 1 and parse('key=Bm', names)[1] == 24


@pytest.mark.parametrize(
  'asked, message',
  [
    ('mood=3', "'mood' is unknown to the model; it has density, key"),
    ('tempo=100', "'tempo' is unknown to the model"),
    ('density', 'density=: give a number'),
    ('density=nan', 'density=nan: give a number'),
    ('density=high', 'density=high: give a number'),
    ('key=H', 'key=H: give one of C C# D'),
  ],
)
def test_what_cannot_be_asked_for_is_refused(asked, message):
  with pytest.raises(UserError, match=message):
    parse(asked, ('density', 'key'))


def test_an_unknown_attribute_is_named():
  for refused in (
    lambda: num_ids('mood'),
    lambda: attribute_ids(Song(notes_of(()), 16), ('mood',)),
  ):
    with pytest.raises(UserError, match='mood'):
      refused()
