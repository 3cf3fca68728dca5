import pickle

from fractaljax.data import cached
from fractaljax.data.cached import Cached
from fractaljax.music import corpus

SONGS = [corpus.song(0, i, num_bars=2) for i in range(5)]


class Read(list):
  """Songs that tell which of them were read."""

  def __getitem__(self, index):
    self.numbers = [*getattr(self, 'numbers', []), index]
    return super().__getitem__(index)


def test_the_last_songs_are_kept_and_no_more(monkeypatch):
  monkeypatch.setattr(cached, 'NUM_SONGS', 3)
  songs = Read(SONGS)
  kept = Cached(songs)
  assert [kept[i].source for i in (0, 1, 0, 2, 1)] == [SONGS[i].source for i in (0, 1, 0, 2, 1)]
  assert songs.numbers == [0, 1, 2]
  assert [kept[i].source for i in (3, 0)] == [SONGS[i].source for i in (3, 0)]
  assert songs.numbers == [0, 1, 2, 3, 0]


def test_it_travels_without_what_it_keeps():
  kept = Cached(SONGS)
  empty = len(pickle.dumps(Cached([])))
  assert kept[1] is kept[1]
  assert len(pickle.dumps(kept)) < empty + len(pickle.dumps(SONGS)) + 10
  assert pickle.loads(pickle.dumps(kept))[2].source == SONGS[2].source
