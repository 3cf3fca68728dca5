"""Where the bars come from that songs repeat, and what says that a repeat has begun."""

import numpy as np

from benchmarks import repeats

# Notes of one cell each; bars of two steps and two pitches.
A, B, C, SILENT = [[9, 0], [8, 7]], [[5, 0], [0, 6]], [[3, 0], [4, 0]], [[0, 0], [0, 0]]
MOST_OF_A = [[9, 0], [8, 1]]


def test_begins_are_the_first_bars_of_repeats():
  notes_BxC = np.array([A, B, C, A, B, SILENT, MOST_OF_A, A]).reshape(8, 4)
  share_LxB = np.stack([repeats.equal_share(notes_BxC, lag) for lag in range(1, 8)])
  np.testing.assert_allclose(share_LxB[2], [0, 0, 0, 1, 1, 0, 2 / 3, 0])
  # The last is as the first, the fourth and, by two thirds, the one before; it goes on with none.
  assert repeats.begins(share_LxB) == [set(), set(), set(), {3}, set(), set(), {3, 6}, {1, 4, 7}]


def test_notes_of_an_echo_are_counted_by_what_the_bar_had_until_then():
  notes_BxSxP = np.array([A, A, B, MOST_OF_A])
  shares_B = repeats.equal_share(notes_BxSxP.reshape(4, 4), 2)
  np.testing.assert_array_equal(shares_B, [0, 0, 0, 2 / 3])
  counts = repeats.comes_again(notes_BxSxP, 2, shares_B)
  # Bar 3 alone, after one that is unlike: two notes come again, then one does not.
  assert counts[0].sum() == 3
  assert (counts[0, [0, 1, 2], 0] == 1).all()
  assert counts[1, [0, 1, 2], 0].tolist() == [1, 1, 0]
