import numpy as np
import pytest

from fractaljax.music import corpus
from fractaljax.music.crop import transposed
from fractaljax.music.notes import Song
from fractaljax.music.repetition import (
  all_bar_names,
  bar_names,
  copied_bars,
  groove_similarity,
  self_similarity,
)

CHORD = (60, 64, 67, 72)


def bars_of(*pitches_at_step) -> Song:
  """Bars of 16 steps; of each, {step: pitches}."""
  notes = [
    (16 * bar + step, 1, pitch, 80)
    for bar, steps in enumerate(pitches_at_step)
    for step, pitches in steps.items()
    for pitch in pitches
  ]
  return Song(np.array(notes, np.int32).reshape(-1, 4), 16 * len(pitches_at_step))


def test_groove_is_what_pairs_of_bars_share_in_steps_struck_or_not():
  song = bars_of({0: CHORD, 4: CHORD}, {0: (60,), 4: (61,)}, {0: CHORD, 6: CHORD})
  # The first two are the same whatever their pitches; the third differs at steps 4 and 6.
  assert groove_similarity(song) == pytest.approx([(1 + 14 / 16 + 14 / 16) / 3])
  assert groove_similarity(song, 1) == pytest.approx([(1 + 14 / 16) / 2])
  assert groove_similarity(song, 2) == pytest.approx([14 / 16])
  assert len(groove_similarity(bars_of({0: CHORD}))) == len(groove_similarity(song, 3)) == 0


def test_self_similarity_is_the_share_of_notes_that_come_again():
  song = bars_of({0: (60, 64)}, {}, {0: (60, 65), 1: (60,)}, {}, {0: (60, 65), 1: (60,)})
  # Pairs at a distance of two bars: 1 of 4 notes, silence, 3 of 3.
  assert self_similarity(song, 2) == pytest.approx([(1 / 4 + 1) / 2])
  assert self_similarity(song, 1) == [0]
  assert len(self_similarity(song, 5)) == 0
  assert len(self_similarity(bars_of({}, {}), 1)) == 0


def test_a_song_is_a_copy_of_itself_in_any_key_and_not_of_another():
  song, other = corpus.song(3, 0, num_bars=8), corpus.song(3, 1, num_bars=8)
  names = all_bar_names([song])
  assert copied_bars(song, names) == [1]
  assert copied_bars(transposed(song, 3), names) == [1]
  assert copied_bars(other, names) < 0.5
  assert copied_bars(song, set()) == [0]


def test_copies_are_told_by_place_and_interval_alone():
  bar = {0: CHORD, 8: (76,)}
  names = all_bar_names([bars_of(bar)])
  song = bars_of(bar, {0: CHORD, 9: (76,)}, {0: CHORD, 8: (77,)}, {0: CHORD}, {0: (60, 64, 67)}, {})
  # The fourth has four notes and therefore a name, the fifth and the sixth have none.
  assert len(bar_names(song)) == 4
  assert copied_bars(song, names) == [1 / 4]
  louder = Song(song.notes_Nx4 + np.array([0, 1, 0, 9]), song.num_steps)
  assert copied_bars(louder, names) == [1 / 4]
  assert len(copied_bars(bars_of({}), names)) == 0
