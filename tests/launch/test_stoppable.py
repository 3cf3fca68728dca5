"""launch/stoppable.sh: a run that was told to stop is not taken for a finished one."""

import signal
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / 'launch' / 'stoppable.sh'
# Says when it can be stopped, and takes its time to save.
SAVES = 'trap "sleep 0.2; echo saved; exit {code}" TERM; echo ready; sleep 5 & wait'


@pytest.mark.parametrize('code', [0, 3])
def test_exit_code_of_the_command(code):
  assert subprocess.run([SCRIPT, 'sh', '-c', f'exit {code}']).returncode == code


@pytest.mark.slow
@pytest.mark.parametrize('code, expected', [(0, 143), (3, 3)])
def test_a_stopped_command_saves_and_does_not_count_as_finished(code, expected):
  command = [SCRIPT, 'bash', '-c', SAVES.format(code=code)]
  with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as script:
    assert script.stdout.readline() == 'ready\n'
    script.send_signal(signal.SIGTERM)
    assert script.stdout.readline() == 'saved\n'
    assert script.wait(timeout=10) == expected
