"""Checkpoints: what is restored is what was saved; what is damaged is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fractaljax.errors import UserError
from fractaljax.mesh import data_parallel
from fractaljax.training import run_dir
from fractaljax.training.checkpoint import Checkpoints
from fractaljax.training.state import State
from runs import tiny_config


def state_at(step: int) -> State:
  params = {'w': jnp.arange(6.0).reshape(2, 3) + step}
  return State(jnp.int32(step), params, {'w': -params['w']}, (params, jnp.int32(step)))


@pytest.fixture
def placement():
  return data_parallel(jax.devices()[:1])


def test_what_was_saved_is_restored(tmp_path, placement):
  checkpoints = Checkpoints(str(tmp_path), keep=2)
  for step in (1, 2, 3):
    checkpoints.save(state_at(step), {'next_index': 10 * step})
  checkpoints.wait()
  state, data_state = checkpoints.restore(state_at(0), placement.replicated)
  assert data_state == {'next_index': 30}
  jax.tree.map(np.testing.assert_array_equal, state, state_at(3))
  params = checkpoints.restore_params(state_at(0).ema, placement.replicated)
  np.testing.assert_array_equal(params['w'], state_at(3).ema['w'])
  assert sorted(path.name for path in checkpoints.directory.iterdir()) == ['2', '3']
  checkpoints.close()


def test_none_is_an_error_that_names_the_folder(tmp_path, placement):
  checkpoints = Checkpoints(str(tmp_path), keep=1)
  with pytest.raises(UserError, match='no checkpoint'):
    checkpoints.restore(state_at(0), placement.replicated)


def test_arrays_of_another_shape_are_an_error(tmp_path, placement):
  checkpoints = Checkpoints(str(tmp_path), keep=1)
  checkpoints.save(state_at(1), {})
  checkpoints.wait()
  with pytest.raises(UserError, match='cannot read step 1'):
    checkpoints.restore_params({'w': jnp.zeros((4, 5))}, placement.replicated)


def test_a_damaged_checkpoint_is_named(tmp_path, placement):
  checkpoints = Checkpoints(str(tmp_path), keep=1)
  checkpoints.save(state_at(1), {})
  checkpoints.wait()
  for path in (checkpoints.directory / '1' / 'ema').rglob('*'):
    if path.is_file() and path.parent.name == 'd':
      path.write_bytes(b'')
  with pytest.raises(UserError, match='cannot read step 1'):
    checkpoints.restore_params(state_at(1).ema, placement.replicated)


def test_a_config_comes_back_as_it_was(tmp_path):
  config = tiny_config()
  run_dir.claim(str(tmp_path / 'run'), config)
  assert run_dir.read_config(str(tmp_path / 'run')).to_dict() == config.to_dict()


@pytest.mark.parametrize(
  ('text', 'named'), [('{', 'damaged'), ('{"nonsense": 1}', 'nonsense'), (None, 'cannot be read')]
)
def test_a_config_that_cannot_be_used_is_named(tmp_path, text, named):
  if text is not None:
    (tmp_path / 'config.json').write_text(text)
  with pytest.raises(UserError, match=f'config.json.*{named}'):
    run_dir.read_config(str(tmp_path))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='--workdir='):
    run_dir.claim(str(tmp_path / 'file' / 'run'), tiny_config())
