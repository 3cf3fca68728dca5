"""launch/skypilot.yaml: valid, and what it runs on each node."""

import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
TASK = yaml.safe_load((ROOT / 'launch' / 'skypilot.yaml').read_text())
SCHEMA = yaml.safe_load((Path(__file__).parent / 'skypilot.schema.yaml').read_text())


def test_it_is_a_task():
  jsonschema.Draft202012Validator.check_schema(SCHEMA)
  jsonschema.validate(TASK, SCHEMA)


@pytest.mark.parametrize('field', ['use_spots', 'job_recoveries'])
def test_a_misspelled_field_is_found(field):
  for resources in ({field: True}, {'any_of': [{field: True}]}):
    with pytest.raises(jsonschema.ValidationError, match=field):
      jsonschema.validate(TASK | {'resources': resources}, SCHEMA)


@pytest.mark.slow
def test_a_run_that_saved_and_stopped_is_started_again(tmp_path):
  [code] = TASK['resources']['job_recovery']['recover_on_exit_codes']
  stopped = ['bash', '-c', 'trap "exit 0" TERM; kill -TERM $PPID; sleep 5 & wait']
  assert subprocess.run([ROOT / 'launch' / 'stoppable.sh', *stopped]).returncode == code


def test_each_node_gets_its_number_and_the_first_one_coordinates(tmp_path):
  python = tmp_path / '.venv' / 'bin' / 'python'
  python.parent.mkdir(parents=True)
  python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
  python.chmod(0o755)
  shutil.copytree(ROOT / 'launch', tmp_path / 'launch')
  sky = {'SKYPILOT_NODE_IPS': '10.0.0.5\n10.0.0.7', 'SKYPILOT_NUM_NODES': '2'}
  environment = {'PATH': '/usr/bin:/bin', 'SKYPILOT_NODE_RANK': '1', **sky, **TASK['envs']}
  shown = subprocess.run(
    ['bash', '-c', TASK['run']], env=environment, cwd=tmp_path, capture_output=True, text=True
  )
  assert shown.stdout.splitlines() == [
    *('-m', 'fractaljax.main', '--coordinator=10.0.0.5:8476'),
    *('--num_processes=2', '--process_id=1'),
    f'--config={TASK["envs"]["CONFIG"]}',
    f'--workdir={TASK["envs"]["WORKDIR"]}',
    f'--config.data.directory={TASK["envs"]["DATA"]}',
  ]
  assert (ROOT / TASK['envs']['CONFIG']).is_file()
