"""launch/tpu_pod.sh: the commands of each part, and what it does about a pod that went away."""

from pathlib import Path

import pytest

FLAGS = (
  '--',
  '--config=configs/w512.py',
  '--workdir=gs://bucket/run',
  '--config.data.transpose=(-5,6)',
)
POD = ('--name=w', '--zone=us-east5-b')
# A pod whose state and whose machines' words are in files, and become those of a good end.
GCLOUD = """#!/usr/bin/env bash
echo "$*" >> asked
case "$*" in
  *describe*) cat state ;;
  *SubState*) cat words ;;
  *ExecMainStatus*) cat codes ;;
  *create*) echo ACTIVE > state ;;
  *systemd-run*)
    printf 'exited\\nexited\\n' > words
    command=${!#}
    [[ ! -d fractaljax ]] || bash -c "${command#--command=}"
    ;;
esac
"""
# The service of the first machine, as systemd minds it; the second machine's ends well.
SYSTEMD_RUN = """#!/usr/bin/env bash
properties="$* "
while [[ $1 == -* ]]; do shift; done
code=1
while ((code)) && [[ $properties != *"RestartPreventExitStatus=$code "* ]]; do
  "$@" &
  echo $! > main_process
  code=0
  wait $! || code=$?
done
((code)) && word=failed || word=exited
printf "$word\\nexited\\n" > ../words
printf "$code\\n0\\n" > ../codes
"""
# Somebody stops the service while it runs for the first time: it saves and exits 0.
PYTHON = """#!/usr/bin/env bash
trap 'exit 0' TERM
if mkdir first_time; then
  until [[ -s main_process ]]; do :; done
  kill -TERM "$(<main_process)"
  /bin/sleep 0.2
fi
"""


@pytest.fixture
def pod(tmp_path, launch):
  """pod(state, words, command): runs a command on a pod in that state.

  Returns its exit code, what it wrote on stderr, and what was asked for.
  """
  for name, script in {'gcloud': GCLOUD, 'git': '#!/bin/sh\n', 'sleep': '#!/bin/sh\n'}.items():
    (tmp_path / name).write_text(script)
    (tmp_path / name).chmod(0o755)

  def run(
    state: str, words: str, command: str, codes: str = '0\n0\n'
  ) -> tuple[int, str, list[str]]:
    (tmp_path / 'state').write_text(f'{state}\n' if state else '')
    (tmp_path / 'words').write_text(words)
    (tmp_path / 'codes').write_text(codes)
    ended = launch('tpu_pod.sh', command, *POD, *FLAGS)
    lines = (tmp_path / 'asked').read_text().splitlines()
    parts = ('delete', 'create', 'scp', 'systemd-run')
    asked = [part for line in lines for part in parts if f' {part} ' in line]
    return ended.returncode, ended.stderr, asked

  return run


def test_the_pod_that_is_asked_for(dry_run):
  flags = (*POD, '--type=v6e-16', '--runtime=v2-alpha-tpuv6e', '--dry-run')
  [line] = dry_run('tpu_pod.sh', 'create', *flags)
  assert line == [
    *('gcloud', 'compute', 'tpus', 'queued-resources', 'create', 'w', '--node-id=w'),
    *('--zone=us-east5-b', '--accelerator-type=v6e-16', '--runtime-version=v2-alpha-tpuv6e'),
    '--spot',
  ]
  [line_on_demand] = dry_run('tpu_pod.sh', 'create', *flags, '--on-demand')
  assert line_on_demand == line[:-1]


def test_run_installs_and_starts_on_all_machines(dry_run):
  archive, copy, install, start = dry_run('tpu_pod.sh', 'run', *POD, '--dry-run', *FLAGS)
  assert archive[:2] == ['git', 'archive'] and archive[-1] == 'HEAD'
  tpu_vm = ['gcloud', 'compute', 'tpus', 'tpu-vm']
  assert copy[:5] == [*tpu_vm, 'scp'] and copy[-1] == '--worker=all'
  for line in (install, start):
    assert line[:-1] == [*tpu_vm, 'ssh', 'w', '--zone=us-east5-b', '--worker=all']
  assert "'.[tpu,remote]'" in install[-1]
  # What the shell of the machine sees: the parentheses are quoted once more for it.
  assert start[-1].endswith(
    ' $PWD/launch/stoppable.sh $PWD/.venv/bin/python -m fractaljax.main --distributed=auto '
    '--config=configs/w512.py '
    r'--workdir=gs://bucket/run --config.data.transpose=\(-5\,6\)'
  )


@pytest.mark.parametrize('command', ['status', 'logs', 'stop', 'delete'])
def test_the_other_parts_name_the_pod(dry_run, command):
  for line in dry_run('tpu_pod.sh', command, *POD, '--dry-run'):
    assert line[:3] == ['gcloud', 'compute', 'tpus'] and line[5] == 'w'
    assert '--zone=us-east5-b' in line


@pytest.mark.parametrize(
  'state, words, done',
  [
    ('ACTIVE', 'running\nrunning\n', []),
    ('ACTIVE', 'exited\nexited\n', []),
    ('ACTIVE', 'running\nfailed\n', ['scp', 'systemd-run']),
    ('ACTIVE', 'dead\ndead\n', ['scp', 'systemd-run']),
    ('SUSPENDED', '', ['delete', 'create', 'scp', 'systemd-run']),
    ('FAILED', '', ['delete', 'create', 'scp', 'systemd-run']),
    ('', '', ['create', 'scp', 'systemd-run']),
  ],
)
def test_resume_does_what_the_state_asks_for(pod, state, words, done):
  code, stderr, asked = pod(state, words, 'resume', codes='143\n1\n')
  assert code == 0 and asked == done, stderr


@pytest.mark.parametrize('command', ['resume', 'watch'])
def test_a_program_that_refuses_to_run_is_not_started_again(pod, command):
  code, stderr, asked = pod('ACTIVE', 'failed\nfailed\n', command, codes='2\n1\n')
  assert code == 3 and not asked
  assert 'refuses to run' in stderr


def test_watch_ends_once_every_machine_has_finished(pod):
  code, stderr, asked = pod('SUSPENDED', 'running\nexited\n', 'watch')
  assert code == 0 and asked == ['delete', 'create', 'scp', 'systemd-run'], stderr


def test_watch_starts_again_what_was_stopped_from_outside(pod, tmp_path):
  machine = tmp_path / 'fractaljax'
  fakes = {
    tmp_path / 'sudo': '#!/bin/sh\nexec "$@"\n',
    tmp_path / 'systemctl': '#!/bin/sh\n',
    tmp_path / 'systemd-run': SYSTEMD_RUN,
    machine / '.venv' / 'bin' / 'python': PYTHON,
  }
  for path, script in fakes.items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)
  (machine / 'launch').symlink_to(Path(__file__).parents[2] / 'launch')
  code, stderr, asked = pod('ACTIVE', 'dead\ndead\n', 'watch')
  assert code == 0 and asked == 2 * ['scp', 'systemd-run'], stderr
