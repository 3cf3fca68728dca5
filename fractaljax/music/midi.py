"""MIDI files: read as songs on the grid, and written so that any program plays them."""

import dataclasses
import io
import operator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import symusic

from fractaljax.errors import UserError
from fractaljax.music import grid
from fractaljax.music.notes import DURATION, ONSET, Song, bar_steps

MAX_STEPS = 100_000
MIN_TEMPO_BPM = 4.0  # MIDI's slowest is 3.6
TICKS_PER_QUARTER = 480
TICKS_PER_STEP = TICKS_PER_QUARTER // 4
BY_TIME = operator.attrgetter('time')


class MidiError(UserError):
  """A MIDI file that cannot be used.

  Attributes:
    reason: one word for counting: 'missing', 'unreadable', 'not_midi', 'damaged', 'smpte', 'empty'
      or 'too_long'.
  """

  def __init__(self, path, reason: str, text: str):
    super().__init__(f'{path}: {text}')
    self.reason = reason


class Performance(NamedTuple):
  """A MIDI file as it was played, drums left out; times in 16ths, not yet on a grid.

  Attributes:
    onset_N, end_N, pitch_N, velocity_N: of its notes.
    metre: the time signature that holds longest.
    bar_step: where it begins first, which is a bar line.
    tempo_bpm: mean tempo from the first to the last note, quarters a minute.
    tempo_step_K, tempo_second_K: points of the tempo map.
  """

  onset_N: np.ndarray
  end_N: np.ndarray
  pitch_N: np.ndarray
  velocity_N: np.ndarray
  metre: tuple[int, int]
  bar_step: float
  tempo_bpm: float
  tempo_step_K: np.ndarray
  tempo_second_K: np.ndarray

  def step_at(self, second_N: np.ndarray) -> np.ndarray:
    """Times in seconds as times in 16ths."""
    return np.interp(second_N, self.tempo_second_K, self.tempo_step_K)


def read(path: str | PathLike) -> Performance:
  """Reads a MIDI file.

  Raises:
    MidiError: the file is not there, not MIDI, damaged, without notes, or too long.
  """
  score = _parse(path)
  notes = [track.notes.numpy() for track in score.tracks if not track.is_drum and track.notes]
  if not notes:
    raise MidiError(path, 'empty', 'has no notes (drums do not count); leave it out')
  scale = 4 / score.tpq
  start_N, length_N, pitch_N, velocity_N = (
    np.concatenate([track[key] for track in notes]).astype(np.int64)
    for key in ('time', 'duration', 'pitch', 'velocity')
  )
  onset_N, end_N = start_N * scale, (start_N + length_N) * scale
  if onset_N.min() < 0 or end_N.max() > MAX_STEPS:
    raise MidiError(path, 'too_long', f'is longer than {MAX_STEPS} 16ths; split it')
  step_K, second_K = _tempo_map(score, scale)
  played = np.interp([onset_N.min(), end_N.max()], step_K, second_K)
  tempo_bpm = (end_N.max() - onset_N.min()) / 4 * 60 / max(played[1] - played[0], 1e-6)
  tempo_bpm = float(np.clip(tempo_bpm, MIN_TEMPO_BPM, 1000))
  velocity_N, (metre, bar_tick) = np.clip(velocity_N, 1, 127), _metre(score, end_N.max() / scale)
  return Performance(
    onset_N, end_N, pitch_N, velocity_N, metre, bar_tick * scale, tempo_bpm, step_K, second_K
  )


