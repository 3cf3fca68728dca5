"""Rhythms as they are drawn on a grid, and the weight of each place in the bar."""

import re


def spell(grid: str, unit: int = 1) -> list[tuple[int, int]]:
  """Onsets and durations, in steps, of a drawn rhythm: x strikes, - holds, . rests.

  `spell('x-.x', unit=2)` is `[(0, 4), (6, 2)]`.
  """
  return [
    (unit * note.start(), unit * (note.end() - note.start())) for note in re.finditer('x-*', grid)
  ]


def accent(step: int, steps_per_bar: int) -> int:
  """What a place in the bar adds to the velocity: most on the downbeat, least between beats."""
  if step == 0:
    return 12
  if steps_per_bar == 16 and step == 8:
    return 6
  return 2 if step % 4 == 0 else -6
