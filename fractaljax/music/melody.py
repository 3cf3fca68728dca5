"""Melodies of the synthetic corpus: motifs, bent to the chord they sound over."""

from typing import NamedTuple

import numpy as np

from fractaljax.music.pick import pick
from fractaljax.music.rhythm import spell

# One character a step.
RHYTHMS = {
  16: (
    'x---x-x-x---x---',
    'x-x-x---x-x-x---',
    'x-----x-x---x---',
    'x---x---x-x-x-x-',
    'x-x-x-x-x---x---',
    'x---x-xxx---x-x-',
    'x--xx-x-x---x---',
    'x-x-x-x-x-x-x-x-',
    'x-------x-x-x-x-',
  ),
  12: ('x---x-x-x---', 'x-----x-x---', 'x-x-x-x-x---', 'x---x---x-x-', 'x-------x-x-'),
}
CADENCES = {
  16: ('x-------x-------', 'x---x---x-------', 'x---x-x-x-----..', 'x-----------....'),
  12: ('x---x-------', 'x-----------', 'x-x-x-------'),
}
LEAPS = (-3, -2, -2, -1, 1, 2, 2, 3)
CHROMATIC = 0.3  # of the passing tones that have room for it


class Motif(NamedTuple):
  """A bar's rhythm, drawn, and where the line heads at each note, in scale steps."""

  rhythm: str
  contour: tuple[int, ...]


class Tone(NamedTuple):
  """A note of one bar: onset in the bar and duration, in steps, and MIDI pitch."""

  step: int
  duration: int
  pitch: int


def invent(rng: np.random.Generator, rhythms: tuple[str, ...]) -> Motif:
  """A new motif on one of the rhythms."""
  rhythm = pick(rng, rhythms)
  return Motif(rhythm, tuple(pick(rng, LEAPS) for _ in range(rhythm.count('x'))))


def sing(
  rng: np.random.Generator,
  motif: Motif,
  chord: tuple[int, int, int],
  scale_N: np.ndarray,
  previous: int,
) -> list[Tone]:
  """One bar of melody: chord tones on the beats, steps between them, now and then chromatic.

  Args:
    rng: decides which passing tones are chromatic.
    motif: rhythm and contour.
    chord: pitch classes of the bar's chord.
    scale_N: the voice's pitches, ascending.
    previous: pitch that the line comes from.
  """
  notes = spell(motif.rhythm)
  anchors = _anchors(motif, chord, scale_N, previous)
  tones = []
  for (step, duration), leap in zip(notes, motif.contour, strict=True):
    if step in anchors:
      place = anchors[step]
    else:
      goal = next((anchors[beat] for beat, _ in notes if beat > step and beat in anchors), None)
      place = int(np.clip(_towards(place, goal, leap), 0, len(scale_N) - 1))
    tones.append(Tone(step, duration, int(scale_N[place])))
  return _coloured(rng, tones)


def come_to_rest(tones: list[Tone], root: int, scale_N: np.ndarray) -> list[Tone]:
  """The bar with its last tone on the nearest of the voice's pitches of class `root`."""
  root_N = scale_N[scale_N % 12 == root]
  nearest = root_N[np.argmin(np.abs(root_N - tones[-1].pitch))]
  return [*tones[:-1], tones[-1]._replace(pitch=int(nearest))]


def _anchors(motif, chord, scale_N, previous) -> dict[int, int]:
  """Index in `scale_N` of each note on a beat: the chord tone nearest to where the line heads."""
  chord_places = np.flatnonzero(np.isin(scale_N % 12, chord))
  place = int(np.searchsorted(scale_N, previous))
  # A line that has drifted off is drawn back, so that it does not stick to the edge of its range.
  place += (len(scale_N) // 2 - place) // 3
  anchors = {}
  for (step, _), leap in zip(spell(motif.rhythm), motif.contour, strict=True):
    if step % 4 == 0:
      place = int(chord_places[np.argmin(np.abs(chord_places - place - leap))])
      anchors[step] = place
  return anchors


def _towards(place: int, goal: int | None, leap: int) -> int:
  """A scale step towards the goal; where it is at hand, or there is none, a neighbour."""
  if goal is None or abs(goal - place) < 2:
    return place + int(np.sign(leap))
  return place + int(np.sign(goal - place))


def _coloured(rng: np.random.Generator, tones: list[Tone]) -> list[Tone]:
  """Some tones between the beats raised or lowered to lie a semitone before the next."""
  coloured = list(tones)
  for i, (tone, following) in enumerate(zip(tones, tones[1:], strict=False)):
    whole_tone = abs(following.pitch - tone.pitch) == 2
    if tone.step % 4 and whole_tone and rng.random() < CHROMATIC:
      coloured[i] = tone._replace(pitch=(tone.pitch + following.pitch) // 2)
  return coloured
