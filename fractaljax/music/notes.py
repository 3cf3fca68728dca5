"""Notes on the 16th grid: the truth that everything else is made from."""

import dataclasses

import numpy as np

ONSET, DURATION, PITCH, VELOCITY = range(4)


@dataclasses.dataclass(frozen=True)
class Song:
  """A song on the 16th grid.

  Attributes:
    notes_Nx4: int32, one note a row: onset (step), duration (steps, >= 1), pitch (0..127),
      velocity (1..127), sorted by (onset, pitch). No two notes of one pitch overlap.
    num_steps: length in steps, covering every note's end: whole bars, except of the rolls of
      benchmarks, which have none.
    metre: time signature, (beats, beat unit), for instance (3, 4).
    tempo_bpm: quarters a minute.
    source: where the song came from (a path relative to the input, or a name).
    offset_steps: what was taken off every time to bring the song onto the grid, in 16ths.
  """

  notes_Nx4: np.ndarray
  num_steps: int
  metre: tuple[int, int] = (4, 4)
  tempo_bpm: float = 120.0
  source: str = ''
  offset_steps: float = 0.0

  @property
  def steps_per_bar(self) -> int:
    """Steps (16ths) in a bar."""
    return bar_steps(self.metre)

  @property
  def num_bars(self) -> int:
    return self.num_steps // self.steps_per_bar


def bar_steps(metre: tuple[int, int]) -> int:
  """Steps (16ths) in a bar of a metre."""
  beats, unit = metre
  return beats * 16 // unit
