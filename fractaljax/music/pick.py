"""Drawing one of a few things, for the synthetic corpus."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar('T')


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
  """One of the choices, each as likely.

  `Generator.choice` would take strings and tuples for arrays, and it loses a Ctrl-C that comes
  while it looks whether they are numbers.
  """
  return choices[rng.integers(len(choices))]
