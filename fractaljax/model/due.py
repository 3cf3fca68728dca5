"""Due: how many of the notes of an echo have to come again, and what share of those left that is.

Where it is said how much of an echo a bar has in common with it, see `fractaljax.model.repeat` and
`fractaljax.model.returns`, every note that comes again or does not leaves the others more or less
to do. Without being told what is left a model loses count, and ends with less than it said.
"""

import jax.numpy as jnp

from fractaljax.model import density, repeat, returns
from fractaljax.model.config import ModelConfig

NUM_SHARES = 32
# 0 where nothing is said, or nothing is left; then the shares, 0 to all.
NUM_DUES = 1 + NUM_SHARES + 1


def said_echoes(config: ModelConfig) -> slice:
  """The echoes of which it is said how much comes again: all of an age, by returns; the repeat."""
  return slice(0 if config.returns else len(config.echoes), config.num_aged)


def said_lags(repeat_C, config: ModelConfig):
  """How many bars before lies that of each of `said_echoes`, (C, S); 0 where none is repeated."""
  lag_Cx1 = repeat.lag_of(repeat_C)[:, None]
  lags = returns.lags(config) if config.returns else ()
  return jnp.concatenate([jnp.full_like(lag_Cx1, lag) for lag in lags] + [lag_Cx1], axis=1)


def said_eighths(repeat_C, return_C, config: ModelConfig):
  """How many eighths are said to come again of `said_echoes`, (C, S).

  Args:
    repeat_C: what bars repeat, ids.
    return_C: what returns in them, ids; None where the model does not say it.
    config: of the model.
  """
  repeat_Cx1 = repeat.eighths_of(repeat_C)[:, None]
  if not config.returns:
    return repeat_Cx1
  return jnp.concatenate([returns.eighths_of(return_C, config), repeat_Cx1], axis=1)


def of_bars(eighths_NxS, held_NxS, density_N, config: ModelConfig):
  """What `ids` asks of bars and the echoes of which something is said, (N, S, 4).

  Args:
    eighths_NxS: how many of their notes the bar and each echo are said to have in common.
    held_NxS: notes of each echo.
    density_N: of the bar; None where the model does not say it.
    config: of the model.

  Returns:
    The eighths, the notes of the echo, and those of the bar, at least and at most.
  """
  bin_Nx1 = jnp.zeros_like(eighths_NxS[:, :1]) if density_N is None else density_N[:, None]
  notes = (jnp.asarray(x_B)[bin_Nx1] for x_B in density.bounds(config))
  return jnp.stack(jnp.broadcast_arrays(eighths_NxS, held_NxS, *notes), axis=-1)


def range_of(due_NxEx4, added_NxE):
  """How many notes of each echo come again in a bar that is as was said, two (N, E).

  At least, which can be more than there are, and at most, which can be less than none.

  Args:
    due_NxEx4: see `of_bars`.
    added_NxE: notes of the bar so far that are not in the echo.
  """
  said_NxE, held_NxE, least_NxE, full_NxE = (due_NxEx4[..., k] for k in range(4))

  def from_so_many(eighths_NxE, notes_NxE):
    # Of n notes here, h there and b in both, b / (n + h - b) >= x / 8 as b >= x (n + h) / (8 + x).
    return -(-eighths_NxE * (notes_NxE + held_NxE) // (8 + eighths_NxE))

  # And there are b + added notes here, or more: b >= x (added + h) / 8.
  by_added_NxE = -(-said_NxE * (added_NxE + held_NxE) // 8)
  fewest_NxE = jnp.maximum(from_so_many(said_NxE, least_NxE), by_added_NxE)
  most_NxE = jnp.minimum(from_so_many(said_NxE + 1, full_NxE) - 1, full_NxE - added_NxE)
  return fewest_NxE, most_NxE


def ids(due_NxEx4, again_NxE, added_NxE, missed_NxE):
  """The share of the notes left of each echo that are to come again, one of NUM_DUES, (N, E).

  The middle between the fewest and the most that keep to what was said, as far as the halo shows
  what has been.

  Args:
    due_NxEx4: see `of_bars`; zeros where nothing is said.
    again_NxE: notes of the bar so far that came again.
    added_NxE: notes of the bar so far that are not in the echo.
    missed_NxE: notes of the echo so far that did not come again.
  """
  left_NxE = jnp.maximum(due_NxEx4[..., 1] - again_NxE - missed_NxE, 0)
  range_NxE = range_of(due_NxEx4, added_NxE)
  twice_NxE = sum(jnp.clip(x_NxE - again_NxE, 0, left_NxE) for x_NxE in range_NxE)
  share_NxE = (NUM_SHARES * twice_NxE + left_NxE) // jnp.maximum(2 * left_NxE, 1)
  return jnp.where(left_NxE > 0, 1 + share_NxE, 0)
