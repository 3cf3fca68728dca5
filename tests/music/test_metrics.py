import numpy as np
import pytest

from fractaljax.music.metrics import FIGURES, onset_histogram, statistics, values_of
from fractaljax.music.notes import Song

EMPTY_0x4 = np.zeros((0, 4), np.int32)


def song(*notes, num_steps, metre=(4, 4)) -> Song:
  return Song(np.array(notes, np.int32).reshape(-1, 4), num_steps, metre)


def test_figures_of_three_notes_counted_by_hand():
  # Two bars of 4 steps, a second in all: C4 for 4 steps, E4 for 2, F#4 for 2; steps 6 and 7 are
  # silent. Onsets at steps 0 and 2 of the first bar, and at step 0 of the second.
  notes = [0, 4, 60, 60], [2, 2, 64, 80], [4, 2, 66, 100]
  figures = statistics([song(*notes, num_steps=8, metre=(1, 4))])
  expected = {
    'notes_per_bar': 1.5,
    'notes_per_second': 3,
    'pitch_mean': 190 / 3,
    'pitch_std': np.std([60, 64, 66]),
    'pitch_p1': 60.08,
    'pitch_p99': 65.96,
    'polyphony': 8 / 8,
    'silent_steps': 2 / 8,
    'velocity_mean': 80,
    'velocity_std': np.sqrt(800 / 3),
    'duration_mean': 8 / 3,
    'onset_in_bar': 0,  # bars of other than 16 steps have no places in common with it
    'on_beat_share': 2 / 3,
    'in_key_share': 2 / 3 + 1 / 3 * 1,  # G major has all three
    'pitch_class_entropy_1_bar': (1 + 0) / 2,
    'pitch_class_entropy_4_bars': np.log2(3),  # of the two bars that there are
    'groove_similarity': 3 / 4,  # the bars differ at step 2
    'self_similarity_4_bars': 0,
    'self_similarity_8_bars': 0,
  }
  assert figures == pytest.approx(expected)
  assert all(type(value) is float for value in figures.values())


def test_songs_are_pooled_by_notes_and_steps_and_keys_are_their_own():
  # One song in C, one in C sharp: pooled, they would not fit any scale.
  white, black = (
    [[i, 1, 60 + p + shift, 80] for i, p in enumerate((0, 2, 4, 5, 7, 9, 11))] for shift in (0, 1)
  )
  figures = statistics([song(*white, num_steps=16), song(*black, num_steps=32)])
  assert figures['in_key_share'] == 1.0
  assert figures['notes_per_bar'] == pytest.approx(14 / 3)
  assert figures['silent_steps'] == pytest.approx((9 / 16 + 25 / 32) / 2)


def test_nothing_to_count_gives_zeros():
  assert set(statistics([]).values()) == {0.0}
  empty = statistics([song(num_steps=16)])
  assert empty.pop('silent_steps') == 1.0
  assert set(empty.values()) == {0.0}


def test_an_empty_song_changes_only_what_is_counted_in_time():
  heard, silent = song([0, 4, 60, 60], [2, 2, 64, 80], num_steps=16), song(num_steps=16)
  alone, beside = statistics([heard]), statistics([heard, silent])
  in_time = {'notes_per_bar', 'notes_per_second', 'polyphony', 'silent_steps'}
  assert {name for name in alone if alone[name] != beside[name]} == in_time


def test_places_in_the_bar_are_counted_in_bars_of_16_steps():
  notes = [0, 1, 60, 80], [4, 1, 60, 80], [16, 1, 60, 80], [31, 1, 60, 80]
  expected_16 = np.zeros(16)
  expected_16[[0, 4, 15]] = 2 / 4, 1 / 4, 1 / 4
  songs = [song(*notes, num_steps=32), song(*notes, num_steps=36, metre=(3, 4))]
  assert onset_histogram(songs) == expected_16.tolist()
  assert statistics(songs)['on_beat_share'] == 3 / 4
  assert onset_histogram([]) == [0.0] * 16


def test_entropy_is_of_every_stretch_of_bars_that_has_notes():
  # Bars of 4 steps: C; C and E; nothing; nothing; nothing.
  notes = [0, 1, 60, 80], [4, 1, 72, 80], [5, 1, 64, 80]
  found = values_of(
    FIGURES['pitch_class_entropy_4_bars'], [song(*notes, num_steps=20, metre=(1, 4))]
  )
  two_of_three = np.log2(3) - 2 / 3
  assert found == pytest.approx([two_of_three, 1])
