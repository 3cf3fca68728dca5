"""Stopping a run from outside: Ctrl-C, or SIGTERM from a scheduler."""

import signal


class Stopped(Exception):
  """A stop was asked for in the middle of work that can be done again."""


class Interrupt:
  """While entered, remembers that a stop was asked for; a second Ctrl-C stops at once."""

  def __init__(self):
    self.requested = False

  def check(self) -> None:
    """Raises `Stopped` if a stop was asked for."""
    if self.requested:
      raise Stopped

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
