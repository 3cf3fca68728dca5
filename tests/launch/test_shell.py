"""All scripts: shellcheck finds nothing, a wrong flag is one line and exit code 2."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

LAUNCH = Path(__file__).parents[2] / 'launch'
SHELLCHECK = shutil.which('shellcheck', path=Path(sys.executable).parent) or shutil.which(
  'shellcheck'
)


def _check(script: str) -> str:
  command = [SHELLCHECK, '--shell=bash', '-']
  return subprocess.run(command, input=script, capture_output=True, text=True).stdout


@pytest.mark.skipif(not SHELLCHECK, reason="shellcheck is absent; pip install -e '.[test]' has it")
def test_shellcheck_finds_nothing():
  scripts = {path.name: path.read_text() for path in LAUNCH.iterdir() if path.suffix != '.yaml'}
  task = yaml.safe_load((LAUNCH / 'skypilot.yaml').read_text())
  scripts |= {f'{part} of skypilot.yaml': task[part] for part in ('setup', 'run')}
  assert len(scripts) == 7
  assert {name: _check(script) for name, script in scripts.items()} == dict.fromkeys(scripts, '')


@pytest.mark.parametrize(
  'line, reason',
  [
    ('local.sh --processes=2 --colour', '--colour is not a flag'),
    ('local.sh --processes=two', '--processes=two must be a positive number'),
    ('local.sh', '--processes= must be a positive number'),
    ('local.sh --processes=2 --command=prepare', '--command=prepare must be main'),
    ('stoppable.sh', 'no command given'),
    ('slurm.sbatch --dry-run', 'give --config=FILE'),
    ('slurm_prepare.sbatch --input=midi', '--num_shards is missing'),
    ('slurm_prepare.sbatch --num_shards=4', 'not a task of a job array'),
    ('tpu_pod.sh', "'' is not a command"),
    ('tpu_pod.sh fly', "'fly' is not a command"),
    ('tpu_pod.sh create --colour', '--colour is not a flag'),
    ('tpu_pod.sh run --dry-run', 'no flags for the program'),
  ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(launch, line, reason):
  refused = launch(*line.split())
  assert refused.returncode == 2
  assert refused.stderr.startswith('error: ') and reason in refused.stderr
  assert refused.stderr.count('\n') == 1 and not refused.stdout


@pytest.mark.parametrize(
  'path', [*sorted(LAUNCH.iterdir()), LAUNCH.parent / 'Dockerfile'], ids=lambda path: path.name
)
def test_every_file_says_how_to_adapt_and_resume_it(path):
  header = path.read_text().split('\n\n')[0]
  assert '# To adapt' in header
  assert '# To resume' in header or path.name == 'stoppable.sh'
