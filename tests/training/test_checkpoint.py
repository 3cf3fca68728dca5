"""Checkpoints: what is restored is what was saved; what is damaged is passed over."""

import json
import resource
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fractaljax.errors import UserError
from fractaljax.mesh import data_parallel
from fractaljax.training import manifest
from fractaljax.training.checkpoint import Checkpoints
from fractaljax.training.score import SCORE
from fractaljax.training.state import State
from runs import tiny_config


def state_at(step: int) -> State:
  params = {'w': jax.random.normal(jax.random.key(step), (64, 64))}
  return State(jnp.int32(step), params, {'w': -params['w']}, (params, jnp.int32(step)))


def saved(workdir, steps, keep: int = 3, scores: dict | None = None) -> Checkpoints:
  """A run's checkpoints at these steps, some with an evaluation's score."""
  checkpoints = Checkpoints(str(workdir), tiny_config(keep_checkpoints=keep))
  for step in steps:
    checkpoints.save(state_at(step), {'next_index': 10 * step})
    if scores and step in scores:
      checkpoints.add_evaluation(step, {SCORE: scores[step]})
  checkpoints.wait()
  return checkpoints


def kept(workdir) -> list[int]:
  return sorted(int(path.name) for path in (workdir / 'checkpoints').iterdir())


def contents(folder) -> dict:
  return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.fixture(scope='module')
def placement():
  return data_parallel(jax.devices()[:1])


@pytest.fixture(scope='module')
def two(tmp_path_factory):
  """A folder with checkpoints at the steps 1 and 2, to be copied."""
  workdir = tmp_path_factory.mktemp('runs') / 'two'
  saved(workdir, (1, 2)).close()
  return workdir


@pytest.fixture
def workdir(two, tmp_path):
  return shutil.copytree(two, tmp_path / 'run')


def test_what_was_saved_is_restored(tmp_path, placement):
  checkpoints = saved(tmp_path, (1, 2, 3), keep=2)
  step = checkpoints.find()
  state, data_state = checkpoints.restore(step, state_at(0), placement.of_state(state_at(0)))
  assert (step, data_state) == (3, {'next_index': 30})
  jax.tree.map(np.testing.assert_array_equal, state, state_at(3))
  params = checkpoints.restore_params(step, state_at(0).ema, placement.replicated, True)
  np.testing.assert_array_equal(params['w'], state_at(3).ema['w'])
  assert kept(tmp_path) == [2, 3]
  checkpoints.close()


def test_one_device_saves_and_four_restore(workdir):
  placement = data_parallel(jax.devices()[:4])
  state, _ = Checkpoints(str(workdir)).restore(2, state_at(0), placement.of_state(state_at(0)))
  assert len(state.params['w'].devices()) == 4
  jax.tree.map(np.testing.assert_array_equal, state, state_at(2))


def test_the_best_stays_and_can_be_found(tmp_path):
  scores = {1: float('nan'), 2: 2.0, 4: 2.5, 6: float('nan')}
  saved(tmp_path, range(1, 7), keep=2, scores=scores).close()
  assert kept(tmp_path) == [2, 5, 6]
  # As another process finds it: after a stop, or to sample from it.
  assert Checkpoints(str(tmp_path)).find('best') == 2
  assert Checkpoints(str(tmp_path)).find() == 6
  saved(tmp_path, (7,), keep=2, scores={7: 1.0}).close()
  saved(tmp_path, (8, 9, 10), keep=2).close()
  assert kept(tmp_path) == [7, 9, 10]


def test_the_best_of_none_that_was_evaluated_is_an_error(workdir):
  with pytest.raises(UserError, match='none was evaluated'):
    Checkpoints(str(workdir)).find('best')


def test_a_checkpoint_has_its_config(workdir):
  config = Checkpoints(str(workdir)).read_config(2)
  assert config.to_dict() == tiny_config().to_dict()


def largest(folder):
  return max((path for path in folder.rglob('*') if path.is_file()), key=lambda p: p.stat().st_size)


