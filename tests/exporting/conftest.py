"""What the tests of exports share."""

import pytest

from runs import tiny_config, write_run


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """The folder of a run."""
  workdir = tmp_path_factory.mktemp('run') / 'run'
  changes = {'echoes': (9,), 'matches': 1, 'repeats': 2, 'densities': (1, 3), 'tops': (62, 70)}
  write_run(workdir, tiny_config(**{f'model.{key}': value for key, value in changes.items()}))
  return workdir
