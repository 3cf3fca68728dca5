import numpy as np

from fractaljax.data.in_c import InC, shift_to_c
from fractaljax.music import corpus
from fractaljax.music.crop import transposed
from fractaljax.music.keys import best_key
from fractaljax.music.notes import Song


def test_every_song_comes_in_c_major_or_a_minor():
  songs = [corpus.song(2, i, num_bars=16) for i in range(12)]
  assert len({best_key(song.notes_Nx4) for song in songs}) > 4
  moved = InC(songs)
  assert len(moved) == len(songs)
  for song, in_c in zip(songs, moved, strict=True):
    assert best_key(in_c.notes_Nx4)[:2] in {(0, 'major'), (9, 'minor')}
    shift = in_c.notes_Nx4 - song.notes_Nx4
    assert np.ptp(shift[:, 2]) == 0
    assert -6 <= shift[0, 2] <= 5
    assert not shift[:, [0, 1, 3]].any()


def test_a_song_moved_back_is_the_same_whatever_its_key():
  song = InC([corpus.song(2, 0)])[0]
  for semitones in range(-5, 6):
    assert shift_to_c(transposed(song, semitones)) == -semitones


def test_a_song_without_notes_stays():
  assert shift_to_c(Song(np.zeros((0, 4), np.int32), 16)) == 0
