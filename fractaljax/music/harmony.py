"""Keys, chords and the progressions of the synthetic corpus."""

from typing import NamedTuple

import numpy as np

SCALES = {'major': (0, 2, 4, 5, 7, 9, 11), 'minor': (0, 2, 3, 5, 7, 8, 10)}
MODES = tuple(SCALES)
DEGREES = ('I', 'II', 'III', 'IV', 'V', 'VI', 'VII')


class Key(NamedTuple):
  """A tonic, as a pitch class 0..11, and 'major' or 'minor' (natural)."""

  root: int
  mode: str


# Progressions, one chord a bar, two bars each. A stem opens a phrase, a turn leads away from home,
# an open cadence rests on the dominant and a closed one on the tonic.
STEMS = {
  'major': ('I vi', 'I IV', 'I V', 'I iii', 'I ii', 'IV I', 'I I'),
  'minor': ('i VI', 'i iv', 'i VII', 'i III', 'i v', 'iv i', 'i i'),
}
TURNS = {
  'major': ('IV V', 'vi iii', 'ii V', 'IV iii', 'vi ii', 'iii vi'),
  'minor': ('III VII', 'VI III', 'iv VII', 'VI iv', 'iv v', 'VII III'),
}
OPEN = {
  'major': ('IV V', 'ii V', 'I V', 'vi V'),
  'minor': ('iv v', 'VI VII', 'i v', 'iv VII'),
}
CLOSED = {
  'major': ('V I', 'IV I', 'ii I'),
  'minor': ('v i', 'iv i', 'VI i'),
}
TONIC = {'major': 'I', 'minor': 'i'}


def chord_classes(key: Key, numeral: str) -> tuple[int, int, int]:
  """Pitch classes of the triad on a degree of the key: its root, third and fifth."""
  scale, degree = SCALES[key.mode], DEGREES.index(numeral.upper())
  return tuple((key.root + scale[(degree + third) % 7]) % 12 for third in (0, 2, 4))


def scale_pitches(key: Key, low: int, high: int) -> np.ndarray:
  """The key's pitches in low..high, ascending."""
  pitch_N = np.arange(low, high + 1)
  return pitch_N[np.isin((pitch_N - key.root) % 12, SCALES[key.mode])]
