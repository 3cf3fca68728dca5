"""Songs made ready to be cut into training crops; they stay in memory once they are read."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fractaljax.music.attributes import attribute_ids
from fractaljax.music.codec import Codec
from fractaljax.music.crop import transpose_range, transposed
from fractaljax.music.notes import DURATION, ONSET, Song

NUM_SONGS = 16384  # about 450 MB, of songs like those of POP909
# The room for notes is a multiple of this, so that sets of like songs share a compiled program.
NOTES_STEP = 128
_NO_IDS = np.zeros(0, np.int32)


class Sheet(NamedTuple):
  """A song, ready for the crops that begin at its bars.

  Attributes:
    song: the song.
    notes_4xN: its notes, one column a note, each row in one piece.
    shifts: the intervals that it may be moved by, in semitones.
    stretch_Kx2: for each bar that a crop may begin at: the first note that may sound in it, and the
      first that begins after it.
  """

  song: Song
  notes_4xN: np.ndarray
  shifts: range
  stretch_Kx2: np.ndarray


class Sheets(Sequence[Sheet]):
  """The sheets of a set of songs; the last NUM_SONGS are kept, but do not travel to processes.

  Args:
    songs: random access to the songs.
    codec: spells the notes.
    num_steps: T of the crops.
    halo: steps before a crop that are heard too.
    transpose: lowest and highest interval, in semitones.
    attributes: names of the global attributes.
  """

  def __init__(
    self,
    songs: Sequence[Song],
    codec: Codec,
    num_steps: int,
    halo: int,
    transpose: tuple[int, int],
    attributes: tuple[str, ...],
  ):
    self._arguments = songs, codec, num_steps, halo, transpose, attributes
    self._songs, self._codec, self._transpose, self._names = songs, codec, transpose, attributes
    self.num_steps, self._halo = num_steps, halo
    self._read = functools.lru_cache(maxsize=NUM_SONGS)(self._make)
    self._ids = functools.lru_cache(maxsize=NUM_SONGS)(self._make_ids)

  def __len__(self) -> int:
    return len(self._songs)

  def __getitem__(self, index) -> Sheet:
    return self._read(index)

  def __reduce__(self):
    return Sheets, self._arguments

  def attributes(self, index: int, semitones: int) -> np.ndarray:
    """ids_A of a song that is moved; see `attribute_ids`."""
    return self._ids(index, semitones) if self._names else _NO_IDS

  def most_notes(self) -> int:
    """Notes that sound in the fullest crop of all, rounded up; every song is read for it."""
    most = max(self._most(self[i]) for i in range(len(self)))
    return max(-(-most // NOTES_STEP), 1) * NOTES_STEP

  def notes(self, sheet: Sheet, bar: int, at_most: int) -> np.ndarray:
    """Notes, notes_4xN, that sound in the crop which begins at a bar, and a few that do not.

    Args:
      sheet: the song.
      bar: of the song, 0 .. K-1.
      at_most: as many notes as `most_notes` says, or more.
    """
    first, end = sheet.stretch_Kx2[bar].tolist()
    notes_4xN = sheet.notes_4xN[:, first:end]
    if end - first > at_most:  # many end before the crop, while one that began before them goes on
      heard_from = bar * sheet.song.steps_per_bar - self._halo
      notes_4xN = notes_4xN[:, notes_4xN[ONSET] + notes_4xN[DURATION] > heard_from]
    return notes_4xN

  def _make(self, index: int) -> Sheet:
    song = self._songs[index]
    notes_4xN = np.ascontiguousarray(song.notes_Nx4.T)
    first_K, end_K = self._heard(song)
    # The latest end so far never falls: from where it passes a step on, notes may sound there.
    latest_N = np.maximum.accumulate(notes_4xN[ONSET] + notes_4xN[DURATION])
    stretch_Kx2 = np.stack(
      [np.searchsorted(latest_N, first_K, 'right'), np.searchsorted(notes_4xN[ONSET], end_K)], 1
    )
    shifts = transpose_range(song, self._codec, *self._transpose)
    return Sheet(song, notes_4xN, shifts, stretch_Kx2.astype(np.int32))

  def _make_ids(self, index: int, semitones: int) -> np.ndarray:
    return attribute_ids(transposed(self[index].song, semitones), self._names)

  def _heard(self, song: Song) -> tuple[np.ndarray, np.ndarray]:
    """The first step, with the halo, and the end of each crop that may be taken, in steps."""
    num_starts = max(0, -(-(song.num_steps - self.num_steps) // song.steps_per_bar)) + 1
    # Of crops shorter than a bar none begins where the song has ended.
    num_starts = min(num_starts, max(-(-song.num_steps // song.steps_per_bar), 1))
    start_K = np.arange(num_starts) * song.steps_per_bar
    return start_K - self._halo, start_K + self.num_steps

  def _most(self, sheet: Sheet) -> int:
    """Notes that sound in the fullest crop of a song: those begun less those ended before it."""
    first_K, end_K = self._heard(sheet.song)
    ended_N = np.sort(sheet.notes_4xN[ONSET] + sheet.notes_4xN[DURATION])
    begun_K = np.searchsorted(sheet.notes_4xN[ONSET], end_K)
    return int((begun_K - np.searchsorted(ended_N, first_K, 'right')).max())
