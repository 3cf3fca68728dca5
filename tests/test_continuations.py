"""How much a bar has in common with those before it."""

import numpy as np

from benchmarks import continuations
from fractaljax.music.notes import Song


def test_bars_that_come_again_are_found():
  first = [(0, 2, 60, 80), (4, 2, 64, 80), (8, 2, 67, 80)]
  half = [(0, 4, 60, 60), (5, 2, 64, 80)]  # one note of three, and one that is not there
  bars = [first, [], [(3, 1, 70, 80)], half, first, first, [], half, half, first]
  notes = [(16 * b + onset, *rest) for b, bar in enumerate(bars) for onset, *rest in bar]
  found = continuations.by_bar([Song(np.array(notes, np.int32), 160)] * 2, first_bar=8)
  assert found['most_similar'] == [1, 1]
  assert found['4_bars_before'] == [0.25, 1]
  assert found['8_bars_before'] == [0.25, 0]
  # The first is as bars 3 and 7 are, which follow others; after bar 3 comes what is in bar 9.
  assert found['begins'] == [1, 0]
  assert found['goes_on'] == [0, 1]
