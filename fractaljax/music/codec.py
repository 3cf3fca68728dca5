"""The codec: notes to token rolls and back."""

import dataclasses
import functools

import numpy as np

from fractaljax.errors import UserError

SILENCE, HOLD, FIRST_ONSET = 0, 1, 2
NUM_BINS, BIN_WIDTH = 32, 4
BINARY_VELOCITY = 80

NUM_VALUES = {'onset': FIRST_ONSET + NUM_BINS, 'velocity': 128, 'binary': 2}
NUM_FEATURES = 5
NUM_KINDS = 4


@dataclasses.dataclass(frozen=True)
class Codec:
  """How a cell of the roll spells a note. Row r of a roll is pitch `low + r`.

  `onset`: 0 silence, 1 hold, 2..33 the onset of a note with one of 32 velocity bins. Exact but for
  the velocity, which comes back within 2.
  `velocity`: 0 silence, else the velocity; a run of equal cells is one note.
  `binary`: 0 silence, 1 sounding; a run is one note, of velocity 80.

  Attributes:
    name: 'onset', 'velocity' or 'binary'.
    low: MIDI pitch of row 0.
    num_pitches: rows, P.

  Raises:
    UserError: the name is unknown, or the rows leave MIDI's 0..127.
  """

  name: str = 'onset'
  low: int = 0
  num_pitches: int = 128

  def __post_init__(self):
    if self.name not in NUM_VALUES:
      raise UserError(f'codec {self.name!r} is unknown; choose one of {", ".join(NUM_VALUES)}')
    if self.low < 0 or self.num_pitches < 1 or self.low + self.num_pitches > 128:
      raise UserError(
        f'codec low={self.low}, num_pitches={self.num_pitches}: the pitches must lie in 0..127'
      )

  @property
  def num_values(self) -> int:
    """V: values a cell can take; the ids of `unknown` and `outside` follow them."""
    return NUM_VALUES[self.name]

  @property
  def has_onsets(self) -> bool:
    """Whether a note that goes on is told from one that begins."""
    return self.name == 'onset'

  @property
  def has_velocity(self) -> bool:
    """Whether a note's tokens tell its velocity."""
    return self.name != 'binary'

  @property
  def unknown(self) -> int:
    """Id of a cell that is not known (yet)."""
    return self.num_values

  @property
  def outside(self) -> int:
    """Id of a cell where there is no song: before its start, in padding, beyond the pitches."""
    return self.num_values + 1

  def encode(self, notes_Nx4: np.ndarray, num_steps: int) -> np.ndarray:
    """Writes notes into a roll of steps 0..num_steps-1.

    A note that begins before step 0 goes on in it (as holds); ends are clipped; what lies outside
    the pitches or the steps is dropped.

    Returns:
      tokens_PxT, uint8: every id of every codec fits, those of `unknown` and `outside` too.
    """
    tokens_PxT = np.zeros((self.num_pitches, num_steps), np.uint8)
    onset_N, duration_N, pitch_N, velocity_N = np.asarray(notes_Nx4, np.int64).reshape(-1, 4).T
    row_N = pitch_N - self.low
    start_N, end_N = np.maximum(onset_N, 0), np.minimum(onset_N + duration_N, num_steps)
    heard_N = np.flatnonzero((row_N >= 0) & (row_N < self.num_pitches) & (start_N < end_N))
    onset_N, row_N, velocity_N, start_N, end_N = (
      x[heard_N] for x in (onset_N, row_N, velocity_N, start_N, end_N)
    )
    flat_C = tokens_PxT.reshape(-1)
    first_N = row_N * num_steps + start_N
    length_N = end_N - start_N
    # The flat indices of all cells of all notes: each note's first, counted up along its length.
    before_N = np.cumsum(length_N) - length_N
    cell_C = np.repeat(first_N - before_N, length_N) + np.arange(length_N.sum())
    if self.has_onsets:
      flat_C[cell_C] = HOLD
      struck_N = onset_N >= 0
      flat_C[first_N[struck_N]] = onset_token(velocity_N[struck_N])
    else:
      flat_C[cell_C] = np.repeat(velocity_N, length_N) if self.name == 'velocity' else 1
    return tokens_PxT

  def decode(self, tokens_PxT: np.ndarray) -> np.ndarray:
    """Reads the notes of a roll; `unknown`, `outside` and a hold with no note before it are silent.

    Returns:
      notes_Nx4, int32, sorted by (onset, pitch).
    """
    tokens_PxT = np.asarray(tokens_PxT)
    # A silent column at the end lets every note end within its own row of the flat array.
    cells_PxS = np.pad(tokens_PxT, ((0, 0), (0, 1)))
    cells_PxS[cells_PxS >= self.num_values] = SILENCE
    boundary_E = np.flatnonzero(self._begins(cells_PxS))
    token_E = cells_PxS.flat[boundary_E]
    note_N = np.flatnonzero(token_E != SILENCE)
    first_N = boundary_E[note_N]
    row_N, onset_N = np.divmod(first_N, cells_PxS.shape[1])
    duration_N = boundary_E[note_N + 1] - first_N
    velocity_N = self.velocities[token_E[note_N]]
    notes_Nx4 = np.stack([onset_N, duration_N, row_N + self.low, velocity_N], axis=1)
    return notes_Nx4[np.lexsort((row_N, onset_N))].astype(np.int32)

  def features(self) -> np.ndarray:
    """What the model reads of each id: sounding, onset, velocity (0..1), unknown, outside.

    Returns:
      float32 (V + 2, 5); silence is all zero.
    """
    table_Vx5 = np.zeros((self.num_values + 2, NUM_FEATURES), np.float32)
    table_Vx5[SILENCE + 1 : self.num_values, 0] = 1
    if self.has_onsets:
      table_Vx5[FIRST_ONSET : self.num_values, 1] = 1
    if self.has_velocity:
      table_Vx5[: self.num_values, 2] = self.velocities / 127
    table_Vx5[self.unknown, 3] = 1
    table_Vx5[self.outside, 4] = 1
    return table_Vx5

  def kinds(self) -> np.ndarray:
    """Of each id, what there is: 0 nothing known, 1 silence, 2 a note that goes on, 3 an onset.

    Codecs without onsets have notes that go on alone.
    """
    sounding_V, onset_V, _, unknown_V, outside_V = self.features().T
    return (1 + sounding_V + onset_V - unknown_V - outside_V).astype(np.int32)

  def is_note(self, tokens):
    """Whether a note is struck there, or in codecs without onsets, sounds; of any array."""
    first = FIRST_ONSET if self.has_onsets else SILENCE + 1
    return (tokens >= first) & (tokens < self.num_values)

  def to_roll(self, tokens_PxT: np.ndarray) -> np.ndarray:
    """The public roll, float32: -1 unknown, 0 silence, velocity/127. Re-struck notes merge."""
    tokens_PxT = np.asarray(tokens_PxT)
    notes_Nx4 = self.decode(tokens_PxT)
    as_velocity = dataclasses.replace(self, name='velocity')
    roll_PxT = as_velocity.encode(notes_Nx4, tokens_PxT.shape[1]).astype(np.float32) / 127
    return np.where(tokens_PxT == self.unknown, np.float32(-1), roll_PxT)

  def from_roll(self, roll_PxT: np.ndarray) -> np.ndarray:
    """Tokens of a public roll; in the onset codec a run of equal values is one note.

    Returns:
      tokens_PxT, int32.

    Raises:
      UserError: the roll has another number of rows, or values outside [-1, 1].
    """
    roll_PxT = np.asarray(roll_PxT, np.float32)
    if roll_PxT.ndim != 2 or roll_PxT.shape[0] != self.num_pitches:
      raise UserError(f'roll has shape {roll_PxT.shape}; the codec needs ({self.num_pitches}, T)')
    if not np.all(np.abs(roll_PxT) <= 1):
      raise UserError('roll has values outside [-1, 1]; give -1 unknown, 0 silence, velocity/127')
    velocity_PxT = np.clip(np.rint(roll_PxT * 127), 1, 127).astype(np.int32)
    if self.has_onsets:
      same_PxT = np.diff(roll_PxT, axis=1, prepend=np.float32(0)) == 0
      tokens_PxT = np.where(same_PxT, HOLD, onset_token(velocity_PxT))
    else:
      tokens_PxT = velocity_PxT if self.name == 'velocity' else np.ones_like(velocity_PxT)
    tokens_PxT = np.where(roll_PxT > 0, tokens_PxT, SILENCE)
    return np.where(roll_PxT < 0, self.unknown, tokens_PxT).astype(np.int32)

  @functools.cached_property
  def velocities(self) -> np.ndarray:
    """Velocity of each of the V values, int32; of a hold, 0."""
    if self.name == 'velocity':
      return np.arange(self.num_values, dtype=np.int32)
    if self.name == 'binary':
      return np.array([0, BINARY_VELOCITY], np.int32)
    centre_K = BIN_WIDTH * np.arange(NUM_BINS) + BIN_WIDTH // 2
    return np.concatenate([[0, 0], centre_K]).astype(np.int32)

  def _begins(self, cells_PxS: np.ndarray) -> np.ndarray:
    """Where something begins that is not what went before: a note, or silence."""
    if self.has_onsets:
      return cells_PxS != HOLD
    return np.diff(cells_PxS, axis=1, prepend=SILENCE) != 0


def onset_token(velocity):
  """Token of an onset of this velocity (1..127): bins are 1-4, 5-8, ... 125-127."""
  return FIRST_ONSET + (velocity - 1) // BIN_WIDTH
