"""What is exported is the model: the same samples and scores, on any number of devices."""

import json

import jax
import numpy as np
import pytest

import fractaljax
from fractaljax.errors import UserError
from fractaljax.exporting import opening, weights
from fractaljax.exporting.writing import Wish, export
from fractaljax.mesh import data_parallel
from runs import tiny_config, write_run

KINDS = ('orbax', 'safetensors')
STEPS = 32


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """The folder of a run, and its own samples."""
  workdir = tmp_path_factory.mktemp('export') / 'run'
  # With echoes there are so many parameters that what describes them is small beside them.
  changes = {'model.generators': ('ar', 'ar', 'ar'), 'model.echoes': (9,)}
  write_run(workdir, tiny_config(**changes))
  return workdir


@pytest.fixture(scope='module')
def samples(run):
  return drawn(open_on(run))


def open_on(folder, num_devices: int = 1):
  return fractaljax.load(str(folder), jax.devices()[:num_devices])


def drawn(trained) -> list[list]:
  """The notes of three samples."""
  return [song.notes_Nx4.tolist() for song in trained.sample(3, STEPS, seed=7)]


def exported(run, output, *wish, **wishes):
  return export(str(run), str(output), Wish(*wish, **wishes))


def flat(trained) -> np.ndarray:
  return np.concatenate([np.ravel(x) for x in jax.tree.leaves(trained.params)])


@pytest.mark.parametrize('kind', KINDS)
def test_an_export_is_the_run(run, samples, tmp_path, kind):
  exported(run, tmp_path / 'out', kind)
  before, after = open_on(run), open_on(tmp_path / 'out')
  assert (after.step, after.config.to_dict()) == (before.step, before.config.to_dict())
  jax.tree.map(np.testing.assert_array_equal, after.params, before.params)
  assert all(samples)
  assert drawn(after) == samples


def test_the_best_of_an_export_cannot_be_asked_for(run, tmp_path):
  exported(run, tmp_path / 'out')
  with pytest.raises(UserError, match='--which=best: .*out is an export.*leave it out'):
    opening.load(str(tmp_path / 'out'), data_parallel(jax.devices()[:1]), 'best')


@pytest.mark.parametrize('kind', KINDS)
def test_four_devices_open_what_one_does(run, tmp_path, kind):
  exported(run, tmp_path / 'out', kind)
  one, four = (open_on(tmp_path / 'out', num) for num in (1, 4))
  assert all(len(x.sharding.device_set) == 4 for x in jax.tree.leaves(four.params))
  jax.tree.map(np.testing.assert_array_equal, four.params, one.params)


@pytest.mark.parametrize('kind', KINDS)
def test_bfloat16_is_half_the_size_and_the_rounded_model(run, samples, tmp_path, kind):
  sizes = {}
  for dtype in ('float32', 'bfloat16'):
    about = exported(run, tmp_path / dtype, kind, dtype=dtype)
    sizes[dtype] = sum(size for size, _ in about['files'].values())
  assert sizes['bfloat16'] < 0.55 * sizes['float32']
  rounded = np.asarray(flat(open_on(run)), jax.numpy.bfloat16).astype(np.float32)
  opened = open_on(tmp_path / 'bfloat16')
  np.testing.assert_array_equal(flat(opened), rounded)
  if kind == 'orbax':
    assert len(drawn(opened)) == len(samples)


def test_the_last_values_are_not_the_average(run, tmp_path):
  exported(run, tmp_path / 'ema')
  exported(run, tmp_path / 'last', averaged=False)
  average, last = (flat(open_on(tmp_path / name)) for name in ('ema', 'last'))
  np.testing.assert_allclose(average, last + 1, atol=1e-6)


def test_the_metrics_are_those_of_the_last_evaluation_before_the_checkpoint(run, tmp_path):
  rows = [
    {'step': 1, 'eval_valid/bits_per_note': 9.0},
    {'step': 2, 'eval_valid/bits_per_note': 8.0},
    {'step': 3, 'train/bits_per_note': 7.0},
    {'step': 4, 'eval_valid/bits_per_note': 6.0},
  ]
  (run / 'metrics.jsonl').write_text('\n'.join(map(json.dumps, rows)) + '\n{"step": ')
  assert exported(run, tmp_path / 'out')['metrics'] == rows[1]
  # An evaluation is of the average.
  assert exported(run, tmp_path / 'last', averaged=False)['metrics'] == {}
  (run / 'metrics.jsonl').unlink()
  assert exported(run, tmp_path / 'other')['metrics'] == {}


def test_safetensors_has_the_names_of_the_modules(run, tmp_path):
  from safetensors.numpy import load_file

  exported(run, tmp_path / 'out', 'safetensors')
  names = load_file(tmp_path / 'out' / weights.SAFETENSORS)
  inner = 'splits_1.trunk.block_0.attention.qkv.kernel'
  assert {'splits_0.content.start', inner, 'splits_2.out.bias'} <= set(names)
  variables = open_on(run).params['params']
  np.testing.assert_array_equal(names['splits_2.out.bias'], variables['splits_2']['out']['bias'])
