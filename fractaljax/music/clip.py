"""A clip: the notes of a crop, from which a device makes its tokens."""

from typing import NamedTuple

import numpy as np


class Clip(NamedTuple):
  """What a crop is made of, or a batch of that with a leading B on every field.

  Notes are few beside the cells of a roll, so it is they that travel to the devices: see
  `raster.rasterise`.

  Attributes:
    notes_4xN: int32 onsets, durations, pitches and velocities, one column a note, as in `Song`; all
      that sound in the crop or its halo, in any order, and others that do not matter. A duration of
      0 is no note: a batch is filled up with them.
    start: int32, first step of the crop.
    transpose: int32, semitones that are added to every pitch.
    num_steps: int32, length of the song.
    steps_per_bar: int32.
    attributes_A: int32 ids of the global attributes, 0 = not given.
  """

  notes_4xN: np.ndarray
  start: np.ndarray
  transpose: np.ndarray
  num_steps: np.ndarray
  steps_per_bar: np.ndarray
  attributes_A: np.ndarray
