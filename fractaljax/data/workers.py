"""Worker processes that may crash or hang: the item they were at is lost, and nothing else."""

import collections
import contextlib
import multiprocessing
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

BATCH = 16  # items a message: so many that the pipe does not matter
AHEAD = 2048  # items that may be done or under way behind one that takes its time


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
) -> Iterator[Any]:
  """Applies a function to every item in worker processes, which are new ones, not forks.

  Items travel in batches. Those of a batch that crashes or is late are tried again one by one.

  Args:
    function: importable by name; what it raises becomes a `Failure`.
    items: its arguments.
    num_workers: processes.
    timeout: seconds that one item, or a batch, may take; starting a process does not count.

  Yields:
    result or Failure of each item, in their order. However long one takes, no more than AHEAD
    behind it are kept.

  Raises:
    RuntimeError: processes do not start, for instance because they cannot import the function.
  """
  tasks, done = _Tasks(len(items), max(1, min(BATCH, len(items) // (4 * num_workers)))), {}
  workers: list[_Worker] = []
  try:
    for following in range(len(items)):
      while following not in done:
        for _ in range(min(num_workers - len(workers), len(tasks) - _num_starting(workers))):
          workers.append(_Worker(function))
        for worker in workers:
          if worker.is_idle and (numbers := tasks.take(following + AHEAD)):
            worker.start(numbers, [items[i] for i in numbers])
        for worker, results in _finished(workers, timeout):
          numbers, worker.numbers = worker.numbers, range(0)
          if isinstance(results, Failure):
            workers.remove(worker)
            worker.end()
            if len(numbers) > 1:  # one of them did it; the others are to have their results
              tasks.again(numbers)
              continue
            results = [results] * len(numbers)
          done.update(zip(numbers, results, strict=True))
      yield done.pop(following)
  finally:
    for worker in workers:
      worker.end()


class _Tasks:
  """The numbers that are still to be handed out, in batches."""

  def __init__(self, num: int, batch: int):
    self._new, self._batch, self._single = range(num), batch, collections.deque()

  def __len__(self) -> int:
    return len(self._single) + -(-len(self._new) // self._batch)

  def take(self, limit: int) -> range:
    """The next batch that begins below the limit; empty if there is none."""
    if self._single:
      return self._single.popleft()
    if not self._new or self._new[0] >= limit:
      return range(0)
    numbers, self._new = self._new[: self._batch], self._new[self._batch :]
    return numbers

  def again(self, numbers: range) -> None:
    """Hands these out once more, one by one."""
    self._single.extend(range(i, i + 1) for i in numbers)


class _Worker:
  """A process, with the numbers of the items that it is at."""

  def __init__(self, function: Callable[[Any], Any]):
    context = multiprocessing.get_context('spawn')
    self.pipe, there = context.Pipe()
    self._process = context.Process(target=_serve, args=(function, there), daemon=True)
    with _without_interrupts():
      self._process.start()
    there.close()
    self.has_started, self.numbers = False, range(0)

  @property
  def is_idle(self) -> bool:
    return self.has_started and not self.numbers

  def start(self, numbers: range, items: list) -> None:
    """Starts on a batch."""
    self.numbers, self._began = numbers, time.monotonic()
    # If it has died meanwhile, `receive` will tell.
    with contextlib.suppress(OSError):
      self.pipe.send(items)

  def is_late(self, timeout: float) -> bool:
    return bool(self.numbers) and time.monotonic() > self._began + timeout

  def receive(self) -> list | Failure:
    """The results of its batch, none when it has started; a `Failure` if it has died instead."""
    try:
      results = self.pipe.recv()
    except (EOFError, OSError, pickle.UnpicklingError) as error:
      if not self.has_started:
        raise RuntimeError('worker processes do not start; see above') from error
      return CRASHED
    self.has_started = True
    return results

  def end(self) -> None:
    """Ends the process, whatever it is at."""
    self._process.kill()
    self._process.join()
    self._process.close()
    self.pipe.close()


def _finished(workers: list[_Worker], timeout: float) -> Iterator[tuple[_Worker, list | Failure]]:
  """Waits a moment; then the workers that have something to tell, or are late."""
  # The limit is how late a timeout may be seen.
  ready = wait([worker.pipe for worker in workers], timeout=min(0.5, timeout))
  for worker in list(workers):
    if worker.pipe in ready:
      yield worker, worker.receive()
    elif worker.is_late(timeout):
      yield worker, Failure('timeout', f'took over {timeout:g} s')


def _num_starting(workers: Sequence[_Worker]) -> int:
  return sum(not worker.has_started for worker in workers)


def _serve(function: Callable[[Any], Any], pipe: Connection) -> None:
  """A worker's life: items in, results out, until the other end is gone."""
  with contextlib.suppress(EOFError, OSError):
    pipe.send([])  # it has started
    while True:
      pipe.send([_apply(function, item) for item in pipe.recv()])


def _apply(function: Callable[[Any], Any], item: Any) -> Any:
  try:
    return function(item)
  except Exception as error:
    return Failure(getattr(error, 'reason', type(error).__name__), str(error))


@contextlib.contextmanager
def _without_interrupts():
  """Ctrl-C reaches all processes of a terminal; those started here leave it to their parent."""
  # With the first process, this one would start, and take the mask away.
  resource_tracker.ensure_running()
  before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
  try:
    yield
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
