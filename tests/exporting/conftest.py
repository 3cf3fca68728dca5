"""What the tests of exports share."""

import pytest

from runs import tiny_config, write_run


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """The folder of a run."""
  workdir = tmp_path_factory.mktemp('run') / 'run'
  write_run(workdir, tiny_config(**{'model.echoes': (9,), 'model.matches': 1, 'model.repeats': 2}))
  return workdir
