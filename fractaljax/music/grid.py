"""The 16th grid of a performance: where its steps, beats and bars begin, and its notes on it."""

import numpy as np

from fractaljax.music.notes import bar_steps

NUM_PHASES = 120  # candidates for the offset, in a step
# A file that is on the grid already stays there, though another phase may fit a little better.
TOLERANCE = 0.01
LOW_PITCH = 52  # below it, a note counts threefold as a sign of a downbeat


def onset_error(onset_N: np.ndarray, offset: float = 0.0) -> float:
  """Mean distance of onsets (in steps) from the grid that begins at `offset`, in steps."""
  distance_N = onset_N - offset
  return float(np.abs(distance_N - np.rint(distance_N)).mean())


def estimate_offset(onset_N: np.ndarray) -> float:
  """The offset in [-0.5, 0.5) that brings onsets (in steps) closest to whole steps; 0 if they are.

  The phase of least mean onset error, among NUM_PHASES.
  """
  phase_N = np.rint(onset_N % 1 * NUM_PHASES).astype(int) % NUM_PHASES
  count_K = np.bincount(phase_N, minlength=NUM_PHASES)
  k = np.arange(NUM_PHASES)
  half = NUM_PHASES // 2
  distance_KxK = np.abs((k[:, None] - k + half) % NUM_PHASES - half)
  error_K = distance_KxK @ count_K / (NUM_PHASES * max(len(onset_N), 1))
  best = int(error_K.argmin())
  if error_K[0] <= error_K[best] + TOLERANCE:
    return 0.0
  return ((best + half) % NUM_PHASES - half) / NUM_PHASES


def estimate_bars(
  onset_N: np.ndarray, end_N: np.ndarray, pitch_N: np.ndarray, metre: tuple[int, int]
) -> tuple[tuple[int, int], float, bool]:
  """The bars of a file that has no beats beside it.

  A file on the grid has its own bars, and so has one that is off by less than half a step if the
  beats of its notes are those of the file: where the notes' beats are can be told with certainty,
  where their bars are less so. Any other bars come from the notes; they are bars of 4/4 if the
  file's are of one beat or two, as those of POP909 are.

  Args:
    onset_N, end_N, pitch_N: the notes, times in steps.
    metre: of the file; a bar of one beat is none.

  Returns:
    the metre; a bar line, in steps; whether the bars are the file's own.
  """
  offset = estimate_offset(onset_N)
  if offset == 0 and metre[0] > 1:
    return metre, offset, True
  guess = metre if metre[0] > 2 else (4, 4)
  step_N = np.rint(onset_N - offset).astype(int)
  downbeat = estimate_downbeat(step_N, end_N - onset_N, pitch_N, bar_steps(guess))
  if downbeat % 4 == 0 and metre[0] > 1:
    return metre, offset, True
  return guess, offset + downbeat, False


def estimate_downbeat(
  step_N: np.ndarray, duration_N: np.ndarray, pitch_N: np.ndarray, steps_per_bar: int
) -> int:
  """The step in the bar, 0 .. steps_per_bar - 1, at which bars seem to begin.

  It is where the most sound begins: notes weighted by their duration, up to half a bar of 4/4, low
  ones threefold, on the downbeat and half as much on the other beats.
  """
  weight_N = np.minimum(duration_N, 8) * np.where(pitch_N < LOW_PITCH, 3, 1)
  weight_S = np.bincount(step_N % steps_per_bar, weights=weight_N, minlength=steps_per_bar)
  others_S = sum((np.roll(weight_S, -beat) for beat in range(4, steps_per_bar, 4)), 0 * weight_S)
  return int(np.argmax(weight_S + 0.5 * others_S))


def beats_in_bar(half_B: np.ndarray, bar_B: np.ndarray) -> tuple[int, int]:
  """Bars of beats that are annotated as in POP909.

  The bars of 3/4 are the half bars of the annotation, whose bars have six beats there. Where bars
  are irregular, most of them decide.

  Args:
    half_B, bar_B: whether a half bar, a bar begins at each beat.

  Returns:
    beats in a bar, 3 or 4; the first beat, 0 .. 3, at which a bar begins.
  """
  half_beats = np.diff(np.flatnonzero(half_B))
  beats = 3 if len(half_beats) and np.median(half_beats) == 3 else 4
  begins_B = np.flatnonzero(half_B if beats == 3 else bar_B)
  return beats, int(np.bincount(begins_B % beats, minlength=beats).argmax())


def by_beats(time_N: np.ndarray, beat_B: np.ndarray) -> np.ndarray:
  """Times as steps, of which a beat has four; before the first beat and after the last, as there.

  Args:
    time_N: times, in any unit.
    beat_B: times of two or more beats in the same unit, rising.
  """
  number_B = np.arange(-1, len(beat_B) + 1)
  before = 2 * beat_B[0] - beat_B[1]
  after = 2 * beat_B[-1] - beat_B[-2]
  point_B = np.concatenate([[before], beat_B, [after]])
  i_N = np.clip(np.searchsorted(point_B, time_N, side='right') - 1, 0, len(point_B) - 2)
  return 4 * (number_B[i_N] + (time_N - point_B[i_N]) / np.diff(point_B)[i_N])


def quantised(
  onset_N: np.ndarray, end_N: np.ndarray, pitch_N: np.ndarray, velocity_N: np.ndarray
) -> np.ndarray:
  """Notes on the grid: onset and end are rounded each on its own, and a note has a step at least.

  Of notes on one pitch and step one stays, as long and as loud as any of them; a note that still
  sounds when its pitch is struck again ends there.

  Args:
    onset_N, end_N: in steps.
    pitch_N, velocity_N: integers.

  Returns:
    notes_Mx4, int32, sorted by (onset, pitch).
  """
  onset_N = np.rint(onset_N).astype(np.int64)
  end_N = np.maximum(np.rint(end_N).astype(np.int64), onset_N + 1)
  # One key of pitch and onset sorts far quicker than two; a tie is merged whatever its order.
  span = int(np.abs(onset_N).max(initial=0)) * 2 + 1
  order_N = np.argsort(pitch_N * span + onset_N)
  onset_N, end_N, pitch_N, velocity_N = (x[order_N] for x in (onset_N, end_N, pitch_N, velocity_N))
  is_new_N = np.ones(len(onset_N), bool)
  is_new_N[1:] = (onset_N[1:] != onset_N[:-1]) | (pitch_N[1:] != pitch_N[:-1])
  first_M = np.flatnonzero(is_new_N)
  onset_M, pitch_M = onset_N[first_M], pitch_N[first_M]
  end_M = np.maximum.reduceat(end_N, first_M)
  velocity_M = np.maximum.reduceat(velocity_N, first_M)
  again_K = np.flatnonzero(pitch_M[1:] == pitch_M[:-1])
  end_M[again_K] = np.minimum(end_M[again_K], onset_M[again_K + 1])
  notes_Mx4 = np.stack([onset_M, end_M - onset_M, pitch_M, velocity_M], axis=1).astype(np.int32)
  return notes_Mx4[np.argsort(onset_M * 128 + pitch_M)]
