"""MIDI files: read as songs on the grid, and written so that any program plays them."""

import dataclasses
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import symusic

from fractaljax.errors import UserError
from fractaljax.music import grid
from fractaljax.music.notes import DURATION, ONSET, PITCH, Song

MAX_STEPS = 100_000
TICKS_PER_QUARTER = 480
TICKS_PER_STEP = TICKS_PER_QUARTER // 4


class MidiError(UserError):
  """A MIDI file that cannot be used.

  Attributes:
    reason: one word for counting, such as 'empty'.
  """

  def __init__(self, path, reason: str, text: str):
    super().__init__(f'{path}: {text}')
    self.reason = reason


class Performance(NamedTuple):
  """A MIDI file as it was played, drums left out; times in 16ths, not yet on a grid.

  Attributes:
    onset_N, end_N, pitch_N, velocity_N: of its notes.
    metre: the time signature that holds longest.
    tempo_bpm: mean tempo from the first to the last note, quarters a minute.
    tempo_step_K, tempo_second_K: points of the tempo map.
  """

  onset_N: np.ndarray
  end_N: np.ndarray
  pitch_N: np.ndarray
  velocity_N: np.ndarray
  metre: tuple[int, int]
  tempo_bpm: float
  tempo_step_K: np.ndarray
  tempo_second_K: np.ndarray

  def step_at(self, second_N: np.ndarray) -> np.ndarray:
    """Times in seconds as times in 16ths."""
    return np.interp(second_N, self.tempo_second_K, self.tempo_step_K)


def read(path: str | PathLike) -> Performance:
  """Reads a MIDI file.

  Raises:
    MidiError: there is no such file, it is not MIDI or damaged, it has no notes, or is too long.
  """
  score = _parse(path)
  notes = [track.notes.numpy() for track in score.tracks if not track.is_drum and track.notes]
  if not notes:
    raise MidiError(path, 'empty', 'has no notes (drums do not count)')
  scale = 4 / score.tpq
  start_N, length_N, pitch_N, velocity_N = (
    np.concatenate([track[key] for track in notes])
    for key in ('time', 'duration', 'pitch', 'velocity')
  )
  onset_N = start_N.astype(np.int64) * scale
  end_N = onset_N + length_N.astype(np.int64) * scale
  if onset_N.min() < 0 or end_N.max() > MAX_STEPS:
    raise MidiError(path, 'too_long', f'is longer than {MAX_STEPS} 16ths; split it')
  step_K, second_K = _tempo_map(score, scale, end_N.max() + 1)
  played = np.interp([onset_N.min(), end_N.max()], step_K, second_K)
  tempo_bpm = (end_N.max() - onset_N.min()) / 4 * 60 / max(played[1] - played[0], 1e-6)
  return Performance(
    onset_N,
    end_N,
    pitch_N.astype(np.int32),
    np.clip(velocity_N.astype(np.int32), 1, 127),
    _metre(score, end_N.max() / scale),
    float(np.clip(tempo_bpm, 1, 1000)),
    step_K,
    second_K,
  )


