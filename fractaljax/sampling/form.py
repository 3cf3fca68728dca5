"""Form: which bars of a piece repeat which, as musicians write it."""

import re

import numpy as np

from fractaljax.errors import UserError
from fractaljax.model.config import ModelConfig
from fractaljax.sampling.asked import FREE, check_length, check_model


def parse(form: str, config: ModelConfig, num_steps: int, steps_per_bar: int) -> np.ndarray:
  """How many bars before each bar lies the one that it is to repeat, (L,), or FREE.

  Args:
    form: sections with their bars, as 'A8 B8 A8': the bars of a section that has the name of an
      earlier one repeat those of the newest such section, one after another. Others are free, and
      so are all bars after the last section. The first section begins with the piece, prompt and
      all. How much of a bar comes again, and whether it sounds at all, the model decides.
    config: of a model that says what repeats.
    num_steps: of the piece.
    steps_per_bar: in its metre.

  Raises:
    UserError: no such sections; they are longer than the piece, or the model cannot repeat them.
  """
  asked = f'--form={form}'
  check_model(asked, config.repeats > 0, 'which bars repeat', 'repeats', config, steps_per_bar)
  if re.fullmatch(r'\s*([A-Za-z]+[1-9]\d*[\s,]*)+', form) is None:
    raise UserError(f'{asked}: give sections with their bars, as "A8 B8 A8"')
  sections = [(name, int(bars)) for name, bars in re.findall(r'([A-Za-z]+)(\d+)', form)]
  check_length(asked, sum(bars for _, bars in sections), num_steps, steps_per_bar)
  repeat_L, begun, bar = np.full(num_steps // steps_per_bar, FREE, np.int32), {}, 0
  for name, bars in sections:
    first, length = begun.get(name, (0, 0))
    if length and bar - first > config.repeats:
      raise UserError(
        f'{asked}: {name} is {bar - first} bars before the bar that repeats it, and this '
        f'model can repeat what is {config.repeats} bars before, at most (config.model.repeats)'
      )
    repeat_L[bar : bar + min(bars, length)] = bar - first
    begun[name] = bar, bars
    bar += bars
  return repeat_L
