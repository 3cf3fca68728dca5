"""Chords: those of the bars of a piece, as musicians write them."""

import re

import numpy as np

from fractaljax.errors import UserError
from fractaljax.model.config import ModelConfig
from fractaljax.sampling.form import FREE

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
  patch_steps = config.levels[0].patch[1]
  if not config.chords or steps_per_bar != patch_steps:
    raise UserError(
      f'--chords={chords} needs a model that says its chords, with bars of {steps_per_bar} steps; '
      'train one with config.model.chords, and config.model.patches that begin with a bar'
    )
  names, most = chords.replace('|', ' ').split(), num_steps // patch_steps
  if len(names) > most:
    raise UserError(
      f'--chords={chords} has {len(names)} bars, and there are {most}; '
      f'give --steps={len(names) * patch_steps} or fewer chords'
    )
  ids = []
  for name in names:
    found = _NAME.fullmatch(name)
    if name == '?':
      ids.append(FREE)
    elif name == '%' and ids:
      ids.append(ids[-1])
    elif found:
      letter, sign, minor = found.groups()
      root = (_STEPS[letter] + _SIGNS[sign] + shift) % 12
      ids.append(1 + 12 * bool(minor) + root)
    else:
      raise UserError(
        f'--chords={chords}: {name!r} is no major or minor triad; write them as "C Am F G", one a '
        'bar, % for the one before again and ? for any'
      )
  return np.array(ids, np.int32)
