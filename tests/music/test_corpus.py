import signal

import numpy as np
import pytest

from fractaljax.music import corpus
from fractaljax.music.harmony import Key, chord_classes
from fractaljax.music.keys import best_key, in_key_share
from fractaljax.music.metrics import statistics
from fractaljax.music.notes import DURATION, ONSET, PITCH, VELOCITY


@pytest.fixture(scope='module')
def composed():
  return [corpus.compose(0, index) for index in range(120)]


def test_a_song_is_a_function_of_seed_and_index():
  first, again = corpus.song(3, 5), corpus.song(3, 5)
  np.testing.assert_array_equal(first.notes_Nx4, again.notes_Nx4)
  assert (first.metre, first.tempo_bpm) == (again.metre, again.tempo_bpm)
  for other in (corpus.song(3, 6), corpus.song(4, 5)):
    assert not np.array_equal(first.notes_Nx4, other.notes_Nx4)


def test_a_stop_is_heard_at_whatever_moment_of_a_song():
  before = signal.signal(signal.SIGALRM, signal.default_int_handler)
  for delay in np.linspace(1e-4, 4e-3, 400):
    with pytest.raises(KeyboardInterrupt):
      signal.setitimer(signal.ITIMER_REAL, delay)
      for index in range(60):  # ten times as long as it can take
        corpus.song(0, index)
  signal.signal(signal.SIGALRM, before)


def test_notes_are_valid(composed):
  for song, _ in composed:
    notes_Nx4 = song.notes_Nx4
    onset_N, pitch_N = notes_Nx4[:, ONSET], notes_Nx4[:, PITCH]
    end_N = onset_N + notes_Nx4[:, DURATION]
    assert notes_Nx4.dtype == np.int32 and song.num_bars == 32
    assert np.array_equal(np.lexsort((pitch_N, onset_N)), np.arange(len(notes_Nx4)))
    assert (
      onset_N.min() >= 0 and end_N.max() <= song.num_steps and notes_Nx4[:, DURATION].min() >= 1
    )
    assert pitch_N.min() >= 36 and pitch_N.max() <= 84
    assert notes_Nx4[:, VELOCITY].min() >= 1 and notes_Nx4[:, VELOCITY].max() <= 127
    order = np.lexsort((onset_N, pitch_N))
    overlap_N = end_N[order][:-1] > onset_N[order][1:]
    assert not np.any(overlap_N & (np.diff(pitch_N[order]) == 0))


def test_the_corpus_is_as_dense_and_as_diatonic_as_music(composed):
  songs = [song for song, _ in composed]
  assert 12 < statistics(songs)['notes_per_bar'] < 20
  shares = [in_key_share(song.notes_Nx4) for song, _ in composed]
  assert 0.97 < np.mean(shares) < 0.995 and min(shares) > 0.9


def test_the_plan_is_what_sounds(composed):
  for song, plan in composed:
    assert len(plan.chords) == song.num_bars
    assert len(plan.form) == song.num_bars // plan.section_bars
    assert plan.form[0] == 'A'
    bar_N = song.notes_Nx4[:, ONSET] // song.steps_per_bar
    for bar, numeral in enumerate(plan.chords):
      classes_N = song.notes_Nx4[bar_N == bar, PITCH] % 12
      in_chord = np.isin(classes_N, chord_classes(plan.key, numeral))
      assert in_chord.mean() > 0.6
      lowest = song.notes_Nx4[bar_N == bar, PITCH].min() % 12
      assert lowest in chord_classes(plan.key, numeral)


def test_the_planned_key_is_heard_in_most_songs(composed):
  assert np.mean([best_key(song.notes_Nx4) == plan.key for song, plan in composed]) > 0.7


def test_a_section_returns_note_for_note_but_for_its_ending(composed):
  ending_varies = []
  for song, plan in composed:
    starts = {letter: [] for letter in plan.form}
    for section, letter in enumerate(plan.form):
      starts[letter].append(section * plan.section_bars)
    for first, *returns in starts.values():
      theme = head(song, first, plan.section_bars - 2)
      assert theme and all(head(song, start, plan.section_bars - 2) == theme for start in returns)
      whole = head(song, first, plan.section_bars)
      ending_varies += [head(song, start, plan.section_bars) != whole for start in returns]
    themes = [head(song, first[0], plan.section_bars - 2) for first in starts.values()]
    assert all(themes[0] != other for other in themes[1:])
  assert np.mean(ending_varies) > 0.5


def test_the_opening_idea_comes_twice_in_a_long_section(composed):
  for song, plan in composed:
    if plan.section_bars == 8:
      assert head(song, 0, 2) in (head(song, 2, 2), head(song, 4, 2))


def head(song, first_bar, num_bars):
  """Onsets, durations and pitches of these bars, counted from the first."""
  begin, end = first_bar * song.steps_per_bar, (first_bar + num_bars) * song.steps_per_bar
  notes = song.notes_Nx4[(song.notes_Nx4[:, ONSET] >= begin) & (song.notes_Nx4[:, ONSET] < end)]
  return [(onset - begin, duration, pitch) for onset, duration, pitch, _ in notes.tolist()]


def test_downbeats_are_louder(composed):
  notes_Nx4 = np.concatenate([s.notes_Nx4 for s, _ in composed if s.steps_per_bar == 16])
  place_N = notes_Nx4[:, ONSET] % 16
  on, off = (notes_Nx4[place_N % 4 == rest, VELOCITY].mean() for rest in (0, 2))
  assert notes_Nx4[place_N == 0, VELOCITY].mean() > on > off


def test_keys_modes_and_metres_all_occur():
  plans = [corpus.compose(1, index, num_bars=4) for index in range(300)]
  assert {plan.key.root for _, plan in plans} == set(range(12))
  assert {plan.key.mode for _, plan in plans} == {'major', 'minor'}
  waltzes = [song for song, _ in plans if song.metre == (3, 4)]
  assert 0.01 < len(waltzes) / len(plans) < 0.1
  assert all(song.steps_per_bar == 12 and song.num_steps == 48 for song in waltzes)


@pytest.mark.parametrize('num_bars', [1, 2, 7, 40])
def test_any_length_ends_on_the_tonic(num_bars):
  song, plan = corpus.compose(0, 2, num_bars)
  assert song.num_bars == num_bars == len(plan.chords)
  assert plan.chords[-1].upper() == 'I'
  last_Nx4 = song.notes_Nx4[
    song.notes_Nx4[:, ONSET] + song.notes_Nx4[:, DURATION] > song.num_steps - 16
  ]
  assert last_Nx4[-1, PITCH] % 12 == plan.key.root


def test_chords_are_spelled_in_their_key():
  assert chord_classes(Key(0, 'major'), 'V') == (7, 11, 2)
  assert chord_classes(Key(9, 'minor'), 'VI') == (5, 9, 0)
  assert chord_classes(Key(2, 'major'), 'vi') == (11, 2, 6)
