"""The JobSets: valid, and their numbers and names agree with one another."""

import math
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((Path(__file__).parent / 'jobset.schema.yaml').read_text())
DISRUPTED = {'type': 'DisruptionTarget', 'status': 'True'}


@pytest.fixture(params=['tpu', 'gpu'])
def jobset(request):
  return yaml.safe_load((ROOT / 'launch' / f'gke_jobset_{request.param}.yaml').read_text())


def _job(jobset):
  [replicated] = jobset['spec']['replicatedJobs']
  job = replicated['template']['spec']
  [container] = job['template']['spec']['containers']
  return replicated, job, container


def _flags(container) -> dict[str, str]:
  assert container['args'][:3] == ['python', '-m', 'fractaljax.main']
  return dict(argument.removeprefix('--').split('=', 1) for argument in container['args'][3:])


def test_it_is_a_jobset(jobset):
  jsonschema.Draft202012Validator.check_schema(SCHEMA)
  jsonschema.validate(jobset, SCHEMA)


def test_a_misspelled_field_is_found(jobset):
  _job(jobset)[1]['backofLimit'] = 0
  with pytest.raises(jsonschema.ValidationError, match='backofLimit'):
    jsonschema.validate(jobset, SCHEMA)


def test_all_pods_start_together_and_again_after_a_disruption(jobset):
  _, job, _ = _job(jobset)
  assert job['completions'] == job['parallelism']
  # A pod that starts again by itself would wait for the others in vain.
  assert job['backoffLimit'] == 0 and job['template']['spec']['restartPolicy'] == 'Never'
  # A disruption fails the job at once, and that restarts the set without counting.
  [pod_rule] = job['podFailurePolicy']['rules']
  assert pod_rule == {'action': 'FailJob', 'onPodConditions': [DISRUPTED]}
  [rule] = jobset['spec']['failurePolicy']['rules']
  assert rule['action'] == 'RestartJobSetAndIgnoreMaxRestarts'
  assert rule['onJobFailureReasons'] == ['PodFailurePolicy']


def test_pods_run_the_images_entry_point_on_a_config_that_is_there(jobset):
  """A `command` would go past it, and a stopped pod would count as finished."""
  _, _, container = _job(jobset)
  assert 'command' not in container
  flags = _flags(container)
  assert (ROOT / flags['config']).is_file()
  assert flags['workdir'].startswith('gs://')


def test_a_slice_has_a_pod_for_each_of_its_machines():
  jobset = yaml.safe_load((ROOT / 'launch' / 'gke_jobset_tpu.yaml').read_text())
  _, job, container = _job(jobset)
  selector = job['template']['spec']['nodeSelector']
  chips = math.prod(map(int, selector['cloud.google.com/gke-tpu-topology'].split('x')))
  assert job['completions'] * container['resources']['limits']['google.com/tpu'] == chips
  assert _flags(container)['distributed'] == 'auto'


def test_gpu_pods_find_pod_0_and_know_their_number():
  jobset = yaml.safe_load((ROOT / 'launch' / 'gke_jobset_gpu.yaml').read_text())
  replicated, job, container = _job(jobset)
  flags = _flags(container)
  host, port = flags['coordinator'].split(':')
  name = f'{jobset["metadata"]["name"]}-{replicated["name"]}-0-0'
  assert host == f'{name}.{jobset["spec"]["network"]["subdomain"]}'
  assert {'containerPort': int(port)} in container['ports']
  assert int(flags['num_processes']) == job['parallelism'] * replicated['replicas']
  [variable] = re.findall(r'^\$\((\w+)\)$', flags['process_id'])
  [known] = [env for env in container['env'] if env['name'] == variable]
  index = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
  assert known['valueFrom']['fieldRef']['fieldPath'] == index
  assert job['completionMode'] == 'Indexed'
