"""The SLURM jobs: what they run, and what becomes of a job that is told to stop."""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parents[2] / 'launch'
FLAGS = ('--config=configs/w512.py', '--workdir=s3://bucket/run', '--config.data.transpose=(-5,6)')


def test_training_is_one_step_of_all_tasks(dry_run):
  [line] = dry_run('slurm.sbatch', '--dry-run', *FLAGS, SLURM_CPUS_PER_TASK='12')
  assert line == [
    *('srun', '--kill-on-bad-exit=1', '--cpus-per-task=12'),
    *('.venv/bin/python', '-m', 'fractaljax.main', '--distributed=auto'),
    *FLAGS,
  ]


def test_a_task_of_the_array_prepares_its_share(dry_run):
  flags = ('--dry-run', '--num_shards=32', '--input=midi', '--output=gs://bucket/data')
  environment = {'SLURM_ARRAY_TASK_ID': '7', 'SLURM_CPUS_PER_TASK': '4'}
  assert dry_run('slurm_prepare.sbatch', *flags, **environment) == [[
    *('.venv/bin/python', '-m', 'fractaljax.prepare'),
    *('--workers=4', '--shard_index=7', *flags[1:]),
  ]]  # fmt: skip


def test_directives_come_before_the_first_command_and_agree():
  """SLURM reads no directive after it; JAX takes one task for each GPU of a node."""
  header = (LAUNCH / 'slurm.sbatch').read_text().split('\nset -')[0]
  directives = dict(re.findall(r'^#SBATCH --([a-z-]+)=?(.*)$', header, re.MULTILINE))
  assert directives['ntasks-per-node'] == directives['gpus-per-node']
  assert 'requeue' in directives and directives['open-mode'] == 'append'
  assert re.fullmatch(r'B:USR1@\d+', directives['signal'])


# A task that saves when it is told to; srun kills it instead. scancel tells it and nobody else.
TASK = 'trap "echo saved >> did; exit" TERM; echo $$ > task; echo runs > did; sleep 20 & wait'
FAKES = {
  'srun': f"bash -c '{TASK}' & trap 'kill -KILL $!' TERM; wait $!",
  'scancel': '[[ $* == "--signal=TERM 42" ]] && kill -TERM "$(<task)"',
  'scontrol': """case $1 in
  show) echo "PreemptEligibleTime=2025-01-01T00:00:00 PreemptTime=$(cat preempted || echo None)" ;;
  *) echo "scontrol $*" >> did ;;
esac""",
}


@pytest.fixture
def job(tmp_path):
  """The training job, once its step runs; SLURM's commands are fakes that write `did`."""
  for name, script in FAKES.items():
    (tmp_path / name).write_text(f'#!/usr/bin/env bash\n{script}\n')
    (tmp_path / name).chmod(0o755)
  process = subprocess.Popen(
    ['bash', str(LAUNCH / 'slurm.sbatch'), *FLAGS],
    env={**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'SLURM_JOB_ID': '42'},
    cwd=tmp_path,
    start_new_session=True,
  )
  _wait_for(tmp_path / 'did', 'runs\n')
  yield process
  with contextlib.suppress(ProcessLookupError):  # where all have ended
    os.killpg(process.pid, signal.SIGKILL)
  process.wait()


def _wait_for(path: Path, text: str):
  deadline = time.monotonic() + 10
  while not path.is_file() or path.read_text() != text:
    assert time.monotonic() < deadline, f'{text!r} does not come in {path}'
    time.sleep(0.02)


@pytest.mark.slow
def test_a_job_whose_time_is_up_saves_and_queues_itself(job, tmp_path):
  job.send_signal(signal.SIGUSR1)
  assert job.wait(timeout=10) == 0
  assert (tmp_path / 'did').read_text() == 'runs\nsaved\nscontrol requeue 42\n'


@pytest.mark.slow
def test_a_preempted_job_saves_and_queues_itself(job, tmp_path):
  """SLURM tells the tasks alone, and when the grace time began."""
  (tmp_path / 'preempted').write_text('2025-01-01T01:00:00')
  os.kill(int((tmp_path / 'task').read_text()), signal.SIGTERM)
  assert job.wait(timeout=10) == 0
  assert (tmp_path / 'did').read_text() == 'runs\nsaved\nscontrol requeue 42\n'


@pytest.mark.slow
def test_a_job_that_is_told_to_stop_saves_and_is_not_queued(job, tmp_path):
  job.send_signal(signal.SIGTERM)
  assert job.wait(timeout=10) == 0
  assert (tmp_path / 'did').read_text() == 'runs\nsaved\n'
