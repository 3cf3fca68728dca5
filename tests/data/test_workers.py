"""Workers: a crash or a hang costs the item it happened to, and nothing else."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from absl import flags

from fractaljax.data import pipeline, workers
from fractaljax.data.workers import Failure, parse_all
from fractaljax.errors import UserError
from fractaljax.music import corpus
from fractaljax.music.codec import Codec


class Refusal(Exception):
  reason = 'refused'


def behave(item):
  """Does what the item says; the process number of the worker otherwise."""
  match item:
    case 'exit':
      os._exit(3)
    case 'kill':
      os.kill(os.getpid(), signal.SIGKILL)
    case 'segfault':
      os.kill(os.getpid(), signal.SIGSEGV)
    case 'hang':
      time.sleep(600)
    case 'refuse':
      raise Refusal('no')
    case 'raise':
      raise KeyError('x')
    case ('sleep', seconds):
      time.sleep(seconds)
  return item


def die_at_import():
  raise AssertionError


class Unknown:
  """A function that the other process cannot make."""

  def __reduce__(self):
    return die_at_import, ()


def results(items, num_workers=2, timeout=30.0):
  return list(parse_all(behave, items, num_workers, timeout))


@pytest.mark.parametrize('num_workers', [1, 3])
def test_every_item_has_its_result_once_and_in_order(num_workers):
  items = list(range(225))
  items[3] = ('sleep', 0.3)
  assert results(items, num_workers) == items


def test_no_items_need_no_processes():
  assert results([]) == []


@pytest.mark.parametrize('num_workers', [1, 2])
@pytest.mark.parametrize('batch', [1, 5])
def test_crashes_cost_only_their_own_items(num_workers, batch):
  items = ['a', 'exit', 'b', 'kill', 'segfault', 'c', 'exit']
  items += [f'filler {i}' for i in range(4 * num_workers * batch - len(items))]
  found = results(items, num_workers)
  for number, item in enumerate(items):
    if item in ('exit', 'kill', 'segfault'):
      assert isinstance(found[number], Failure) and found[number].reason == 'crashed'
    else:
      assert found[number] == item


def test_a_hang_costs_its_item_and_its_time():
  began = time.monotonic()
  found = results(['a', 'hang', 'b', 'c'], timeout=1.0)
  assert found[1].reason == 'timeout' and '1 s' in found[1].text
  assert (found[0], found[2], found[3]) == ('a', 'b', 'c')
  assert time.monotonic() - began < 20


def test_the_time_limit_is_for_an_item_not_for_all():
  found = results([('sleep', 0.4)] * 4, num_workers=1, timeout=1.2)
  assert not any(isinstance(result, Failure) for result in found)


class Watched(list):
  """Items that tell how far they were taken."""

  taken = 0

  def __getitem__(self, index):
    self.taken = max(self.taken, index if isinstance(index, int) else 0)
    return super().__getitem__(index)


def test_a_slow_item_does_not_make_the_others_pile_up(monkeypatch):
  monkeypatch.setattr(workers, 'AHEAD', 10)
  items = Watched([('sleep', 1.0), *range(1, 200)])
  stream = parse_all(behave, items, 2, 30.0)
  next(stream)
  assert items.taken < 10 + workers.BATCH
  assert list(stream) == items[1:]


def test_errors_become_failures_with_their_reason():
  found = results(['refuse', 'raise', 'a'], num_workers=1)
  assert found[0] == Failure('refused', 'no')
  assert found[1].reason == 'KeyError'
  assert found[2] == 'a'


def test_no_process_outlives_the_caller():
  stream = parse_all(behave, ['a', 'hang', 'b'], 2, 60.0)
  next(stream)
  assert multiprocessing.active_children()
  stream.close()
  assert not multiprocessing.active_children()


def test_processes_that_cannot_start_are_an_error_not_a_crash_of_every_item():
  with pytest.raises(RuntimeError, match='do not start'):
    list(parse_all(Unknown(), ['a', 'b', 'c'], 2, 30.0))
  assert not multiprocessing.active_children()


def test_ctrl_c_is_left_to_the_parent(interruptible):
  assert list(parse_all(interrupt_self, ['a', 'b'], 1, 30.0)) == ['a', 'b']


def interrupt_self(item):
  os.kill(os.getpid(), signal.SIGINT)
  return item


def stream(num_workers: int):
  """Training batches of one song, which workers have begun to cut."""
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(['test'])
  song = corpus.song(0, 0, num_bars=4)
  batches = pipeline.training_batches(
    [song], Codec(), 256, 64, 16, (0, 0), (), 0, workers=num_workers
  )
  next(batches)
  return batches


@pytest.mark.slow
def test_a_worker_of_the_stream_that_is_killed_is_told_with_what_helps():
  batches = stream(1)
  multiprocessing.active_children()[0].kill()
  with pytest.raises(UserError, match=r'exit code -9.*memory.*config\.data\.workers=1$'):
    for _ in range(100):
      next(batches)


KILLED = """
import multiprocessing, os
from test_workers import stream
batches = stream(1)
print(multiprocessing.active_children()[0].pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_the_workers_of_the_stream_end_with_a_run_that_is_killed():
  here = Path(__file__).parent
  process = subprocess.Popen(
    [sys.executable, '-c', KILLED], stdout=subprocess.PIPE, text=True,
    env=dict(os.environ, PYTHONPATH=os.pathsep.join((str(here.parents[1]), str(here)))),
  )  # fmt: skip
  worker = int(process.stdout.readline())
  try:
    process.communicate(timeout=30)  # until the worker, too, has left its end of the pipe
  finally:
    with contextlib.suppress(ProcessLookupError):
      os.kill(worker, signal.SIGKILL)
