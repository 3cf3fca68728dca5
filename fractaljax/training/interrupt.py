"""Stopping a run from outside: Ctrl-C, or SIGTERM from a scheduler."""

import os
import signal


class Stopped(Exception):
  """A stop was asked for in the middle of work that can be done again."""


class Interrupt:
  """While entered, remembers that a stop was asked for; a second Ctrl-C stops at once.

  Several processes stop after the same step: see `distributed.start`.

  Attributes:
    requested: whether a stop was asked for; of several processes, none knows it alone.
  """

  def __init__(self):
    self.requested = False

  def check(self) -> None:
    """Raises `Stopped` if a stop was asked for."""
    if self.requested:
      raise Stopped

  def is_due(self, step: int) -> bool:
    """Whether to stop after `step`; every process has to ask after every step."""
    # Not above: a run that waits for JAX to be imported should be stopped as well.
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
      return self.requested
    return multihost_utils.reached_preemption_sync_point(step)

  def pass_on(self) -> None:
    """Lets all processes hear of a stop that one was asked for before they had found each other."""
    import jax

    if self.requested and jax.process_count() > 1:
      self.requested = False
      os.kill(os.getpid(), signal.SIGTERM)  # JAX listens to it now

  def __enter__(self) -> 'Interrupt':
    self._before = {s: signal.signal(s, self._remember) for s in (signal.SIGINT, signal.SIGTERM)}
    return self

  def _remember(self, number: int, frame):
    if self.requested and number == signal.SIGINT:
      raise KeyboardInterrupt
    self.requested = True

  def __exit__(self, *error):
    for number, handler in self._before.items():
      signal.signal(number, handler)
