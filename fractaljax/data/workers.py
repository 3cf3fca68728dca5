"""Worker processes that may crash or hang: the item they were at is lost, and nothing else."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple


class Failure(NamedTuple):
  """What became of an item that has no result.

  Attributes:
    reason: one word for counting: 'crashed', 'timeout', or what the function's error tells.
    text: one line.
  """

  reason: str
  text: str


class _Worker(NamedTuple):
  process: multiprocessing.Process
  pipe: Connection


def each(
  function: Callable[[Any], Any], items: Sequence, num_workers: int, timeout: float
) -> Iterator[tuple[int, Any]]:
  """Applies a function to every item in worker processes.

  Args:
    function: importable by name; what it raises becomes a `Failure`.
    items: its arguments.
    num_workers: processes.
    timeout: seconds that one item may take.

  Yields:
    (number of the item, result or Failure), as they get done.
  """
  context = multiprocessing.get_context('spawn')

  def start() -> _Worker:
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(function, there), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)

  waiting = iter(enumerate(items))
  idle = [start() for _ in range(min(num_workers, len(items)))]
  busy: dict[Connection, tuple[_Worker, int, float]] = {}
  try:
    while True:
      while idle and (following := next(waiting, None)):
        worker, (number, item) = idle.pop(), following
        worker.pipe.send(item)
        busy[worker.pipe] = worker, number, time.monotonic() + timeout
      if not busy:
        return
      ready = wait(list(busy), timeout=min(1.0, timeout))
      late = [pipe for pipe, (_, _, end) in busy.items() if time.monotonic() > end]
      for pipe in {*ready, *late}:
        worker, number, _ = busy.pop(pipe)
        result = _receive(pipe) if pipe in ready else Failure('timeout', f'took over {timeout} s')
        if isinstance(result, Failure) and result.reason in ('crashed', 'timeout'):
          _end(worker)
          worker = start()
        idle.append(worker)
        yield number, result
  finally:
    for worker in [*idle, *(worker for worker, _, _ in busy.values())]:
      _end(worker)


def _serve(function, pipe: Connection):
  """A worker's life: an item in, a result out, until the other end is gone."""
  try:
    while True:
      item = pipe.recv()
      try:
        result = function(item)
      except Exception as error:
        result = Failure(getattr(error, 'reason', type(error).__name__), str(error))
      pipe.send(result)
  except (EOFError, BrokenPipeError, KeyboardInterrupt):
    return


def _receive(pipe: Connection):
  try:
    return pipe.recv()
  except (EOFError, ConnectionResetError):
    return Failure('crashed', 'the process that read it died')


def _end(worker: _Worker):
  worker.process.kill()
  worker.process.join()
  worker.process.close()
  worker.pipe.close()
