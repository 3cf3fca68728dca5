import pickle

import numpy as np
import pytest

from fractaljax.data import sheets
from fractaljax.data.sheets import NOTES_STEP, Sheets
from fractaljax.music import corpus
from fractaljax.music.codec import Codec
from fractaljax.music.notes import DURATION, ONSET, Song

SONGS = [corpus.song(0, i, num_bars=2 + i) for i in range(5)]
STEPS, HALO = 32, 16


class Read(list):
  """Songs that tell which of them were read."""

  def __getitem__(self, index):
    self.numbers = [*getattr(self, 'numbers', []), index]
    return super().__getitem__(index)


def ready(songs):
  return Sheets(songs, Codec(), STEPS, HALO, (0, 0), ('tempo',))


def heard(song: Song, start: int) -> set[tuple]:
  """The notes that sound in a crop that begins at a step, or in its halo."""
  onset_N = song.notes_Nx4[:, ONSET]
  sounds_N = (onset_N < start + STEPS) & (onset_N + song.notes_Nx4[:, DURATION] > start - HALO)
  return set(map(tuple, song.notes_Nx4[sounds_N].tolist()))


def with_a_pedal() -> Song:
  """A note that lasts as long as the song, and many short ones above it."""
  notes_Nx4 = np.array([[0, 400, 20, 9]] + [[i // 4, 1, 60 + i % 4, 9] for i in range(1600)])
  return Song(notes_Nx4.astype(np.int32), 400)


def with_notes_on_bar_lines() -> Song:
  """Of one step, a bar from one to the next."""
  return Song(np.array([[16 * i, 1, 60, 9] for i in range(12)], np.int32), 192)


@pytest.mark.parametrize('song', [SONGS[4], with_a_pedal(), with_notes_on_bar_lines()])
def test_no_note_that_sounds_is_lost_and_there_is_no_room_too_much(song):
  kept = ready([song])
  sheet, room, most = kept[0], kept.most_notes(), 0
  for bar in range(len(sheet.stretch_Kx2)):
    expected = heard(song, 16 * bar)
    found_4xN = kept.notes(sheet, bar, room)
    assert expected <= set(map(tuple, found_4xN.T.tolist())) and found_4xN.shape[1] <= room
    most = max(most, len(expected))
  assert most <= room < most + NOTES_STEP


def test_no_crop_shorter_than_a_bar_begins_after_the_song():
  for num_steps, num_bars in ((96, 2), (64, 2), (48, 1), (40, 1)):  # bars of 48 steps
    song = Song(np.array([[30, 2, 60, 9]], np.int32), num_steps, (12, 4))
    assert len(ready([song])[0].stretch_Kx2) == num_bars


def test_songs_without_notes_have_room_for_some():
  assert ready([Song(np.zeros((0, 4), np.int32), 64)]).most_notes() == NOTES_STEP


def test_the_last_songs_are_kept_and_no_more(monkeypatch):
  monkeypatch.setattr(sheets, 'NUM_SONGS', 3)
  songs = Read(SONGS)
  kept = ready(songs)
  assert [kept[i].song for i in (0, 1, 0, 2, 1)] == [SONGS[i] for i in (0, 1, 0, 2, 1)]
  assert songs.numbers == [0, 1, 2]
  assert [kept[i].song for i in (3, 0)] == [SONGS[i] for i in (3, 0)]
  assert songs.numbers == [0, 1, 2, 3, 0]


def test_it_travels_without_what_it_keeps():
  kept = ready(SONGS)
  empty = len(pickle.dumps(ready([])))
  assert kept[1] is kept[1]
  assert len(pickle.dumps(kept)) < empty + len(pickle.dumps(SONGS)) + 10
  assert pickle.loads(pickle.dumps(kept))[2].song.source == SONGS[2].source
