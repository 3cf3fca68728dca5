"""Repetition: how much the bars of a song are like one another, or like those of other songs."""

from collections.abc import Iterable

import numpy as np

from fractaljax.music.bars import in_bars
from fractaljax.music.notes import Song

COPY_NOTES = 4  # the same by chance: 0.3 % of the bars of POP909's valid songs, with 8 notes 0.1 %


def groove_similarity(song: Song, lag: int | None = None) -> np.ndarray:
  """How alike the rhythms of the bars are: mean over pairs of bars; nothing without a pair.

  The GS of Wu & Yang 2020, "The Jazz Transformer on the Front Line", eq. 2: the share of the steps
  of a bar at which both or neither of two bars have an onset. Their bars have 64 steps, those of
  the 16th grid 16, so that figures here are lower than in the paper.

  Args:
    song: the song.
    lag: bars between those of a pair; None for all pairs.
  """
  num_bars, num_steps = song.num_bars, song.steps_per_bar
  if num_bars < 1 + (lag or 1):
    return np.zeros(0)
  bar_N, place_N, _ = in_bars(song)
  onset_BxS = np.zeros((num_bars, num_steps))
  onset_BxS[bar_N, place_N] = 1
  count_B = onset_BxS.sum(axis=1)
  differing_BxB = count_B[:, None] + count_B - 2 * onset_BxS @ onset_BxS.T
  if lag:
    return np.array([1 - np.diagonal(differing_BxB, lag).mean() / num_steps])
  # The diagonal is zero, and every pair is in the matrix twice.
  return np.array([1 - differing_BxB.sum() / (num_bars * (num_bars - 1) * num_steps)])


def self_similarity(song: Song, lag: int) -> np.ndarray:
  """How much a bar is like the one `lag` bars after it; nothing where all such pairs are silent.

  The mean of their `overlaps`: 1 = every bar comes again note for note, 0 = not one note does.
  """
  overlap_B = overlaps(song, lag)
  is_heard_B = ~np.isnan(overlap_B)
  return np.array([np.mean(overlap_B[is_heard_B])] if is_heard_B.any() else [])


def overlaps(song: Song, lag: int) -> np.ndarray:
  """Of each bar and the one `lag` bars after it, how much they have in common; NaN for silence.

  The Jaccard overlap of their sets of (place in the bar, pitch), one for each of the bars that are
  followed by so many.
  """
  bar_N, place_N, pitch_N = in_bars(song)
  bar_cells = song.steps_per_bar * 128
  cell_N = bar_cells * bar_N + 128 * place_N + pitch_N
  again_N = np.isin(cell_N + lag * bar_cells, cell_N)
  num_pairs = max(song.num_bars - lag, 0)
  count_B = np.bincount(bar_N, minlength=song.num_bars)
  both_B = np.bincount(bar_N[again_N], minlength=song.num_bars)[:num_pairs]
  either_B = count_B[:num_pairs] + count_B[song.num_bars - num_pairs :] - both_B
  with np.errstate(invalid='ignore'):
    return both_B / either_B


def bar_names(song: Song) -> list[bytes]:
  """A name for each bar of COPY_NOTES notes or more; bars of one name are equal but transposed.

  The name is the set of (place in the bar, pitch above the bar's lowest): models are trained on
  transposed songs, and a bar that was learnt by heart may come in any key. Lengths and velocities
  do not count.
  """
  bar_N, place_N, pitch_N = in_bars(song)
  edge_B = np.searchsorted(bar_N, np.arange(song.num_bars + 1))
  names = []
  for first, end in zip(edge_B[:-1], edge_B[1:], strict=True):
    if end - first >= COPY_NOTES:
      above_N = pitch_N[first:end] - pitch_N[first:end].min()
      names.append(np.sort(128 * place_N[first:end] + above_N).astype(np.uint16).tobytes())
  return names


def all_bar_names(songs: Iterable[Song]) -> set[bytes]:
  """The names of all bars of songs, see `bar_names`; of 75,000 bars, in a second or two."""
  return {name for song in songs for name in bar_names(song)}


def copied_bars(song: Song, names: set[bytes]) -> np.ndarray:
  """Share of the bars, of those that have a name, that are among `names`; nothing without any."""
  own = bar_names(song)
  return np.array([sum(name in names for name in own) / len(own)] if own else [])
