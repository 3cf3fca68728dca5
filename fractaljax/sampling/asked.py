"""What is asked of the bars of a piece: what its form, its chords and its rhythm have in common."""

from collections.abc import Callable, Sequence

from fractaljax.errors import UserError
from fractaljax.model.config import ModelConfig

FREE = -1  # left to the model


def check_model(
  asked: str, is_said: bool, what: str, key: str, config: ModelConfig, steps_per_bar: int
):
  """Raises UserError unless the model says this of its bars, and they are bars of the piece.

  Args:
    asked: the flag with its value.
    is_said: whether the model says it.
    what: it says then.
    key: of the config, without which it does not.
    config: of the model.
    steps_per_bar: in the metre of the piece.
  """
  if not is_said or steps_per_bar != config.levels[0].patch[1]:
    raise UserError(
      f'{asked} needs a model that says {what}, with bars of {steps_per_bar} steps; train one with '
      f'config.model.{key}, and config.model.patches that begin with a bar'
    )


def check_length(asked: str, num_bars: int, num_steps: int, steps_per_bar: int):
  """Raises UserError where more bars are asked for than there are."""
  if num_bars > num_steps // steps_per_bar:
    raise UserError(
      f'{asked} has {num_bars} bars, and there are {num_steps // steps_per_bar}; '
      f'give --steps={num_bars * steps_per_bar} or fewer bars'
    )


def ids_of(bars: Sequence[str], read: Callable[[str], int]) -> list[int]:
  """The id of each bar: '?' is FREE, '%' the one before again, and what else there is is read."""
  ids = []
  for bar in bars:
    if bar == '?':
      ids.append(FREE)
    else:
      ids.append(ids[-1] if bar == '%' and ids else read(bar))
  return ids
