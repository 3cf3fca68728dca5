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
  """Eighths that are said to come again of `said_echoes`: at least, and less than; two (C, S).

  Args:
    repeat_C: what bars repeat, ids.
    return_C: what returns in them, ids; None where the model does not say it.
    config: of the model.
  """
  repeat_Cx1 = repeat.eighths_of(repeat_C)[:, None]
  each = [(repeat_Cx1, repeat_Cx1 + 1)]
  if config.returns:
    each.insert(0, returns.eighths_of(return_C, config))
  return tuple(jnp.concatenate(x_CxS, axis=1) for x_CxS in zip(*each, strict=True))


def notes_due(least_NxS, end_NxS, held_NxS, density_N, config: ModelConfig):
  """Notes of echoes that come again in a bar: at least, at most, and of how many, (N, S, 3).

  The first two may be more than there are, and the second less than none.

  Args:
    least_NxS: eighths of their notes that the bar and each echo are said to have in common.
    end_NxS: eighths that they are said to have less than.
    held_NxS: notes of each echo.
    density_N: of the bar, whose middle stands for its notes; None where the model does not say it.
    config: of the model.
  """
  notes_NxS = held_NxS
  if density_N is not None:
    notes_NxS = jnp.asarray(density.middles(config))[density_N][:, None]
  # Of n notes here, h there and b in both, b / (n + h - b) >= x / 8 as b >= x (n + h) / (8 + x).
  fewest_NxS, too_many_NxS = (
    -(-x_NxS * (notes_NxS + held_NxS) // (8 + x_NxS)) for x_NxS in (least_NxS, end_NxS)
  )
  return jnp.stack([fewest_NxS, too_many_NxS - 1, held_NxS], axis=-1)


def ids(due_NxEx3, again_NxE, missed_NxE):
  """The share of the notes left of each echo that are to come again, one of NUM_DUES, (N, E).

  The middle between the fewest and the most that keep to what was said, as far as the halo shows
  what has been.

  Args:
    due_NxEx3: see `notes_due`; zeros where nothing is said.
    again_NxE: notes of the bar so far that came again.
    missed_NxE: notes of the echo so far that did not.
  """
  fewest_NxE, most_NxE, held_NxE = (due_NxEx3[..., k] for k in range(3))
  left_NxE = jnp.maximum(held_NxE - again_NxE - missed_NxE, 0)
  twice_NxE = sum(jnp.clip(x_NxE - again_NxE, 0, left_NxE) for x_NxE in (fewest_NxE, most_NxE))
  share_NxE = (NUM_SHARES * twice_NxE + left_NxE) // jnp.maximum(2 * left_NxE, 1)
  return jnp.where(left_NxE > 0, 1 + share_NxE, 0)
