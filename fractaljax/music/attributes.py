"""Global attributes: what a song is like as a whole, as ids; id 0 is "not given"."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fractaljax.errors import UserError
from fractaljax.music.harmony import MODES
from fractaljax.music.keys import best_key, in_key_share
from fractaljax.music.notes import ONSET, PITCH, VELOCITY, Song
from fractaljax.music.repetition import self_similarity

ROOTS = ('C', 'C#', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B')
KEYS = tuple(root + mode for mode in ('', 'm') for root in ROOTS)


class Attribute(NamedTuple):
  """A number that a song has, told in bins.

  Attributes:
    measure: of a song; None where it does not tell.
    edges: lower edges of the bins after the first.
  """

  measure: Callable[[Song], float | None]
  edges: tuple[float, ...]

  def id(self, value: float | None) -> int:
    """1 + its bin, or 0."""
    return 0 if value is None else 1 + int(np.digitize(value, self.edges))

  def middle(self, id_: int) -> float:
    """The middle of a bin by its id; the first and the last are as wide as those beside them."""
    first, *_, last = self.edges
    edges = 2 * first - self.edges[1], *self.edges, 2 * last - self.edges[-2]
    return (edges[id_ - 1] + edges[id_]) / 2


def num_ids(name: str) -> int:
  """Ids of an attribute, with 0 = not given.

  Raises:
    UserError: there is no such attribute.
  """
  return 2 + len(_attribute(name).edges)


def attribute_ids(song: Song, names: tuple[str, ...]) -> np.ndarray:
  """The song's id of each named attribute.

  Returns:
    ids_A, int32; 0 where the song does not tell (the key of a song without notes).

  Raises:
    UserError: there is no such attribute.
  """
  each = [_attribute(name) for name in names]
  return np.array([attribute.id(attribute.measure(song)) for attribute in each], np.int32)


def tempo_of(ids_A: np.ndarray, names: tuple[str, ...]) -> float | None:
  """Quarters a minute, in the middle of the bin that the ids tell; None if they tell none."""
  id_ = int(ids_A[names.index('tempo')]) if 'tempo' in names else 0
  return ATTRIBUTES['tempo'].middle(id_) if id_ else None


def parse(text: str, names: tuple[str, ...]) -> np.ndarray:
  """Ids of attributes that a user asks for, as 'density=20,key=Am'.

  Args:
    text: names with numbers in the units of ATTRIBUTES, or with a key.
    names: of the attributes that there are.

  Returns:
    ids_A, int32; 0 where none is asked for.

  Raises:
    UserError: an attribute is not among them, or its value cannot be read.
  """
  ids_A = np.zeros(len(names), np.int32)
  for item in text.split(','):
    name, _, value = (part.strip() for part in item.partition('='))
    if name not in names:
      raise UserError(f'attribute {name!r} is unknown to the model; it has {", ".join(names)}')
    try:
      number = KEYS.index(value) if name == 'key' else float(value)
    except ValueError:
      number = math.nan
    if math.isnan(number):
      what = f'one of {" ".join(KEYS)}' if name == 'key' else 'a number'
      raise UserError(f'attribute {name}={value}: give {what}')
    ids_A[names.index(name)] = _attribute(name).id(number)
  return ids_A


def _attribute(name: str) -> Attribute:
  if name not in ATTRIBUTES:
    raise UserError(f'attribute {name!r} is unknown; choose among {", ".join(ATTRIBUTES)}')
  return ATTRIBUTES[name]


def _of_notes(measure: Callable[[np.ndarray], float]) -> Callable[[Song], float | None]:
  """Something of the notes_Nx4 of a song, if it has any."""
  return lambda song: measure(song.notes_Nx4) if len(song.notes_Nx4) else None


def _key(song: Song) -> int | None:
  key = best_key(song.notes_Nx4)
  return None if key is None else key.root + 12 * MODES.index(key.mode)


def _repetition(song: Song) -> float | None:
  each = np.concatenate([self_similarity(song, lag) for lag in (4, 8)])
  return each.mean() if len(each) else None


ATTRIBUTES = {
  # Quarters a minute.
  'tempo': Attribute(
    lambda song: song.tempo_bpm, (60, 70, 80, 90, 100, 110, 120, 130, 140, 160, 180)
  ),
  # Notes a bar.
  'density': Attribute(
    lambda song: len(song.notes_Nx4) / max(song.num_bars, 1),
    (2, 4, 6, 8, 10, 12, 15, 18, 22, 27, 34, 45),
  ),
  # One of KEYS.
  'key': Attribute(_key, tuple(range(1, len(KEYS)))),
  # Mean velocity.
  'loudness': Attribute(
    _of_notes(lambda notes_Nx4: np.mean(notes_Nx4[:, VELOCITY])),
    (40, 50, 60, 66, 72, 78, 84, 90, 96, 102, 110),
  ),
  # Standard deviation of the velocities.
  'dynamics': Attribute(
    _of_notes(lambda notes_Nx4: np.std(notes_Nx4[:, VELOCITY])),
    (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 23),
  ),
  # The pitch that 1 % of the notes reach.
  'top': Attribute(
    _of_notes(lambda notes_Nx4: np.percentile(notes_Nx4[:, PITCH], 99)),
    (60, 66, 70, 73, 76, 79, 82, 85, 88, 91, 95),
  ),
  # Share of the notes that begin off the eighths, on every other 16th.
  'sixteenths': Attribute(
    _of_notes(lambda notes_Nx4: np.mean(notes_Nx4[:, ONSET] % 2)),
    (0.005, 0.015, 0.03, 0.05, 0.08, 0.11, 0.15, 0.2, 0.25, 0.3, 0.36, 0.45),
  ),
  # Share of the notes that are not in the diatonic scale that fits best.
  'chromaticism': Attribute(
    _of_notes(lambda notes_Nx4: 1 - in_key_share(notes_Nx4)),
    (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2),
  ),
  # What bars have in common with those 4 and 8 bars before, the mean of both: self-similarity.
  'repetition': Attribute(_repetition, (0.05, 0.08, 0.11, 0.14, 0.17, 0.2, 0.25, 0.3, 0.4)),
}
