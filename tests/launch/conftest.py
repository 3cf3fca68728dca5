"""Runs the scripts of launch/ with a fake program in place of Python, and says what they did."""

import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Writes down its arguments; then ends as the environment says, or goes on until it is told to stop
# (or for 20 seconds, where a script fails to tell it).
PROGRAM = r"""#!/usr/bin/env bash
process=${*: -1}
process=${process#--process_id=}
if [[ ${FAILS-} == "$process" ]]; then
  sleep 0.3
  exit 7
fi
for signal in INT TERM; do
  trap "echo got $signal; [[ \${IGNORES-} == $signal ]] || exit 0" "$signal"
done
sleep 20 &
echo "started with $*"
for ((i = 0; i < 400 && ! ${ENDS:-0}; i++)); do
  sleep 0.05
done
"""


@pytest.fixture
def program(tmp_path) -> Path:
  """A fake of `python`."""
  path = tmp_path / 'program'
  path.write_text(PROGRAM)
  path.chmod(0o755)
  return path


@pytest.fixture
def launch(tmp_path):
  """launch(script, *flags, **environment): the finished process; its text in stdout and stderr."""

  def run(script: str, *flags: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
      ['bash', str(ROOT / 'launch' / script), *flags],
      env={'PATH': f'{tmp_path}:/usr/bin:/bin', 'HOME': str(tmp_path), **environment},
      cwd=tmp_path,
      capture_output=True,
      text=True,
      timeout=20,
    )

  return run


@pytest.fixture
def dry_run(launch):
  """dry_run(script, *flags, **environment): the commands that it shows, each a list of words."""

  def show(script: str, *flags: str, **environment: str) -> list[list[str]]:
    shown = launch(script, *flags, **environment)
    assert shown.returncode == 0, shown.stderr
    return [shlex.split(line) for line in shown.stdout.splitlines()]

  return show