def on_grid(performance: Performance, beats_Bx3: np.ndarray | None = None) -> tuple[Song, float]:
  """Brings a performance onto the 16th grid; see `grid.quantised`.

  Args:
    performance: what was played.
    beats_Bx3: its beats, one a row, as POP909 has them: seconds, half bar begins, bar begins.

  Returns:
    the song, whose step 0 begins a bar, and the mean onset error in steps. Where the bars are not
    the file's own, it is the bar in which the first note is.
  """
  onset_N, end_N = performance.onset_N, performance.end_N
  if beats_Bx3 is None:
    # An upbeat ends a bar of its own.
    upbeat = -performance.bar_step % bar_steps(performance.metre)
    onset_N, end_N = onset_N + upbeat, end_N + upbeat
    metre, offset, are_its_own = grid.estimate_bars(
      onset_N, end_N, performance.pitch_N, performance.metre
    )
    onset_N, end_N, offset = onset_N - offset, end_N - offset, offset - upbeat
  else:
    beats, first = grid.beats_in_bar(beats_Bx3[:, 1] == 1, beats_Bx3[:, 2] == 1)
    metre, are_its_own = (beats, 4), False
    beat_B = performance.step_at(beats_Bx3[:, 0])
    offset = beat_B[first]
    time_2xN = np.stack([onset_N, end_N])
    onset_N, end_N = grid.by_beats(time_2xN, beat_B) - 4 * first
  error = grid.onset_error(onset_N)
  steps_per_bar = bar_steps(metre)
  if not are_its_own:
    start = int(np.rint(onset_N.min())) // steps_per_bar * steps_per_bar
    onset_N, end_N, offset = onset_N - start, end_N - start, offset + start
  notes_Nx4 = grid.quantised(onset_N, end_N, performance.pitch_N, performance.velocity_N)
  end = int((notes_Nx4[:, ONSET] + notes_Nx4[:, DURATION]).max())
  num_steps = -(-end // steps_per_bar) * steps_per_bar
  return Song(notes_Nx4, num_steps, metre, performance.tempo_bpm, '', float(offset)), error


def read_song(path: str | PathLike, beats_Bx3: np.ndarray | None = None) -> Song:
  """Reads a MIDI file onto the 16th grid; `read` and `on_grid` say how, and what they raise."""
  return dataclasses.replace(on_grid(read(path), beats_Bx3)[0], source=str(path))


def write(song: Song, path: str | PathLike, program: int = 0) -> None:
  """Writes a song as a MIDI file of one track, 480 ticks a quarter, with tempo and metre.

  Args:
    song: the song.
    path: where it goes.
    program: General MIDI instrument, 0..127; 0 = grand piano.

  Raises:
    OSError: the path cannot be written.
  """
  Path(path).write_bytes(_file_bytes(song, program))


def to_pretty_midi(song: Song, program: int = 0):
  """The file that `write` writes, as a `pretty_midi.PrettyMIDI`."""
  import pretty_midi  # slow, and needed only here

  return pretty_midi.PrettyMIDI(io.BytesIO(_file_bytes(song, program)))


def _file_bytes(song: Song, program: int) -> bytes:
  score = symusic.Score(TICKS_PER_QUARTER)
  score.tempos.append(symusic.Tempo(0, max(song.tempo_bpm, MIN_TEMPO_BPM)))
  score.time_signatures.append(symusic.TimeSignature(0, *song.metre))
  track = symusic.Track('Piano', program=program)
  for onset, duration, pitch, velocity in song.notes_Nx4.tolist():
    track.notes.append(
      symusic.Note(onset * TICKS_PER_STEP, duration * TICKS_PER_STEP, pitch, velocity)
    )
  score.tracks.append(track)
  return score.dumps_midi()


def _parse(path) -> symusic.Score:
  try:
    with open(path, 'rb') as file:
      data = file.read()
  except OSError as error:
    reason = 'missing' if isinstance(error, FileNotFoundError) else 'unreadable'
    raise MidiError(path, reason, f'cannot be read ({error.strerror}); see the path') from error
  if data[:4] != b'MThd':
    raise MidiError(path, 'not_midi', 'is not a MIDI file; give a .mid')
  try:
    score = symusic.Score.from_midi(data)
  except (RuntimeError, ValueError) as error:
    if 'ticks per quarter' in str(error):
      raise MidiError(path, 'smpte', 'counts time in frames; export it with beats') from error
    raise MidiError(path, 'damaged', 'is damaged or cut short; export it again') from error
  if score.tpq <= 0:
    raise MidiError(path, 'damaged', 'has no ticks a quarter; export it again')
  return score


def _tempo_map(score: symusic.Score, scale: float):
  """Points (steps, seconds) between which the tempo is constant."""
  changes = {0: 120.0} | {tempo.time: tempo.qpm for tempo in sorted(score.tempos, key=BY_TIME)}
  step_K = np.array([*changes, max(changes) + 2 * MAX_STEPS / scale]) * scale
  second_K = np.diff(step_K) * 15 / np.maximum(list(changes.values()), MIN_TEMPO_BPM)
  return step_K, np.concatenate([[0.0], np.cumsum(second_K)])


def _metre(score: symusic.Score, last_tick: float) -> tuple[tuple[int, int], float]:
  """The time signature that holds longest until then, and the tick at which it first begins.

  4/4 from the beginning without one, or if its bar is not whole 16ths.
  """
  changes = sorted(score.time_signatures, key=BY_TIME)
  ends = [change.time for change in changes[1:]] + [last_tick]
  lengths, first = {}, {}
  for change, end in zip(changes, ends, strict=False):
    metre = (change.numerator, change.denominator)
    lengths[metre] = lengths.get(metre, 0) + max(min(end, last_tick) - change.time, 0)
    first.setdefault(metre, change.time)
  metre = beats, unit = max(lengths, key=lengths.get, default=(4, 4))
  if beats and unit and beats * 16 % unit == 0:
    return metre, first.get(metre, 0)
  return (4, 4), 0
