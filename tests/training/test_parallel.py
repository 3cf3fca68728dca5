"""Many devices and processes: the same losses and gradients as one device."""

import functools
import re

import jax
import numpy as np
import optax
import pytest

from fractaljax.config import check
from fractaljax.data import pipeline
from fractaljax.errors import UserError
from fractaljax.mesh import make_placement
from fractaljax.model.fractal import Fractal
from fractaljax.music import corpus
from fractaljax.training.state import init_state
from fractaljax.training.step import train_step
from runs import tiny_config

# (data, fsdp)
MESHES = [(1, 1), (8, 1), (2, 4), (1, 8)]
EXACT = {
  'model.patches': ((64, 1), (1, 1)), 'model.generators': ('ar', 'ar'), 'model.widths': (16, 16),
  'model.depths': (1, 1), 'model.heads': (2, 2), 'model.iterations': (1, 1),
  'model.capacities': (1.0,), 'model.dropout': 0.0, 'model.attributes': (),
}  # fmt: skip


@functools.cache
def tiny():
  """A model, a batch of 8 crops, and a state whose update is minus the gradient."""
  model = Fractal(check(tiny_config(**EXACT), 1))
  songs = [corpus.song(0, i, num_bars=8) for i in range(8)]
  c = model.config
  batch = next(pipeline.training_batches(songs, c.codec, 8, 32, c.halo, (0, 0), (), 0))
  optimizer = optax.sgd(1.0)
  state = jax.jit(functools.partial(init_state, model, optimizer, seed=0))(batch)
  # The last layers begin at zero, and would keep all gradients from the rest.
  rng = np.random.default_rng(0)
  params = jax.tree.map(lambda x: x + rng.normal(0, 0.1, x.shape).astype(x.dtype), state.params)
  return model, optimizer, batch, state._replace(params=params)


@functools.cache
def updated(shape):
  """The program of an update on a mesh, the state before and after it, and its metrics."""
  model, optimizer, batch, state = tiny()
  num_data, num_fsdp = shape
  placement = make_placement(jax.devices()[: num_data * num_fsdp], num_fsdp)
  where = placement.of_state(state)
  step = jax.jit(
    functools.partial(train_step, model, optimizer, 0.9, 0, 1, placement),
    in_shardings=(where, placement.split),
    out_shardings=(where, placement.replicated),
  )
  before = jax.device_put(state, where)
  program = step.lower(before, placement.place(batch)).compile()
  after, metrics = program(before, placement.place(batch))
  return program, before, after, jax.device_get(metrics)


@pytest.mark.parametrize('shape', MESHES[1:])
def test_a_mesh_has_the_losses_and_gradients_of_one_device(shape):
  _, before, one, metrics_one = updated((1, 1))
  before, one = jax.device_get((before, one))
  _, _, many, metrics_many = updated(shape)
  for name, value in metrics_one.items():
    np.testing.assert_allclose(metrics_many[name], value, rtol=1e-5, err_msg=name)
  gradients = [optax.tree.sub(jax.device_get(state.params), before.params) for state in (one, many)]
  error = optax.tree.norm(optax.tree.sub(*gradients))
  assert error <= 1e-5 * optax.tree.norm(gradients[0])


@pytest.mark.parametrize('shape', MESHES[1:])
def test_each_device_keeps_its_part_of_the_state(shape):
  _, _, state, _ = updated(shape)
  for tree in (state.params, state.ema):
    whole = sum(x.nbytes for x in jax.tree.leaves(tree))
    kept = sum(x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(tree))
    assert whole / shape[1] <= kept <= 1.1 * whole / shape[1]


@pytest.mark.parametrize('shape', MESHES[1:])
def test_nothing_but_parameters_and_sums_travels(shape):
  program, before, _, _ = updated(shape)
  sizes = [x.size for x in jax.tree.leaves(before.params)]
  kinds = 'all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute'
  travels = re.findall(rf'= (.*?) ({kinds})\(', program.as_text())
  assert {kind for _, kind in travels} <= {'all-reduce', 'all-gather', 'reduce-scatter'}
  shapes = [re.findall(r'\w+\[([\d,]*)\]', types) for types, _ in travels]
  elements = [int(np.prod([int(n) for n in s.split(',') if n])) for found in shapes for s in found]
  assert max(elements) <= max(sizes)
  assert sum(sizes) <= sum(elements) <= 2.1 * sum(sizes)


def test_what_is_not_finite_is_skipped():
  model, _, batch, _ = tiny()
  optimizer = optax.adam(1e-3)
  state = jax.jit(functools.partial(init_state, model, optimizer, seed=0))(batch)
  state = state._replace(params=jax.tree.map(lambda x: x.at[0].set(np.inf), state.params))
  placement = make_placement(jax.devices()[:1], 1)
  after, metrics = jax.jit(functools.partial(train_step, model, optimizer, 0.9, 0, 1, placement))(
    state, batch
  )
  assert metrics['skipped'] == 1
  jax.tree.map(np.testing.assert_array_equal, after, state._replace(step=state.step + 1))


def test_devices_that_cannot_share_are_named():
  with pytest.raises(UserError, match=r'config\.fsdp=3.*8'):
    make_placement(jax.devices(), 3)
