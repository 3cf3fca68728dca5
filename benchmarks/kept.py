"""How far the notes of bars keep to the form that was said."""

import numpy as np

from fractaljax.model import density
from fractaljax.model.config import ModelConfig
from fractaljax.model.repeat import EIGHTHS, eighths_of, lag_of, overlaps


def common_eighths(tokens_NxPxT: np.ndarray, lag_NxL: np.ndarray, config: ModelConfig):
  """Eighths of their notes that bars have in common with those so far before them, (N, L)."""
  most = max(config.repeats, int(np.max(lag_NxL)))
  both_NxLxK, either_NxLxK = overlaps(tokens_NxPxT, config.levels[0].patch[1], most, config.codec)
  share_NxLxK = 8 * np.asarray(both_NxLxK) / np.maximum(either_NxLxK, 1)
  return np.take_along_axis(share_NxLxK, lag_NxL[..., None], axis=2)[..., 0]


def by_quarter(x_NxL: np.ndarray) -> list[float]:
  """Means over the bars of each quarter."""
  return [round(float(x.mean()), 3) for x in np.array_split(x_NxL, 4, axis=1)]


def same_again(x_NxLx: np.ndarray) -> dict[int, float]:
  """By so many bars before: how many bars, or steps of theirs, have what those have."""
  lags = [lag for lag in (1, 2, 4, 8, 16) if lag < x_NxLx.shape[1]]
  return {lag: round(float((x_NxLx[:, lag:] == x_NxLx[:, :-lag]).mean()), 3) for lag in lags}


def kept(said_NxL, found_NxL, common_NxL) -> dict[int, list[float]]:
  """By the eighths that were said: bars, those that do repeat that one, eighths that came again."""
  eighths_NxL = np.asarray(eighths_of(said_NxL))
  is_kept_NxL = lag_of(found_NxL) == lag_of(said_NxL)
  table = {}
  for eighths in EIGHTHS:
    of_NxL = eighths_NxL == eighths
    if of_NxL.any():
      shares = float(is_kept_NxL[of_NxL].mean()), float(common_NxL[of_NxL].mean())
      table[eighths] = [int(of_NxL.sum()), *(round(x, 3) for x in shares)]
  return table


def in_bins(bin_N, edges: tuple[int, ...]) -> dict[int, float]:
  """By the lower edge of each bin, the first beginning at 0: its share."""
  return {
    least: round(float((bin_N == number).mean()), 3) for number, least in enumerate((0, *edges))
  }


def by_bin(said_NxL, x_NxL, songs_NxL, edges: tuple[int, ...]) -> dict[int, list[float]]:
  """By the lower edge of each bin: how often it was said, whether it was kept, what came.

  That is its share of all bars, as it was said; its share of those of songs; of the bars of which
  it was said, the share that has it; and the mean of these.

  Args:
    said_NxL: bins of the bars of samples, as was said: of their notes, or of their highest ones.
    x_NxL: what they have; NaN where there is nothing, which counts as the first bin.
    songs_NxL: what those of songs have.
    edges: of the bins, but for the first, which begins at 0.
  """
  found_NxL, in_songs_NxL = (density.bin_of(each, edges) for each in (x_NxL, songs_NxL))
  table = {}
  for number, least in enumerate((0, *edges)):
    of_NxL = said_NxL == number
    if of_NxL.any():
      shares = of_NxL.mean(), (in_songs_NxL == number).mean(), (found_NxL == number)[of_NxL].mean()
      table[least] = [round(float(x), 3) for x in (*shares, np.nanmean(x_NxL[of_NxL]))]
  return table
