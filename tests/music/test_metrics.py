import numpy as np
import pytest

from fractaljax.music.metrics import statistics

EMPTY_0x4 = np.zeros((0, 4), np.int32)


def test_figures_of_three_notes_counted_by_hand():
  # Two bars of 4 steps: C4 for 4 steps, E4 for 2, F#4 for 2; steps 6 and 7 are silent.
  notes_Nx4 = np.array([[0, 4, 60, 60], [2, 2, 64, 80], [4, 2, 66, 100]], np.int32)
  figures = statistics([(notes_Nx4, 8, 4)])
  expected = {
    'notes_per_bar': 1.5,
    'pitch_mean': 190 / 3,
    'pitch_std': np.std([60, 64, 66]),
    'pitch_p1': 60.08,
    'pitch_p99': 65.96,
    'polyphony': 8 / 8,
    'silent_steps': 2 / 8,
    'velocity_mean': 80,
    'velocity_std': np.sqrt(800 / 3),
    'duration_mean': 8 / 3,
    'in_key_share': 2 / 3 + 1 / 3 * 1,  # G major has all three
    'pitch_class_entropy': np.log2(3),
  }
  assert figures == pytest.approx(expected)
  assert all(type(value) is float for value in figures.values())


def test_songs_are_pooled_by_notes_and_steps_and_keys_are_their_own():
  # One song in C, one in C sharp: pooled, they would not fit any scale.
  white, black = (
    np.array([[i, 1, 60 + p + shift, 80] for i, p in enumerate((0, 2, 4, 5, 7, 9, 11))], np.int32)
    for shift in (0, 1)
  )
  figures = statistics([(white, 16, 16), (black, 32, 16)])
  assert figures['in_key_share'] == 1.0
  assert figures['pitch_class_entropy'] == pytest.approx(np.log2(7))
  assert figures['notes_per_bar'] == pytest.approx(14 / 3)
  assert figures['silent_steps'] == pytest.approx(34 / 48)


def test_nothing_to_count_gives_zeros():
  assert set(statistics([]).values()) == {0.0}
  empty = statistics([(EMPTY_0x4, 16, 16)])
  assert empty.pop('silent_steps') == 1.0
  assert set(empty.values()) == {0.0}


def test_an_empty_song_changes_only_what_is_counted_in_time():
  notes_Nx4 = np.array([[0, 4, 60, 60], [2, 2, 64, 80]], np.int32)
  alone = statistics([(notes_Nx4, 16, 16)])
  beside = statistics([(notes_Nx4, 16, 16), (EMPTY_0x4, 16, 16)])
  in_time = {'notes_per_bar', 'polyphony', 'silent_steps'}
  assert {name for name in alone if alone[name] != beside[name]} == in_time
