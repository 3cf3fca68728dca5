"""Kills and stops of the real command: nothing is lost, and the same command goes on."""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

import jax
import pytest

from benchmarks import kill_resume
from forked import ROOT
from runs import xla_flags

NUM_STEPS = 40
MAX_BYTES = 40_000  # of a file on a disk that is full: more than logs have, less than a checkpoint
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
  """The folder of a run that nobody killed."""
  jax.devices()  # many of them, here; the runs have one
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('XLA_FLAGS', xla_flags(1))
    workdir = tmp_path_factory.mktemp('runs') / 'straight'
    kill_resume.finish(kill_resume.start(workdir, NUM_STEPS), workdir)
    yield workdir


def newest_logged(workdir) -> int:
  path = workdir / 'metrics.jsonl'
  lines = path.read_text().splitlines(keepends=True) if path.exists() else []
  return max((json.loads(line)['step'] for line in lines if line.endswith('\n')), default=0)


def half_saved(workdir) -> set[tuple[int, int]]:
  """The steps that are being saved, or that a kill left half, with what tells these apart."""
  found = set()
  for path in (workdir / 'checkpoints').glob('*tmp*'):
    with contextlib.suppress(FileNotFoundError):  # it is whole now
      found.add((int(path.name.partition('.')[0]), path.stat().st_ino))
  return found


def kill(workdir, step: int, in_save: bool, pause: float) -> None:
  """Kills the command a moment after it has logged a step, or in its first save from there on."""
  before, process = half_saved(workdir), kill_resume.start(workdir, NUM_STEPS)

  def is_there():
    if in_save:
      return any(found >= step for found, _ in half_saved(workdir) - before)
    return newest_logged(workdir) >= step

  while process.poll() is None:
    if is_there():
      time.sleep(pause)
      process.send_signal(signal.SIGSTOP)  # so that no save ends between the look and the kill
      os.waitpid(process.pid, os.WUNTRACED)
      if is_there():
        process.kill()
        break
      process.send_signal(signal.SIGCONT)
    time.sleep(0.002)
  assert process.wait() == -signal.SIGKILL, (workdir.parent / 'output').read_text()[-1000:]


def run_on_a_full_disk(workdir) -> None:
  """The command, which cannot save: it says so in one line, and what it has saved stays whole."""
  steps = [int(path.name) for path in (workdir / 'checkpoints').iterdir() if path.name.isdigit()]
  newest = workdir / 'checkpoints' / str(max(steps))
  before = {path: path.read_bytes() for path in newest.rglob('*') if path.is_file()}
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BYTES, hard))
  try:
    process = kill_resume.start(workdir, NUM_STEPS)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
  assert process.wait() == 2
  lines = (workdir.parent / 'output').read_text().splitlines()
  going_on, parameters, error = [line for line in lines if line.strip() and '%|' not in line]
  assert newest.name in going_on and 'parameters' in parameters
  assert error.startswith(f'error: {workdir}/checkpoints: cannot save (File too large')
  assert error.endswith('make room, and the same command goes on')
  assert {path: path.read_bytes() for path in newest.rglob('*') if path.is_file()} == before


def test_a_run_that_is_killed_and_fills_the_disk_ends_as_the_straight_one(straight):
  workdir, rng = straight.parent / 'killed', random.Random(0)
  # Of what a kill leaves in the logs, nothing is as late as the steps of the next one.
  for steps, in_save in (
    (range(1, 9), True), (range(11, 17), False), (range(17, 21), True), (range(27, 33), False),
  ):  # fmt: skip
    kill(workdir, rng.choice(steps), in_save, rng.uniform(0, 0.03))
  run_on_a_full_disk(workdir)
  kill_resume.finish(kill_resume.start(workdir, NUM_STEPS), workdir)
  assert kill_resume.is_identical([straight, workdir], NUM_STEPS)


UNSAVED = """
from fractaljax import command
from fractaljax.errors import UserError

async def write():
  pass

def main(_):
  global begun
  begun = write()  # as a save that fails leaves some of its own
  raise UserError('cannot save')

command.run(main)
"""


def test_a_save_that_fails_is_told_in_one_line():
  done = subprocess.run([sys.executable, '-c', UNSAVED], cwd=ROOT, capture_output=True, text=True)
  assert (done.returncode, done.stderr) == (2, 'error: cannot save\n')


def test_a_stopped_command_ends_well_and_says_how_to_go_on(straight):
  workdir = straight.parent / 'stopped'
  process = kill_resume.start(workdir, NUM_STEPS)
  while not (workdir / 'config.json').exists():
    assert process.poll() is None
  process.send_signal(signal.SIGTERM)
  kill_resume.finish(process, workdir)
  output = (workdir.parent / 'output').read_text()
  assert 'the same command goes on' in output
  assert 'Traceback' not in output
