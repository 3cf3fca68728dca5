"""Stopping a run from outside: Ctrl-C, or SIGTERM from a scheduler."""

import signal


class Interrupt:
  """While entered, remembers that a stop was asked for; a second Ctrl-C stops at once."""

  def __init__(self):
    self.requested = False

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
