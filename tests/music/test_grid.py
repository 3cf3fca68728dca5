"""Where steps, beats and bars begin: recovered from notes, or taken from annotated beats."""

import dataclasses
import pathlib

import numpy as np
import pytest

from fractaljax.music import corpus, grid, midi


def performance_of(song, shift=0.0, metre=None):
  """The song as played, everything `shift` steps late."""
  notes_Nx4 = song.notes_Nx4.astype(float)
  return midi.Performance(
    onset_N=notes_Nx4[:, 0] + shift,
    end_N=notes_Nx4[:, 0] + notes_Nx4[:, 1] + shift,
    pitch_N=song.notes_Nx4[:, 2],
    velocity_N=song.notes_Nx4[:, 3],
    metre=metre or song.metre,
    bar_step=0.0,
    tempo_bpm=120.0,
    tempo_step_K=np.array([0.0, 8000.0]),
    tempo_second_K=np.array([0.0, 1000.0]),
  )


def beats_of(num_beats, shift, pickup=0, bar_beats=4):
  """Beats half a second apart, the first at `shift` steps, the first bar after `pickup` of them."""
  number_B = np.arange(num_beats) - pickup
  half = 3 if bar_beats == 3 else 2
  bar = 6 if bar_beats == 3 else 4
  columns = [
    (np.arange(num_beats) * 4 + shift) / 8,
    number_B % half == 0,
    number_B % bar == 0,
  ]
  return np.stack(columns, axis=1).astype(float)


@pytest.mark.parametrize('shift', [0.25, 0.4, 0.6, 0.9, 2.3, 7.75])
def test_a_shift_is_recovered_and_taken_off(shift):
  song = corpus.song(0, 1)
  played = performance_of(song, shift)
  offset = grid.estimate_offset(played.onset_N)
  assert (offset - shift + 0.5) % 1 - 0.5 == pytest.approx(0, abs=1 / grid.NUM_PHASES)
  found, error = midi.on_grid(played)
  assert error < 0.01
  assert found.offset_steps % 1 == pytest.approx(shift % 1, abs=1 / grid.NUM_PHASES)
  # The same steps, but for whole ones.
  moved_Nx4 = found.notes_Nx4 - song.notes_Nx4
  assert len(np.unique(moved_Nx4[:, 0])) == 1 and not moved_Nx4[:, 1:].any()


def test_onset_error_is_the_mean_distance_from_the_grid():
  onset_N = np.array([0.5, 1.75, 3.5])
  assert grid.onset_error(onset_N) == pytest.approx((0.5 + 0.25 + 0.5) / 3)
  assert grid.onset_error(onset_N, 0.5) == pytest.approx(0.25 / 3)


def test_the_estimated_offset_is_the_best_of_all():
  rng = np.random.default_rng(0)
  for _ in range(20):
    onset_N = np.arange(200) + rng.uniform() + rng.normal(0, 0.05, 200)
    best = min(grid.onset_error(onset_N, k / 500) for k in range(500))
    offset = grid.estimate_offset(onset_N)
    assert -0.5 <= offset < 0.5
    assert grid.onset_error(onset_N, offset) <= best + grid.TOLERANCE


def test_a_file_on_the_grid_stays_there_though_some_notes_are_late():
  late_N = np.where(np.arange(100) < 60, 1 / grid.NUM_PHASES, 0)
  assert grid.estimate_offset(np.arange(100) + late_N) == 0.0


def test_a_file_that_is_a_little_late_keeps_its_own_bars():
  song = corpus.song(0, 2)
  found, _ = midi.on_grid(performance_of(song, 0.2))
  np.testing.assert_array_equal(found.notes_Nx4, song.notes_Nx4)
  assert found.offset_steps == pytest.approx(0.2, abs=0.01)
  found, _ = midi.on_grid(performance_of(song, -0.2 + 16))
  assert found.offset_steps == pytest.approx(-0.2, abs=0.01)
  assert found.notes_Nx4[0, 0] == 16


@pytest.mark.parametrize('shift', [2.3, 9.4, 0.0])
def test_bars_of_one_beat_are_replaced_by_bars_of_the_notes(shift):
  songs = [song for i in range(20) if (song := corpus.song(0, i)).metre == (4, 4)]
  found = [midi.on_grid(performance_of(song, shift, (1, 4)))[0] for song in songs]
  assert {song.metre for song in found} == {(4, 4)}
  pairs = zip(found, songs, strict=True)
  right = [np.array_equal(a.notes_Nx4, b.notes_Nx4) for a, b in pairs]
  assert np.mean(right) >= 0.9


