import numpy as np

from fractaljax.music import corpus
from fractaljax.music.excerpt import beginnings, excerpts, spread
from fractaljax.music.notes import DURATION, ONSET, Song


def test_excerpts_are_of_one_length_begin_on_bar_lines_and_keep_every_note_once():
  song = corpus.song(3, 0, num_bars=20)
  pieces = excerpts([song], 5 * song.steps_per_bar)
  assert [piece.num_steps for piece in pieces] == [5 * song.steps_per_bar] * 4
  assert np.array_equal(
    np.concatenate(
      [piece.notes_Nx4 + [k * piece.num_steps, 0, 0, 0] for k, piece in enumerate(pieces)]
    )[:, [0, 2, 3]],
    song.notes_Nx4[:, [0, 2, 3]],
  )
  for piece in pieces:
    assert (piece.notes_Nx4[:, ONSET] + piece.notes_Nx4[:, DURATION]).max() <= piece.num_steps


def test_bars_that_do_not_divide_the_length_begin_excerpts_all_the_same():
  onset_N = np.arange(0, 96, 12)
  notes_Nx4 = np.stack([onset_N, 0 * onset_N + 12, 0 * onset_N + 60, onset_N + 1], axis=1)
  pieces = excerpts([Song(notes_Nx4, 96, (3, 4))], 32)
  assert [piece.num_steps for piece in pieces] == [32, 32]
  # The second begins at step 36. The notes' ends are cut off at that of the excerpt.
  assert [piece.notes_Nx4[:, :2].tolist() for piece in pieces] == [[[0, 12], [12, 12], [24, 8]]] * 2
  assert pieces[1].notes_Nx4[0, 3] == 37


def test_a_short_song_is_an_excerpt_and_a_short_rest_is_none():
  song = Song(np.array([[0, 1, 60, 80]]), 48)
  assert excerpts([song], 64) == [song]
  assert len(excerpts([song], 32)) == 1


def test_songs_are_taken_evenly():
  assert spread('abcdef', 3) == ['a', 'c', 'e']
  assert spread('ab', 5) == ['a', 'b']
  assert spread([], 5) == []


def test_a_beginning_is_the_first_excerpt_of_its_song():
  songs = [corpus.song(3, 0, num_bars=20), Song(np.array([[0, 1, 60, 80]]), 48)]
  first = beginnings(songs, 64)
  assert [piece.num_steps for piece in first] == [64, 48]
  np.testing.assert_array_equal(first[0].notes_Nx4, excerpts(songs, 64)[0].notes_Nx4)
  assert first[1] is songs[1]
