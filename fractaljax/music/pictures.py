"""Pictures of piano rolls: a figure for people, a small image for a dashboard."""

import functools
from typing import IO

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgba_array
from matplotlib.figure import Figure

from fractaljax.music.codec import FIRST_ONSET, Codec
from fractaljax.music.notes import DURATION, ONSET, PITCH, VELOCITY

PAPER, BLACK_KEY_ROW, BAR_LINE, BEAT_LINE = '#ffffff', '#f0f2f6', '#a9afba', '#e1e4ea'
QUIET_TO_LOUD = LinearSegmentedColormap.from_list(
  'quiet_to_loud', ('#a7d3e8', '#4a9bd1', '#4b53b5', '#8a2a86', '#d0234f')
)
BLACK_KEYS = (1, 3, 6, 8, 10)
# Colour ids of an image that are not velocities.
PAPER_ID, BLACK_ROW_ID, BAR_ID = 0, 128, 129


def save_roll(
  notes_Nx4: np.ndarray,
  num_steps: int,
  path: str | IO[bytes],
  steps_per_bar: int = 16,
  title: str = '',
) -> None:
  """Draws a song as a piano roll: pitch upwards, time in bars, colour for velocity.

  Args:
    notes_Nx4: the notes.
    num_steps: length of the picture in steps.
    path: where it goes; the ending names the format, such as .png; or an open file, for .png.
    steps_per_bar: between two bar lines.
    title: above the picture.
  """
  num_bars = num_steps / steps_per_bar
  # Made without pyplot, which would keep the figure alive.
  width_inch = float(np.clip(1.5 + 0.42 * num_bars, 7, 24))
  figure = Figure(figsize=(width_inch, 4.8), layout='constrained')
  axes = figure.add_subplot()
  _draw_pitches(axes, *_octaves(notes_Nx4))
  _draw_time(axes, num_bars, steps_per_bar)
  notes = PolyCollection(
    _rectangles(notes_Nx4, steps_per_bar), cmap=QUIET_TO_LOUD, edgecolor=PAPER, linewidth=0.5
  )
  notes.set(array=notes_Nx4[:, VELOCITY], clim=(1, 127), zorder=3)
  axes.add_collection(notes)
  scale = figure.colorbar(notes, ax=axes, pad=0.01, aspect=30, ticks=(1, 32, 64, 96, 127))
  scale.set_label('velocity')
  scale.outline.set_visible(False)
  axes.set_title(title, loc='left')
  figure.savefig(path, dpi=150)


def roll_image(
  notes_Nx4: np.ndarray, num_steps: int, steps_per_bar: int = 16, cell: int = 3
) -> np.ndarray:
  """A song as pixels: pitch upwards, a square of `cell` pixels a cell, the onset of each set off.

  Returns:
    uint8, (128 * cell, num_steps * cell, 3).
  """
  velocity_PxT = Codec('velocity').encode(notes_Nx4, num_steps)
  onset_PxT = Codec('onset').encode(notes_Nx4, num_steps) >= FIRST_ONSET
  silent_PxT = velocity_PxT == 0
  black_Px1 = np.isin(np.arange(128) % 12, BLACK_KEYS)[:, None]
  bar_T = np.arange(num_steps) % steps_per_bar == 0
  colour_PxT = np.where(silent_PxT & black_Px1, BLACK_ROW_ID, velocity_PxT)
  edge_PxT = np.where(silent_PxT & bar_T, BAR_ID, np.where(onset_PxT, PAPER_ID, colour_PxT))
  colour_YxX = colour_PxT.repeat(cell, axis=0).repeat(cell, axis=1)
  colour_YxX[:, ::cell] = edge_PxT.repeat(cell, axis=0)
  return _palette()[colour_YxX[::-1]]


@functools.cache
def _palette() -> np.ndarray:
  """RGB of the colour ids, uint8: paper, the velocities 1..127, a black key's row, a bar line."""
  colours = [PAPER, *QUIET_TO_LOUD(np.arange(1, 128) / 127), BLACK_KEY_ROW, BAR_LINE]
  return (to_rgba_array(colours)[:, :3] * 255).round().astype(np.uint8)


def _octaves(notes_Nx4: np.ndarray) -> tuple[int, int]:
  """Whole octaves, C to C, around the notes."""
  if len(notes_Nx4) == 0:
    return 48, 72
  pitch_N = notes_Nx4[:, PITCH]
  return int(pitch_N.min()) // 12 * 12, (int(pitch_N.max()) // 12 + 1) * 12


def _draw_pitches(axes, low: int, high: int) -> None:
  """Rows of the black keys, and a label at every C."""
  axes.set_ylim(low - 0.5, high + 0.5)
  for pitch in range(low, high + 1):
    if pitch % 12 in BLACK_KEYS:
      axes.axhspan(pitch - 0.5, pitch + 0.5, color=BLACK_KEY_ROW, linewidth=0)
  c_pitches = range(low, high + 1, 12)
  axes.set_yticks(c_pitches, [f'C{pitch // 12 - 1}' for pitch in c_pitches])
  axes.hlines([c - 0.5 for c in c_pitches], 0, 1, BEAT_LINE, transform=axes.get_yaxis_transform())


def _draw_time(axes, num_bars: float, steps_per_bar: int) -> None:
  """Bar lines, fainter beat lines where there is room for them, and bar numbers from 1."""
  axes.set_xlim(0, num_bars)
  bar_B = np.arange(0, num_bars)
  if num_bars <= 32:
    axes.vlines(
      np.arange(0, num_bars, 4 / steps_per_bar),
      0,
      1,
      BEAT_LINE,
      linewidth=0.5,
      transform=axes.get_xaxis_transform(),
    )
  axes.vlines(bar_B, 0, 1, BAR_LINE, linewidth=0.8, transform=axes.get_xaxis_transform())
  every = 1 if num_bars <= 32 else 4 * int(np.ceil(num_bars / 128))
  axes.set_xticks(bar_B[::every], [str(int(bar) + 1) for bar in bar_B[::every]])
  axes.set_xlabel('bar')
  axes.tick_params(length=0)
  axes.spines[:].set_visible(False)


def _rectangles(notes_Nx4: np.ndarray, steps_per_bar: int) -> np.ndarray:
  """Corners of each note, (N, 4, 2): time in bars, pitch."""
  left_N = notes_Nx4[:, ONSET] / steps_per_bar
  right_N = (notes_Nx4[:, ONSET] + notes_Nx4[:, DURATION]) / steps_per_bar
  bottom_N, top_N = notes_Nx4[:, PITCH] - 0.45, notes_Nx4[:, PITCH] + 0.45
  x_Nx4 = np.stack([left_N, right_N, right_N, left_N], axis=1)
  y_Nx4 = np.stack([bottom_N, bottom_N, top_N, top_N], axis=1)
  return np.stack([x_Nx4, y_Nx4], axis=2)
