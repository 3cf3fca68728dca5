"""Worker processes that may crash or hang: the item they were at is lost, and nothing else."""

import contextlib
import multiprocessing
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple


class Failure(NamedTuple):
  """What became of an item that has no result.

  Attributes:
    reason: one word for counting: 'crashed', 'timeout', or the `reason` of the function's error,
      or else that error's name.
    text: one line.
  """

  reason: str
  text: str


CRASHED = Failure('crashed', 'the process that read it died')


def parse_all(
  function: Callable[[Any], Any], items: Sequence, num_workers: int, timeout: float
) -> Iterator[tuple[int, Any]]:
  """Applies a function to every item in worker processes, which are new ones, not forks.

  Args:
    function: importable by name; what it raises becomes a `Failure`.
    items: its arguments.
    num_workers: processes.
    timeout: seconds that one item may take; starting a process does not count.

  Yields:
    (number of the item, result or Failure), as they get done.

  Raises:
    RuntimeError: processes do not start, for instance because they cannot import the function.
  """
  waiting = list(enumerate(items))[::-1]
  workers: list[_Worker] = []
  try:
    while waiting or workers:
      for _ in range(min(num_workers - len(workers), len(waiting) - _num_starting(workers))):
        workers.append(_Worker(function))
      # The limit is how late a timeout may be seen.
      ready = wait([worker.pipe for worker in workers], timeout=min(0.5, timeout))
      for worker in list(workers):
        if worker.pipe in ready:
          result = worker.receive()
        elif worker.is_late(timeout):
          result = Failure('timeout', f'took over {timeout:g} s')
        else:
          continue
        if worker.number is not None:
          yield worker.number, result
        if worker.pipe in ready and result is not CRASHED and waiting:
          worker.take(*waiting.pop())
        else:
          workers.remove(worker)
          worker.end()
  finally:
    for worker in workers:
      worker.end()


class _Worker:
  """A process, with the number of the item that it is at, or None while it starts."""

  def __init__(self, function: Callable[[Any], Any]):
    context = multiprocessing.get_context('spawn')
    self.pipe, there = context.Pipe()
    self._process = context.Process(target=_serve, args=(function, there), daemon=True)
    with _without_interrupts():
      self._process.start()
    there.close()
    self.number: int | None = None

  def take(self, number: int, item: Any) -> None:
    """Starts on an item."""
    self.number, self._began = number, time.monotonic()
    # If it has died meanwhile, `receive` will tell.
    with contextlib.suppress(OSError):
      self.pipe.send(item)

  def is_late(self, timeout: float) -> bool:
    return self.number is not None and time.monotonic() > self._began + timeout

  def receive(self) -> Any:
    """The result of its item; a `Failure` if it has died instead."""
    try:
      return self.pipe.recv()
    except (EOFError, OSError, pickle.UnpicklingError) as error:
      if self.number is None:
        raise RuntimeError('worker processes do not start; see above') from error
      return CRASHED

  def end(self) -> None:
    """Ends the process, whatever it is at."""
    self._process.kill()
    self._process.join()
    self._process.close()
    self.pipe.close()


def _num_starting(workers: Sequence[_Worker]) -> int:
  return sum(worker.number is None for worker in workers)


def _serve(function: Callable[[Any], Any], pipe: Connection) -> None:
  """A worker's life: an item in, a result out, until the other end is gone."""
  with contextlib.suppress(EOFError, OSError):
    pipe.send(None)  # it has started
    while True:
      item = pipe.recv()
      try:
        result = function(item)
      except Exception as error:
        result = Failure(getattr(error, 'reason', type(error).__name__), str(error))
      pipe.send(result)


@contextlib.contextmanager
def _without_interrupts():
  """Ctrl-C reaches all processes of a terminal; those started here leave it to their parent."""
  before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
  try:
    yield
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
