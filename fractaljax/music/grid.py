"""The 16th grid of a performance: where its steps and its bars begin."""

import math

import numpy as np

NUM_PHASES = 120  # candidates for the offset, in a step
# A file that is on the grid already stays there, though another phase may fit a little better.
TOLERANCE = 0.01
LOW_PITCH = 52  # below it, a note counts threefold as a sign of a downbeat


def onset_error(onset_N: np.ndarray, offset: float) -> float:
  """Mean distance of onsets (in steps) from the grid that begins at `offset`, in steps."""
  distance_N = onset_N - offset
  return float(np.abs(distance_N - np.rint(distance_N)).mean())


def estimate_offset(onset_N: np.ndarray) -> float:
  """The offset in [0, 1) that brings onsets (in steps) closest to whole steps; 0 if they are."""
  phase_N = np.rint(onset_N % 1 * NUM_PHASES).astype(int) % NUM_PHASES
  count_K = np.bincount(phase_N, minlength=NUM_PHASES)
  k = np.arange(NUM_PHASES)
  distance_KxK = np.abs((k[:, None] - k + NUM_PHASES // 2) % NUM_PHASES - NUM_PHASES // 2)
  error_K = distance_KxK @ count_K / (NUM_PHASES * max(len(onset_N), 1))
  best = int(error_K.argmin())
  return 0.0 if error_K[0] <= error_K[best] + TOLERANCE else best / NUM_PHASES


def estimate_downbeat(
  step_N: np.ndarray, duration_N: np.ndarray, pitch_N: np.ndarray, steps_per_bar: int
) -> int:
  """The step in the bar, 0 .. steps_per_bar - 1, at which bars seem to begin.

  It is where the most sound begins: notes weighted by their duration, up to half a bar of 4/4, low
  ones threefold, on the downbeat and half as much on the other beats.
  """
  weight_N = np.minimum(duration_N, 8) * np.where(pitch_N < LOW_PITCH, 3, 1)
  weight_S = np.bincount(step_N % steps_per_bar, weights=weight_N, minlength=steps_per_bar)
  others_S = sum(np.roll(weight_S, -beat) for beat in range(4, steps_per_bar, 4))
  return int(np.argmax(weight_S + 0.5 * others_S))


def beat_grid(beat_B: np.ndarray, half_B: np.ndarray, bar_B: np.ndarray) -> tuple[float, int]:
  """Offset and bar of beats which are a quarter apart, as POP909 annotates them.

  The bars of 3/4 are the half bars of the annotation, whose bars have six beats there. Where bars
  are irregular, most of them decide.

  Args:
    beat_B: times of the beats, in steps.
    half_B, bar_B: whether a half bar, a bar begins there.

  Returns:
    the step, not a whole one, at which a bar begins; beats in a bar, 3 or 4.
  """
  offset = float(np.median(beat_B - 4 * np.arange(len(beat_B))))
  half_beats = np.diff(np.flatnonzero(half_B))
  beats = 3 if len(half_beats) and np.median(half_beats) == 3 else 4
  begins_B = np.flatnonzero(half_B if beats == 3 else bar_B)
  first = int(np.bincount(begins_B % beats, minlength=beats).argmax())
  return offset + 4 * first, beats


def bar_before(step: float, bar_step: float, steps_per_bar: int) -> float:
  """The last bar line at or before `step`, of bars one of which begins at `bar_step`."""
  return bar_step + math.floor((step - bar_step) / steps_per_bar) * steps_per_bar
