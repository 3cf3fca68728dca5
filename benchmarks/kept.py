"""How far the notes of bars keep to the form that was said."""

import numpy as np

from fractaljax.model.config import ModelConfig
from fractaljax.model.repeat import EIGHTHS, eighths_of, lag_of, overlaps


def common_eighths(tokens_NxPxT: np.ndarray, lag_NxL: np.ndarray, config: ModelConfig):
  """Eighths of their notes that bars have in common with those so far before them, (N, L)."""
  both_NxLxK, either_NxLxK = overlaps(
    tokens_NxPxT, config.levels[0].patch[1], config.repeats, config.codec
  )
  share_NxLxK = 8 * np.asarray(both_NxLxK) / np.maximum(either_NxLxK, 1)
  return np.take_along_axis(share_NxLxK, lag_NxL[..., None], axis=2)[..., 0]


def by_quarter(form_NxL: np.ndarray) -> list[float]:
  """Which share of the bars repeat one."""
  return [round(float((x > 0).mean()), 3) for x in np.array_split(form_NxL, 4, axis=1)]


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
