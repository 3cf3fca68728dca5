"""The minutes that a run may train for."""

import math
import time


class Budget:
  """The time to train for, and how the learning rate falls with it.

  After the warm-up it is a cosine of the share of the minutes that is over, so that it ends low
  however fast the machine is. Saves and evaluations do not count, compiling does.

  Args:
    minutes: in all.
    seconds: trained before, on resume.
    final_share: of the peak that the learning rate ends at.
  """

  def __init__(self, minutes: float, seconds: float, final_share: float):
    self._all, self.seconds, self._final_share = 60 * minutes, seconds, final_share
    self._since = time.perf_counter()

  def spend(self) -> None:
    """Counts the time since the last call, or since `restart`."""
    now = time.perf_counter()
    self.seconds, self._since = self.seconds + now - self._since, now

  def restart(self) -> None:
    """Leaves out what was done since the last `spend`."""
    self._since = time.perf_counter()

  @property
  def is_over(self) -> bool:
    return self.seconds >= self._all

  @property
  def done(self) -> float:
    """The share of the minutes that is over."""
    return min(self.seconds / self._all, 1.0)

  @property
  def share(self) -> float:
    """Of the peak learning rate, now."""
    return self._final_share + (1 - self._final_share) * (1 + math.cos(math.pi * self.done)) / 2
