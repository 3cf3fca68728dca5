"""Metrics of the last updates, read late so that the devices never wait for the host."""

import math
import time

import jax
import numpy as np

from fractaljax.errors import UserError


class NotFinite(UserError):
  """Too many updates in a row were skipped; `step` is the last of them."""

  def __init__(self, step: int, in_a_row: int):
    self.step = step
    super().__init__(
      f'loss or gradient not finite at step {step}, for the {in_a_row}th time in a row; go on from '
      'the last checkpoint with a lower --config.optimizer.learning_rate'
    )


class Meter:
  """Collects the metrics of updates, which are still on the devices, and gives their means.

  Args:
    every: updates in a mean.
    crops: crops an update.
    max_skipped: updates in a row that may be skipped.
    clip_norm: gradients of a larger norm were clipped.
  """

  def __init__(self, every: int, crops: int, max_skipped: int, clip_norm: float):
    self._every, self._crops = every, crops
    self._max_skipped, self._in_a_row, self._clip_norm = max_skipped, 0, clip_norm
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

    Updates that were skipped are counted, and no part of the other means.

    Raises:
      NotFinite: too many in a row were skipped.
    """
    read = jax.device_get(self._pending)
    for number, metrics in enumerate(read, start=step - len(read) + 1):
      self._in_a_row = self._in_a_row + 1 if metrics['skipped'] else 0
      if self._in_a_row == self._max_skipped:
        raise NotFinite(number, self._in_a_row)
    done = [metrics for metrics in read if not metrics['skipped']]
    means = {f'train/{k}': _mean([m[k] for m in done]) for k in (read[0] if read else ())}
    means['train/clip_rate'] = _mean([m['grad_norm'] > self._clip_norm for m in done])
    means['train/skipped'] = len(read) - len(done)
    now = time.perf_counter()
    rate = len(read) / (now - self._since)
    means |= {'train/steps_per_second': rate, 'train/crops_per_second': rate * self._crops}
    self._pending = []
    self.restart()
    return means

  def restart(self) -> None:
    """Leaves out of the rate what was done since the last reading (an evaluation, a save)."""
    self._since = time.perf_counter()


def _mean(values: list) -> float:
  return float(np.mean(values)) if values else math.nan
