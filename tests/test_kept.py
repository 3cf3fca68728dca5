"""Whether bars repeat what they were said to: as it is counted."""

import numpy as np

import models
from benchmarks.kept import by_bin, by_quarter, common_eighths, in_bins, kept
from fractaljax.model.density import num_notes
from fractaljax.model.repeat import id_of, of_rolls

CONFIG = models.tiny(((4, 4), (1, 1)), num_pitches=4, repeats=2)


def roll():
  """Four bars: eight notes, the same, six of them, none."""
  roll_PxT = np.zeros((4, 16), np.int32)
  roll_PxT[:2, :12] = 1
  roll_PxT[:, 8] = 0
  return roll_PxT[None]


def test_what_comes_again_is_counted_at_the_lag_that_was_said():
  common_NxL = common_eighths(roll(), np.array([[0, 1, 2, 1]]), CONFIG)
  np.testing.assert_array_equal(common_NxL, [[0, 8, 6, 0]])


def test_a_form_is_kept_where_the_notes_have_the_lag_that_was_said():
  found_NxL = np.asarray(of_rolls(roll(), CONFIG))
  np.testing.assert_array_equal(found_NxL, [[0, id_of(1, 8), id_of(1, 6), 0]])
  # Said are the very one, another lag, and one that the notes do not have.
  said_NxL = np.array([[0, id_of(1, 8), id_of(2, 6), id_of(1, 6)]])
  table = kept(said_NxL, found_NxL, np.array([[0.0, 8, 6, 0]]))
  assert table == {6: [2, 0.0, 3.0], 8: [1, 1.0, 8.0]}
  assert by_quarter(found_NxL > 0) == [0, 1, 1, 0]


def test_a_density_is_kept_where_a_bar_has_as_many_notes_as_were_said():
  count_NxL = num_notes(roll(), CONFIG)
  np.testing.assert_array_equal(count_NxL, [[8, 8, 6, 0]])
  songs_NxL = np.array([[0, 1, 7, 7]])
  # Said are 7 or more for the first three bars, fewer for the last.
  table = by_bin(np.array([[2, 2, 2, 1]]), count_NxL, songs_NxL, (1, 7))
  assert table == {1: [0.25, 0.25, 0.0, 0.0], 7: [0.75, 0.5, 0.667, 7.333]}


def test_bins_are_told_by_their_lower_edges_and_those_of_none_too():
  assert in_bins(np.array([0, 2, 2, 3]), (1, 7, 9)) == {0: 0.25, 1: 0.0, 7: 0.5, 9: 0.25}
