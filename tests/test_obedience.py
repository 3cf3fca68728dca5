"""How far samples have the attributes that were asked for."""

import numpy as np
import pytest

from benchmarks.obedience import obedience
from fractaljax.music.notes import Song


def loud(velocity: int) -> Song:
  return Song(np.array([[0, 4, 60, velocity]], np.int32), 16)


SILENT = Song(np.zeros((0, 4), np.int32), 16)


def test_what_is_asked_for_is_set_beside_what_is_found():
  asked, found = [loud(v) for v in (45, 65, 85)], [loud(v) for v in (55, 75, 98)]
  same = obedience('loudness', asked, asked)
  assert (same['correlation'], same['within_one_bin'], same['mean']) == (1, 1, 65)
  louder = obedience('loudness', asked, found)
  # Bins are ten wide at first, and six later on: one, two and two bins away.
  assert (louder['asked_mean'], louder['mean']) == (65, 76)
  assert 0.99 < louder['correlation'] < 1
  assert louder['within_one_bin'] == pytest.approx(1 / 3, abs=1e-3)


def test_songs_that_do_not_tell_do_not_count():
  songs = [loud(45), SILENT, loud(85)]
  assert obedience('loudness', songs, songs)['mean'] == 65
  assert obedience('loudness', [loud(45), loud(55), loud(85)], songs)['asked_mean'] == 65
