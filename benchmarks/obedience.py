"""How far songs have the attributes that were asked for."""

from collections.abc import Sequence

import numpy as np

from fractaljax.music.attributes import ATTRIBUTES
from fractaljax.music.notes import Song


def obedience(name: str, asked: Sequence[Song], found: Sequence[Song]) -> dict[str, float]:
  """How an attribute of the songs that were asked for is met by those that were found."""
  measure = ATTRIBUTES[name].measure
  pairs = [(measure(a), measure(f)) for a, f in zip(asked, found, strict=True)]
  told_2xS = np.array([pair for pair in pairs if None not in pair], float).T
  asked_S, found_S = (np.array([ATTRIBUTES[name].id(x) for x in row]) for row in told_2xS)
  return {
    'correlation': round(float(np.corrcoef(told_2xS)[0, 1]), 3),
    'within_one_bin': round(float(np.mean(abs(asked_S - found_S) <= 1)), 3),
    'asked_mean': round(float(told_2xS[0].mean()), 4),
    'mean': round(float(told_2xS[1].mean()), 4),
  }
