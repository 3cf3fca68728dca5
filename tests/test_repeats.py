"""Where the bars come from that songs repeat, and what says that a repeat has begun."""

import numpy as np

from benchmarks import repeats
from fractaljax.music.notes import Song

# Notes of one cell each; bars of two steps and two pitches.
A, B, C, SILENT = [[9, 0], [8, 7]], [[5, 0], [0, 6]], [[0, 3], [4, 0]], [[0, 0], [0, 0]]
MOST_OF_A, A_ANEW = [[9, 0], [8, 0]], [[9, 0], [1, 2]]


def as_song(notes_BxSxP):
  """The song of these tokens, in 1/8."""
  notes_TxP = notes_BxSxP.reshape(-1, 2)
  notes = [(step, 1, 60 + pitch, notes_TxP[step, pitch]) for step, pitch in np.argwhere(notes_TxP)]
  return Song(np.array(notes, np.int32), len(notes_TxP), metre=(1, 8))


def test_begins_are_the_first_bars_of_repeats():
  notes_BxC = np.array([A, C, SILENT, A_ANEW, C, SILENT, MOST_OF_A, A]).reshape(8, 4)
  song = as_song(notes_BxC)
  share_LxB = np.stack([repeats.shared(song, lag) for lag in range(1, 8)])
  np.testing.assert_allclose(share_LxB[2], [0, 0, 0, 1, 1, 0, 2 / 3, 0.25])
  # The last is as the first, the fourth and, by two thirds, the one before; it goes on with none.
  assert repeats.begins(share_LxB) == [set(), set(), set(), {3}, set(), set(), {3, 6}, {1, 4, 7}]
  assert repeats.is_played_anew(notes_BxC, 3, 3) and not repeats.is_played_anew(notes_BxC, 6, 6)


def test_notes_of_an_echo_are_counted_by_what_the_bar_had_until_then():
  notes_BxSxP = np.array([C, A, B, A_ANEW])
  shares_B = repeats.shared(as_song(notes_BxSxP), 2)
  np.testing.assert_allclose(shares_B, [0, 0, 0, 1])
  again, velocity = repeats.comes_again(notes_BxSxP, 2, shares_B)
  # Bar 3 alone, after one that is unlike: three notes come again, the first with its velocity.
  assert again[:, [0, 1, 2], 0].tolist() == [[1, 1, 1], [1, 1, 1]] and again.sum() == 6
  assert velocity[0].sum() == 3 and velocity[1].sum() == 1
  assert velocity[0, 0, 0] == velocity[1, 0, 0] == velocity[0, 1, 0] == velocity[0, 1, 1] == 1


def test_a_note_that_does_not_come_again_is_different_for_those_after_it():
  notes_BxSxP = np.array([C, A, B, [[0, 0], [8, 7]]])
  again, _ = repeats.comes_again(notes_BxSxP, 2, np.zeros(4))
  assert [again[:, 0, 0].tolist(), again[:, 0, 1].tolist(), again[:, 1, 1].tolist()] == [
    [1, 0], [1, 1], [1, 1]
  ]  # fmt: skip
