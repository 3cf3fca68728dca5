"""The spelling: token rolls of the onset codec to REMI words and back, one to one.

A roll is spelled as Bar (Position (Pitch Velocity Duration)+)* for each bar, pitches ascending.
What sounds over the left edge comes first, as Pitch Duration without Velocity: a roll has no more
of it. Durations end at the right edge, as in the roll. So both describe the same information.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from fractaljax.baselines.vocabulary import (
  BAR,
  DURATION,
  PITCH,
  POSITION,
  VELOCITY,
  Vocabulary,
)
from fractaljax.music.codec import FIRST_ONSET, HOLD, SILENCE, onset_token

Words = list[tuple[int, int]]  # (word, the step that the music stands at after it)


def spell(
  vocabulary: Vocabulary, tokens_PxT: np.ndarray, first_place: int, steps_per_bar: int
) -> Words:
  """Spells a roll without its end; `read` is the inverse.

  Args:
    vocabulary: of the words.
    tokens_PxT: a roll as `Codec.encode` writes it.
    first_place: place in the bar of step 0.
    steps_per_bar: at most 16.
  """
  ids, num_steps = vocabulary.ids, tokens_PxT.shape[1]
  words = _held(vocabulary, tokens_PxT)
  notes_Nx4 = vocabulary.codec.decode(tokens_PxT)
  onset_N, duration_N, pitch_N, velocity_N = notes_Nx4.T
  row_N, bin_N = pitch_N - vocabulary.codec.low, onset_token(velocity_N) - FIRST_ONSET
  say_N = np.stack([ids[PITCH][row_N], ids[VELOCITY][bin_N], ids[DURATION][duration_N]], axis=1)
  last = -1
  lines = [*range(-first_place, num_steps, steps_per_bar), num_steps]
  ends = np.searchsorted(onset_N, lines).tolist()
  notes = list(zip(onset_N.tolist(), say_N.tolist(), strict=True))
  for line, begin, end in zip(lines, ends, ends[1:], strict=False):
    words.append((int(ids[BAR][0]), max(line, 0)))
    for step, say_3 in notes[begin:end]:
      if step != last:
        words.append((int(ids[POSITION][step - line]), step))
        last = step
      words += [(word, step) for word in say_3]
  return words


def _held(vocabulary: Vocabulary, tokens_PxT: np.ndarray) -> Words:
  """What sounds over the left edge."""
  words = []
  for row in np.flatnonzero(tokens_PxT[:, 0] == HOLD):
    rest_T = tokens_PxT[row] != HOLD
    length = int(rest_T.argmax()) if rest_T.any() else len(rest_T)
    words += [(int(vocabulary.ids[PITCH][row]), 0), (int(vocabulary.ids[DURATION][length]), 0)]
  return words


def read(
  vocabulary: Vocabulary,
  word_S: Sequence[int],
  first_place: int,
  steps_per_bar: int,
  num_steps: int,
) -> np.ndarray:
  """The roll that words spell; what does not belong to a whole note is passed over.

  Returns:
    tokens_PxT, uint8, T = num_steps.
  """
  tokens_PxT = np.full((vocabulary.codec.num_pitches, num_steps), SILENCE, np.uint8)
  for step, row, token, duration in _notes(vocabulary, word_S, first_place, steps_per_bar):
    tokens_PxT[row, step : step + duration] = HOLD
    tokens_PxT[row, step : step + 1] = token
  return tokens_PxT


def _notes(
  vocabulary: Vocabulary, word_S: Sequence[int], first_place: int, steps_per_bar: int
) -> Iterator[tuple[int, int, int, int]]:
  """The step, row, first token and duration of each note."""
  line, step, row, token = None, 0, None, HOLD
  for word in word_S:
    kind, value = int(vocabulary.kind_V[word]), int(vocabulary.value_V[word])
    if kind == BAR:
      line = -first_place if line is None else line + steps_per_bar
      step = max(line, 0)
    elif kind == POSITION:
      step = line + value
    elif kind == PITCH:
      row, token = value, HOLD
    elif kind == VELOCITY:
      token = FIRST_ONSET + value
    elif kind == DURATION:
      yield step, row, token, value
