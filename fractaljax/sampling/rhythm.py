"""Rhythm: at which steps of the bars of a piece notes begin, as it is drawn on a grid."""

import numpy as np

from fractaljax.errors import UserError
from fractaljax.model.config import ModelConfig
from fractaljax.sampling.asked import check_length, check_model, ids_of


def parse(rhythm: str, config: ModelConfig, num_steps: int, steps_per_bar: int) -> np.ndarray:
  """The rhythm of each bar that is asked for, (L,), as in `fractaljax.model.rhythm`, or FREE.

  Args:
    rhythm: bars from the beginning of the piece, prompt and all, as 'x.x. x... x.x. x... | %': x
      where notes begin, a dot where none does, one for each step; spaces are for the eye. '%' is
      the bar before again, '?' is left to the model, and so are all bars after the last one.
    config: of a model that says its rhythms.
    num_steps: of the piece.
    steps_per_bar: in its metre.

  Raises:
    UserError: a bar is no such drawing, they are more than there are, or the model says no rhythms.
  """
  asked, bars = f'--rhythm={rhythm}', [''.join(bar.split()) for bar in rhythm.split('|')]
  check_model(asked, config.rhythms, 'its rhythms', 'rhythms', config, steps_per_bar)
  check_length(asked, len(bars), num_steps, steps_per_bar)

  def read(bar: str) -> int:
    if len(bar) != steps_per_bar or set(bar) - set('x.'):
      raise UserError(
        f'{asked}: {bar!r} is no bar of {steps_per_bar} steps; write x where notes begin and . '
        'where none does, | between bars, % for the one before again and ? for any'
      )
    return sum(1 << step for step, sign in enumerate(bar) if sign == 'x')

  return np.array(ids_of(bars, read), np.int32)