def on_grid(performance: Performance, beats_Bx3: np.ndarray | None = None) -> tuple[Song, float]:
  """Brings a performance onto the 16th grid.

  Onsets and ends are rounded each on its own, and a note is at least one step long. Of notes on one
  pitch and step one stays, as long and as loud as any of them; a note still sounding when its pitch
  is struck again ends there. A file that is off the grid by a constant is moved; then its bar lines
  are off too, so they are found from its notes, and bars of one or two quarters count as parts of
  4/4. A file that is on the grid keeps its own bars.

  Args:
    performance: what was played.
    beats_Bx3: beats, one a row, as POP909 has them: seconds, half bar begins, bar begins.

  Returns:
    the song, which begins on a bar line, and the mean onset error in steps.
  """
  metre = performance.metre
  if beats_Bx3 is not None:
    beat_B = performance.step_at(beats_Bx3[:, 0])
    bar_step, beats = grid.beat_grid(beat_B, beats_Bx3[:, 1] == 1, beats_Bx3[:, 2] == 1)
    metre = (beats, 4)
  else:
    bar_step = grid.estimate_offset(performance.onset_N)
    metre = (4, 4) if bar_step and metre in ((1, 4), (2, 4)) else metre
  steps_per_bar = metre[0] * 16 // metre[1]
  error = grid.onset_error(performance.onset_N, bar_step)
  if beats_Bx3 is None and bar_step:
    onset_N = np.rint(performance.onset_N - bar_step).astype(int)
    duration_N = performance.end_N - performance.onset_N
    bar_step += grid.estimate_downbeat(onset_N, duration_N, performance.pitch_N, steps_per_bar)
  first = np.rint(performance.onset_N.min() - bar_step)
  origin = 0.0 if bar_step == 0 else bar_step + grid.bar_before(first, 0, steps_per_bar)
  notes_Nx4 = _quantised(performance, origin)
  end = int((notes_Nx4[:, ONSET] + notes_Nx4[:, DURATION]).max())
  num_steps = -(-end // steps_per_bar) * steps_per_bar
  return Song(notes_Nx4, num_steps, metre, performance.tempo_bpm, '', float(origin)), error


def read_song(path: str | PathLike) -> Song:
  """Reads a MIDI file onto the 16th grid; raises MidiError as `read` does."""
  return dataclasses.replace(on_grid(read(path))[0], source=str(path))


def write(song: Song, path: str | PathLike, program: int = 0) -> None:
  """Writes a song as a MIDI file of one track, 480 ticks a quarter, with tempo and metre.

  Args:
    song: the song.
    path: where it goes.
    program: General MIDI instrument, 0 = grand piano.
  """
  score = symusic.Score(TICKS_PER_QUARTER)
  score.tempos.append(symusic.Tempo(0, song.tempo_bpm))
  score.time_signatures.append(symusic.TimeSignature(0, *song.metre))
  track = symusic.Track('Piano', program=program)
  for onset, duration, pitch, velocity in song.notes_Nx4.tolist():
    track.notes.append(
      symusic.Note(onset * TICKS_PER_STEP, duration * TICKS_PER_STEP, pitch, velocity)
    )
  score.tracks.append(track)
  score.dump_midi(str(path))


def _parse(path) -> symusic.Score:
  try:
    data = Path(path).read_bytes()
  except OSError as error:
    raise MidiError(path, 'unreadable', f'cannot be read ({error.strerror})') from error
  if data[:4] != b'MThd':
    raise MidiError(path, 'not_midi', 'is not a MIDI file')
  try:
    score = symusic.Score.from_midi(data)
  except (RuntimeError, ValueError) as error:
    if 'ticks per quarter' in str(error):
      raise MidiError(path, 'smpte', 'counts time in frames; export it with beats') from error
    raise MidiError(path, 'damaged', 'is damaged or cut short; export it again') from error
  if score.tpq <= 0:
    raise MidiError(path, 'damaged', 'has no ticks a quarter; export it again')
  return score


def _tempo_map(score: symusic.Score, scale: float, last_step: float):
  """Points (steps, seconds) between which the tempo is constant."""
  changes = {0: 120.0} | {tempo.time: tempo.qpm for tempo in sorted(score.tempos, key=_time)}
  step_K = np.array([*changes, max(last_step / scale, max(changes) + 1)]) * scale
  second_K = np.diff(step_K) * 15 / np.maximum(list(changes.values()), 1e-3)
  return step_K, np.concatenate([[0.0], np.cumsum(second_K)])


def _metre(score: symusic.Score, last_tick: float) -> tuple[int, int]:
  """The time signature that holds longest; 4/4 without one, or if its bar is not whole 16ths."""
  changes = sorted(score.time_signatures, key=_time)
  ends = [change.time for change in changes[1:]] + [last_tick]
  lengths = {}
  for change, end in zip(changes, ends, strict=True):
    metre = (change.numerator, change.denominator)
    lengths[metre] = lengths.get(metre, 0) + end - change.time
  beats, unit = max(lengths, key=lengths.get, default=(4, 4))
  return (beats, unit) if beats and unit and beats * 16 % unit == 0 else (4, 4)


def _time(event) -> int:
  return event.time


def _quantised(performance: Performance, origin: float) -> np.ndarray:
  """Notes on the grid that begins at `origin`, sorted by (onset, pitch), without overlaps."""
  onset_N = np.rint(performance.onset_N - origin).astype(np.int64)
  end_N = np.maximum(np.rint(performance.end_N - origin).astype(np.int64), onset_N + 1)
  order_N = np.lexsort((onset_N, performance.pitch_N))
  onset_N, end_N = onset_N[order_N], end_N[order_N]
  pitch_N, velocity_N = performance.pitch_N[order_N], performance.velocity_N[order_N]
  is_new_N = (np.diff(onset_N, prepend=-1) != 0) | (np.diff(pitch_N, prepend=-1) != 0)
  first_M = np.flatnonzero(is_new_N)
  onset_M, pitch_M = onset_N[first_M], pitch_N[first_M]
  end_M = np.maximum.reduceat(end_N, first_M)
  velocity_M = np.maximum.reduceat(velocity_N, first_M)
  same_pitch_M = np.diff(pitch_M, append=-1) == 0
  end_M = np.where(same_pitch_M, np.minimum(end_M, np.append(onset_M[1:], 0)), end_M)
  notes_Mx4 = np.stack([onset_M, end_M - onset_M, pitch_M, velocity_M], axis=1).astype(np.int32)
  return notes_Mx4[np.lexsort((notes_Mx4[:, PITCH], notes_Mx4[:, ONSET]))]
