"""Songs moved to C major or A minor, so that a model need not learn every key."""

from fractaljax.data.records import Songs
from fractaljax.music.crop import transposed
from fractaljax.music.keys import best_key
from fractaljax.music.notes import Song

TONIC = {'major': 0, 'minor': 9}


def read_songs(directory: str, split: str, in_c: bool, damaged: str = 'refuse') -> 'Songs | InC':
  """The songs of a split of what `prepare` wrote, as they are or in C; see `Songs`."""
  songs = Songs(directory, split, damaged)
  return InC(songs) if in_c else songs


class InC:
  """A set of songs, each in C major or A minor by the key that fits it best.

  A song is moved by the shorter way, 6 semitones at most.
  """

  def __init__(self, songs: Songs):
    self._songs = songs

  @property
  def shards(self) -> list[str]:
    return self._songs.shards

  def __len__(self) -> int:
    return len(self._songs)

  def __getitem__(self, index) -> Song:
    song = self._songs[index]
    return transposed(song, shift_to_c(song))


def shift_to_c(song: Song) -> int:
  """Semitones, -6 .. 5, from the song's key to C major or A minor; 0 without notes."""
  key = best_key(song.notes_Nx4)
  return 0 if key is None else (TONIC[key.mode] - key.root + 6) % 12 - 6