@pytest.mark.parametrize('pickup', range(4))
@pytest.mark.parametrize('shift', [0.0, 0.37, 1.5])
def test_beats_give_the_bars_whatever_the_notes_are(pickup, shift):
  # Played from the third quarter of a bar on: two empty quarters lead in.
  song = corpus.song(0, 1, num_bars=8)
  played = performance_of(song, 16 + shift + 4 * pickup + 8)
  found, error = midi.on_grid(played, beats_of(60, shift, pickup))
  np.testing.assert_array_equal(found.notes_Nx4 - song.notes_Nx4, [[8, 0, 0, 0]] * len(played[0]))
  assert found.offset_steps == pytest.approx(16 + shift + 4 * pickup)
  assert error == pytest.approx(0, abs=1e-9)


def test_beats_of_three_make_three_four():
  song = next(s for i in range(200) if (s := corpus.song(0, i)).metre == (3, 4))
  played = performance_of(dataclasses.replace(song, metre=(4, 4)), 0.3 + 4)
  found, _ = midi.on_grid(played, beats_of(100, 0.3, pickup=1, bar_beats=3))
  assert found.metre == (3, 4) and found.num_steps == song.num_steps
  np.testing.assert_array_equal(found.notes_Nx4, song.notes_Nx4)


def test_most_bars_decide_where_a_bar_is_irregular():
  bar_B = np.zeros(40)
  bar_B[[0, 6, 10, 14, 18, 22, 26, 30, 34, 38]] = 1  # the first has six beats
  half_B = np.arange(40) % 2 == 0
  assert grid.beats_in_bar(half_B, bar_B == 1) == (4, 2)


def test_beats_that_are_not_even_are_followed():
  beat_B = np.array([1.0, 5.0, 10.0, 13.0])
  time_N = np.array([-1.0, 1.0, 3.0, 7.5, 10.0, 11.5, 13.0, 14.5])
  step_N = grid.by_beats(time_N, beat_B)
  np.testing.assert_allclose(step_N, [-2, 0, 2, 6, 8, 10, 12, 14])


def test_quantised_notes_never_overlap_and_keep_every_struck_step():
  rng = np.random.default_rng(0)
  onset_N = rng.uniform(0, 60, 500)
  end_N = onset_N + rng.exponential(4, 500)
  pitch_N, velocity_N = rng.integers(60, 64, 500), rng.integers(1, 128, 500)
  notes_Mx4 = grid.quantised(onset_N, end_N, pitch_N, velocity_N)
  struck = set(zip(np.rint(onset_N).tolist(), pitch_N.tolist(), strict=True))
  assert [(n[0], n[2]) for n in notes_Mx4.tolist()] == sorted(struck)
  assert notes_Mx4[:, 1].min() >= 1
  for pitch in range(60, 64):
    of_pitch = notes_Mx4[notes_Mx4[:, 2] == pitch]
    assert np.all(of_pitch[:-1, 0] + of_pitch[:-1, 1] <= of_pitch[1:, 0])


@pytest.fixture
def pop909():
  directory = pathlib.Path(__file__).parents[3] / 'shared' / 'data' / 'pop909'
  if not directory.is_dir():
    pytest.skip('POP909 is absent')
  return directory


def test_pop909_bars_without_beats_are_mostly_those_of_the_beats(pop909):
  beat_right, bar_right, num_triple = [], [], 0
  for path in sorted(pop909.glob('*/*.mid')):
    performance = midi.read(path)
    beats_Bx3 = np.loadtxt(path.parent / 'beat_midi.txt')
    exact, _ = midi.on_grid(performance, beats_Bx3)
    # The last column marks bars: four beats apart, or six where the song is in three.
    beats = np.bincount(np.diff(np.flatnonzero(beats_Bx3[:, 2]))).argmax()
    assert exact.metre == {4: (4, 4), 6: (3, 4)}[int(beats)]
    num_triple += exact.metre == (3, 4)
    guess, _ = midi.on_grid(performance)
    apart = round(exact.offset_steps - guess.offset_steps)
    beat_right.append(apart % 4 == 0)
    bar_right.append(apart % guess.steps_per_bar == 0 and exact.metre == guess.metre)
    assert 0 <= exact.notes_Nx4[0, 0] < exact.steps_per_bar
  assert num_triple == 29
  assert np.mean(beat_right) > 0.97
  assert np.mean(bar_right) > 0.65
