"""launch/local.sh: what each process is told, and that all of them end together."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / 'launch' / 'local.sh'
FLAGS = ('--config=configs/demo.py', '--config.data.transpose=(-5,6)')


def _start(program, tmp_path, *flags, **environment):
  return subprocess.Popen(
    ['bash', str(SCRIPT), *flags],
    env={**os.environ, 'PYTHON': str(program), **environment},
    cwd=tmp_path,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def _wait_for(path: Path, text: str):
  deadline = time.monotonic() + 10
  while not path.is_file() or text not in path.read_text():
    assert time.monotonic() < deadline, f'{text!r} does not come in {path}'
    time.sleep(0.02)


def _processes_in(folder: Path) -> list[str]:
  """Command lines of the processes that work in a folder."""
  found = []
  for process in Path('/proc').glob('[0-9]*'):
    try:
      if (process / 'cwd').resolve() == folder:
        found.append((process / 'cmdline').read_text().replace('\0', ' '))
    except OSError:  # it has ended, or is another user's
      continue
  return found


def test_every_process_gets_its_number_and_the_same_coordinator(dry_run):
  lines = dry_run('local.sh', '--processes=3', '--port=4321', '--dry-run', '--', *FLAGS)
  program = ['python', '-m', 'fractaljax.main', *FLAGS]
  assert lines == [
    [*program, '--coordinator=127.0.0.1:4321', '--num_processes=3', f'--process_id={i}']
    for i in range(3)
  ]


def test_simulated_devices_go_beside_the_flags_that_xla_has(dry_run):
  flags = ('--processes=2', '--devices=4', '--dry-run', '--command=evaluate', '--')
  for line in dry_run('local.sh', *flags, XLA_FLAGS='--xla_dump_to=x'):
    assert line[:3] == [
      'env',
      'JAX_PLATFORMS=cpu',
      'XLA_FLAGS=--xla_dump_to=x --xla_force_host_platform_device_count=4',
    ]
    assert line[3:6] == ['python', '-m', 'fractaljax.evaluate']


@pytest.mark.slow
def test_output_is_prefixed_and_kept_in_a_log_each(program, launch, tmp_path):
  ended = launch('local.sh', '--processes=2', '--logs=logs', PYTHON=str(program), ENDS='1')
  assert ended.returncode == 0
  for i in range(2):
    log = (tmp_path / 'logs' / f'process_{i}.log').read_text()
    assert f'--process_id={i}' in log
    assert f'[{i}] {log}' in ended.stdout


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self').exists(), reason='looks for processes in /proc')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_every_process_and_leaves_none(interruptible, program, tmp_path, number):
  script = _start(program, tmp_path, '--processes=2', '--logs=logs')
  logs = [tmp_path / 'logs' / f'process_{i}.log' for i in range(2)]
  for log in logs:
    _wait_for(log, 'started')
  assert len(_processes_in(tmp_path)) > 4
  script.send_signal(number)
  script.communicate(timeout=10)
  assert script.returncode == 0
  for log in logs:
    assert log.read_text().count(f'got {number.name.removeprefix("SIG")}') == 1
  assert _processes_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self').exists(), reason='looks for processes in /proc')
def test_one_failure_ends_all_and_its_code_is_the_scripts(program, tmp_path):
  flags = ('--processes=3', '--logs=logs', '--grace=1')
  script = _start(program, tmp_path, *flags, FAILS='1', IGNORES='TERM')
  _, errors = script.communicate(timeout=10)
  assert script.returncode == 7
  assert 'exit code 7' in errors
  assert 'got TERM' in (tmp_path / 'logs' / 'process_0.log').read_text()
  assert _processes_in(tmp_path) == []
