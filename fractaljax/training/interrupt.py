"""Stopping a run from outside: Ctrl-C, or SIGTERM from a scheduler."""

import signal

import jax
from jax.experimental import multihost_utils


class Interrupt:
  """While entered, remembers that a stop was asked for; a second Ctrl-C stops at once.

  Of several processes, all stop after the same step: JAX listens to SIGTERM then, and lets the
  processes agree.
  """

  def __init__(self):
    self._was_asked = False
    self._alone = jax.process_count() == 1

  def requested(self, step: int) -> bool:
    """Whether to stop after `step`; each process asks after every step."""
    return self._was_asked if self._alone else multihost_utils.reached_preemption_sync_point(step)

  def __enter__(self) -> 'Interrupt':
    signals = (signal.SIGINT, signal.SIGTERM) if self._alone else ()
    self._before = {s: signal.signal(s, self._remember) for s in signals}
    return self

  def _remember(self, number: int, frame):
    if self._was_asked and number == signal.SIGINT:
      raise KeyboardInterrupt
    self._was_asked = True

  def __exit__(self, *error):
    for number, handler in self._before.items():
      signal.signal(number, handler)