def flip(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def shorten(path):
  path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize('harm', [flip, shorten, lambda path: path.unlink()])
@pytest.mark.parametrize('item', ['params', 'ema', 'rest', 'about', 'MANIFEST'])
def test_a_damaged_checkpoint_is_passed_over(workdir, placement, capsys, item, harm):
  path = workdir / 'checkpoints' / '2' / item
  harm(largest(path) if path.is_dir() else path)
  checkpoints = Checkpoints(str(workdir), tiny_config())
  assert checkpoints.find() == 1
  lines = capsys.readouterr().err.splitlines()
  assert len(lines) == 1
  assert item in lines[0]
  assert 'step 1 instead' in lines[0]
  checkpoints.save(state_at(2), {})
  checkpoints.close()
  again = Checkpoints(str(workdir))
  assert again.find() == 2
  state, _ = again.restore(2, state_at(0), placement.of_state(state_at(0)))
  jax.tree.map(np.testing.assert_array_equal, state, state_at(2))


def test_a_checkpoint_that_is_removed_while_it_is_read_is_passed_over(workdir, monkeypatch, capsys):
  checksum = manifest.crc32

  def remove_first(path):
    if '/checkpoints/2/' in str(path):
      shutil.rmtree(workdir / 'checkpoints' / '2', ignore_errors=True)
    return checksum(path)

  monkeypatch.setattr(manifest, 'crc32', remove_first)
  assert Checkpoints(str(workdir)).find() == 1
  assert 'No such file' in capsys.readouterr().err


def test_if_all_are_damaged_each_is_named_and_nothing_is_changed(workdir):
  for step in ('1', '2'):
    flip(largest(workdir / 'checkpoints' / step / 'ema'))
  before = contents(workdir)
  with pytest.raises(UserError, match='step 2: ema.*step 1: ema'):
    Checkpoints(str(workdir), tiny_config()).find()
  assert contents(workdir) == before


def test_another_version_is_refused_and_not_passed_over(workdir, monkeypatch):
  newer = manifest.VERSION + 1
  with monkeypatch.context() as patch:
    patch.setattr(manifest, 'VERSION', newer)
    saved(workdir, (3,)).close()
  with pytest.raises(UserError, match=f'3 is a .*version {newer}.*version {newer - 1}'):
    Checkpoints(str(workdir), tiny_config()).find()


def test_to_read_changes_nothing(workdir):
  half = workdir / 'checkpoints' / '3.orbax-checkpoint-tmp'  # of a run that is saving
  half.mkdir()
  (half / 'file').write_text('')
  flip(largest(workdir / 'checkpoints' / '2' / 'ema'))
  before = contents(workdir)
  assert Checkpoints(str(workdir)).find() == 1
  assert contents(workdir) == before


def test_a_killed_save_is_swept_away(workdir):
  half = workdir / 'checkpoints' / '9.orbax-checkpoint-tmp'
  half.mkdir()
  checkpoints = saved(workdir, (3,))
  assert (checkpoints.find(), kept(workdir)) == (3, [1, 2, 3])


def test_arrays_of_another_shape_are_an_error(workdir, placement):
  with pytest.raises(UserError, match='cannot read step 2'):
    Checkpoints(str(workdir)).restore_params(
      2, {'w': jnp.zeros((4, 5))}, placement.replicated, True
    )


# Threads of the failed save that end after it.
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
def test_a_full_disk_is_told_and_the_checkpoints_are_whole(workdir):
  checkpoints = Checkpoints(str(workdir), tiny_config())
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # files as large as that, no larger
  try:
    with pytest.raises(UserError, match='cannot save.*too large.*make room'):
      checkpoints.save(state_at(3), {})
      checkpoints.wait()
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
  checkpoints.close()
  again = saved(workdir, (3,))
  assert (again.find(), kept(workdir)) == (3, [1, 2, 3])


def test_an_evaluation_is_kept_with_its_checkpoint(tmp_path):
  saved(tmp_path, (1,), scores={1: 2.5}).close()
  found = json.loads((tmp_path / 'checkpoints' / '1' / 'evaluation.json').read_text())
  assert found == {SCORE: 2.5}
  assert Checkpoints(str(tmp_path)).is_evaluated(1)
  assert not Checkpoints(str(tmp_path)).is_evaluated(2)
