"""Metrics of the last updates, read late so that the devices never wait for the host."""

import time

import jax
import numpy as np

from fractaljax.errors import UserError


class Meter:
  """Collects the metrics of updates, which are still on the devices, and gives their means.

  Args:
    every: updates in a mean.
    crops: crops an update.
    learning_rate: a function of the step.
  """

  def __init__(self, every: int, crops: int, learning_rate):
    self._every, self._crops, self._learning_rate = every, crops, learning_rate
    self._pending: list[dict] = []
    self._since = time.perf_counter()

  def add(self, step: int, metrics: dict) -> dict[str, float] | None:
    """Takes the metrics of update `step`, which has just been dispatched.

    Returns:
      the means over the `every` updates before it, once they are full. Reading them now, and not
      right after the last of them, lets the devices go on with `step` meanwhile.
    """
    full = len(self._pending) == self._every
    means = self.flush(step - 1) if full else None
    self._pending.append(metrics)
    return means

  def flush(self, step: int) -> dict[str, float]:
    """Means over what is there; `step` is the last of them.

    Raises:
      UserError: the loss is not a finite number any more.
    """
    read = jax.device_get(self._pending)
    means = {f'train/{k}': float(np.mean([m[k] for m in read])) for k in read[0]} if read else {}
    if not all(np.isfinite(list(means.values()))):
      raise UserError(
        f'the loss is not finite at step {step}; go on from the last checkpoint with a lower '
        '--config.optimizer.learning_rate'
      )
    now = time.perf_counter()
    rate = len(read) / (now - self._since)
    means |= {'train/steps_per_second': rate, 'train/crops_per_second': rate * self._crops}
    means['train/learning_rate'] = float(self._learning_rate(step))
    self._pending = []
    self.restart()
    return means

  def restart(self) -> None:
    """Leaves out of the rate what was done since the last reading (an evaluation, a save)."""
    self._since = time.perf_counter()
