"""Songs that stay in memory once they are read."""

import functools
from collections.abc import Sequence

from fractaljax.music.notes import Song

NUM_SONGS = 2048  # about 60 MB, of songs like those of POP909; a small set fits as a whole


class Cached(Sequence[Song]):
  """A set of songs, of which the last NUM_SONGS are kept; travels to other processes without them.

  To read a song takes a third of the time that a crop of it does.
  """

  def __init__(self, songs: Sequence[Song]):
    self._songs = songs
    self._read = functools.lru_cache(maxsize=NUM_SONGS)(songs.__getitem__)

  def __len__(self) -> int:
    return len(self._songs)

  def __getitem__(self, index) -> Song:
    return self._read(index)

  def __reduce__(self):
    return Cached, (self._songs,)
