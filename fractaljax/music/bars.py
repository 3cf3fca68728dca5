"""The bars of a song: which notes are in each, and where in it."""

import numpy as np

from fractaljax.music.notes import ONSET, PITCH, Song


def in_bars(song: Song) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """The notes of whole bars: bar_N, place_N (steps after the bar line), pitch_N."""
  bar_N, place_N = np.divmod(song.notes_Nx4[:, ONSET], song.steps_per_bar)
  is_whole_N = bar_N < song.num_bars
  return bar_N[is_whole_N], place_N[is_whole_N], song.notes_Nx4[is_whole_N, PITCH]


def notes_per_bar(song: Song) -> np.ndarray:
  """Number of notes that begin in each bar."""
  return np.bincount(in_bars(song)[0], minlength=song.num_bars)


def onset_places(song: Song) -> np.ndarray:
  """Place of each note in its bar, 0 .. 15; nothing for songs whose bars are not of 16 steps."""
  return in_bars(song)[1] if song.steps_per_bar == 16 else np.zeros(0, int)


def pitch_class_entropies(song: Song, num_bars: int) -> np.ndarray:
  """Entropy, in bits, of the pitch classes in every stretch of `num_bars` bars that has notes.

  The H of Wu & Yang 2020, "The Jazz Transformer on the Front Line", section 5.1; a song that is
  shorter is one stretch.
  """
  bar_N, _, pitch_N = in_bars(song)
  count_BxC = np.bincount(12 * bar_N + pitch_N % 12, minlength=12 * song.num_bars).reshape(-1, 12)
  total_BxC = np.cumsum(np.pad(count_BxC, ((1, 0), (0, 0))), axis=0)
  span = min(num_bars, song.num_bars)
  return entropy(total_BxC[span:] - total_BxC[: len(total_BxC) - span])


def entropy(count_BxC: np.ndarray) -> np.ndarray:
  """Entropy, in bits, of each row of counts that has any."""
  count_BxC = count_BxC[count_BxC.sum(axis=1) > 0]
  share_BxC = count_BxC / count_BxC.sum(axis=1, keepdims=True)
  return np.sum(share_BxC * np.log2(1 / np.where(share_BxC > 0, share_BxC, 1)), axis=1)
