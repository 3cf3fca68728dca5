"""Chords: those of the bars of a piece, as musicians write them."""

import re

import numpy as np

from fractaljax.errors import UserError
from fractaljax.model.config import ModelConfig
from fractaljax.sampling.asked import check_length, check_model, ids_of

_STEPS = {'C': 0, 'D': 2, 'E': 4, 'F': 5, 'G': 7, 'A': 9, 'B': 11}
_SIGNS = {'': 0, '#': 1, 'b': -1}
_NAME = re.compile('([A-G])([#b]?)(m?)')


def parse(
  chords: str, config: ModelConfig, num_steps: int, steps_per_bar: int, shift: int = 0
) -> np.ndarray:
  """The chord of each bar that is asked for, (L,), ids of `fractaljax.model.chord`, or FREE.

  Args:
    chords: triads, one a bar, from the beginning of the piece, prompt and all, as 'C Am | F G'. '%'
      is the one before again, '?' is left to the model, and so are all bars after the last one.
    config: of a model that says its chords.
    num_steps: of the piece.
    steps_per_bar: in its metre.
    shift: semitones up, to the key in which the model writes.

  Raises:
    UserError: a name is none, they are more than the bars, or the model says no chords.
  """
  asked, names = f'--chords={chords}', chords.replace('|', ' ').split()
  check_model(asked, config.chords, 'its chords', 'chords', config, steps_per_bar)
  check_length(asked, len(names), num_steps, steps_per_bar)

  def read(name: str) -> int:
    found = _NAME.fullmatch(name)
    if not found:
      raise UserError(
        f'{asked}: {name!r} is no major or minor triad; write them as "C Am F G", one a bar, % for '
        'the one before again and ? for any'
      )
    letter, sign, minor = found.groups()
    return 1 + 12 * bool(minor) + (_STEPS[letter] + _SIGNS[sign] + shift) % 12

  return np.array(ids_of(names, read), np.int32)
