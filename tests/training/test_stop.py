"""Kills and stops of the real command: nothing is lost, and the same command goes on."""

import random
import signal

import jax
import pytest

from benchmarks import kill_resume
from runs import xla_flags

NUM_STEPS = 40
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


def test_a_killed_run_ends_as_the_straight_one(straight):
  workdir, rng = straight.parent / 'killed', random.Random(0)
  for in_save in (True, False):
    where = kill_resume.kill(kill_resume.start(workdir, NUM_STEPS), workdir, rng, in_save)
    assert where or not in_save  # else it may have ended before
  kill_resume.finish(kill_resume.start(workdir, NUM_STEPS), workdir)
  assert kill_resume.is_identical([straight, workdir], NUM_STEPS)


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
