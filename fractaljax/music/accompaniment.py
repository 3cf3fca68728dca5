"""Accompaniments of the synthetic corpus: a bass and a three-part chord, in drawn patterns."""

from typing import NamedTuple

from fractaljax.music.melody import Tone
from fractaljax.music.rhythm import spell

EIGHTH = 2  # steps; one character of a pattern
BASS_LOW = 36


class Pattern(NamedTuple):
  """One bar, drawn: the chord's root and fifth in the bass, and its three tones above."""

  root: str
  fifth: str
  bottom: str
  middle: str
  top: str


PATTERNS = {
  16: (
    # Alberti bass.
    Pattern('x-------', '........', 'x...x...', '..x...x.', '.x.x.x.x'),
    # A broken chord, up and down.
    Pattern('x---x---', '........', '.x...x..', '..x.x.x.', '...x...x'),
    # Block chords on the beats.
    Pattern('x-------', '........', 'x-x-x-x-', 'x-x-x-x-', 'x-x-x-x-'),
    # Stride: the bass on the strong beats, chords on the weak ones.
    Pattern('x-......', '....x-..', '..x...x.', '..x...x.', '..x...x.'),
    # Half-note chords over a walking root and fifth.
    Pattern('x-..x-..', '..x-..x-', 'x---x---', 'x---x---', 'x---x---'),
    # An arpeggio that rings on.
    Pattern('x-------', '....x---', 'x-------', '.x--x---', '..x-.x--'),
    # Charleston.
    Pattern('x-------', '......x-', 'x--x----', 'x--x----', 'x--x----'),
  ),
  12: (
    # Waltz.
    Pattern('x-----', '......', '..x-x-', '..x-x-', '..x-x-'),
    # A broken chord.
    Pattern('x-----', '......', 'x---x-', '.x.x.x', '..x...'),
    # Block chords.
    Pattern('x---..', '....x-', 'x-x-x-', 'x-x-x-', 'x-x-x-'),
  ),
}
LAST = {
  16: Pattern('x-------', '........', 'x-------', 'x-------', 'x-------'),
  12: Pattern('x-----', '......', 'x-----', 'x-----', 'x-----'),
}


def accompany(pattern: Pattern, chord: tuple[int, int, int], low: int) -> list[Tone]:
  """One bar of a pattern on a chord.

  The upper parts stay in the octave above `low` (>= 48), whichever inversion that is, so that they
  lead smoothly from chord to chord and never meet the bass, which keeps to 36..47.

  Args:
    pattern: which voice plays when.
    chord: pitch classes: root, third, fifth.
    low: lowest pitch of the upper parts.
  """
  root, _, fifth = chord
  bass = (_at_or_above(BASS_LOW, root), _at_or_above(BASS_LOW, fifth))
  upper = sorted(_at_or_above(low, pitch_class) for pitch_class in chord)
  return [
    Tone(step, duration, pitch)
    for grid, pitch in zip(pattern, (*bass, *upper), strict=True)
    for step, duration in spell(grid, EIGHTH)
  ]


def _at_or_above(low: int, pitch_class: int) -> int:
  return low + (pitch_class - low) % 12
