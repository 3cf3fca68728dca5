"""Folding: a long roll as a square one, the second half of the time below the first."""

import numpy as np

from fractaljax.errors import UserError


def fold(roll_PxT: np.ndarray) -> np.ndarray:
  """Puts the second half of the steps below the first: 128 x 512 becomes 256 x 256.

  Returns:
    (2P, T/2), of the same dtype. `unfold` is the exact inverse.

  Raises:
    UserError: T is odd.
  """
  num_steps = roll_PxT.shape[1]
  if num_steps % 2:
    raise UserError(f'a roll of {num_steps} steps cannot be folded; give an even number')
  return np.concatenate(np.split(roll_PxT, 2, axis=1), axis=0)


def unfold(roll_QxS: np.ndarray) -> np.ndarray:
  """Undoes `fold`: (2P, T/2) becomes (P, T).

  Raises:
    UserError: the number of rows is odd.
  """
  num_rows = roll_QxS.shape[0]
  if num_rows % 2:
    raise UserError(f'a roll of {num_rows} rows cannot be unfolded; give an even number')
  return np.concatenate(np.split(roll_QxS, 2, axis=0), axis=1)
