"""A model that computes in bfloat16: what adds up is float32, and its loss is as in float32."""

import functools
from collections import defaultdict

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.config import check
from fractaljax.data import pipeline
from fractaljax.mesh import data_parallel
from fractaljax.model.fractal import Fractal
from fractaljax.model.trunk import Trunk
from fractaljax.music import corpus
from fractaljax.training.optimizer import make_optimizer
from fractaljax.training.state import init_state
from fractaljax.training.step import jit_step
from models import random_params
from runs import exact_config

PARTS = {'repeats': 2, 'densities': (1, 3), 'tops': (62, 70), 'echoes': (9,)}


def tiny(dtype: str):
  """A config whose model has a form and echoes, and that model."""
  changes = {'model.dtype': dtype, 'model.patches': ((64, 8), (1, 1))}
  config = exact_config(**changes | {f'model.{key}': value for key, value in PARTS.items()})
  return config, Fractal(check(config, 1))


@functools.cache
def songs():
  return [corpus.song(0, i, num_bars=4) for i in range(2)]


def crops(model: Fractal):
  c = model.config
  return pipeline.stack(list(pipeline.windows(songs(), c.codec, 32, c.halo, c.attributes))[:4])


def types(tree) -> set[str]:
  """Of the arrays, but for whole numbers."""
  found = {jnp.dtype(x.dtype) for x in jax.tree.leaves(tree)}
  return {dtype.name for dtype in found if jnp.issubdtype(dtype, jnp.floating)}


def test_parameters_average_optimizer_and_metrics_are_float32():
  config, model = tiny('bfloat16')
  optimizer, where = make_optimizer(config.optimizer, 6), data_parallel(jax.devices()[:1])
  state = jax.eval_shape(functools.partial(init_state, model, optimizer, seed=0), crops(model))
  clips = next(pipeline.training_batches(songs(), model.config.codec, 2, 32, 4, (0, 0), (), 0))
  step = jit_step(config, model, optimizer, where, state)
  after, metrics = jax.eval_shape(step, state, clips)
  for tree in (*state[1:], *after[1:], metrics):
    assert types(tree) == {'float32'}


def test_trunks_compute_in_bfloat16_and_logits_are_float32():
  _, model = tiny('bfloat16')
  found = defaultdict(set)

  def note(call, arguments, options, context):
    result = call(*arguments, **options)
    if context.method_name == 'logits' or isinstance(context.module, Trunk):
      found[type(context.module).__name__] |= types(result)
    return result

  with nn.intercept_methods(note):
    params = random_params(model.config)
    jax.eval_shape(lambda params: model.apply(params, crops(model), train=False), params)
  assert found.pop('Trunk') == {'bfloat16'}
  assert {'Form', 'Split'} <= set(found)
  assert set().union(*found.values()) == {'float32'}


def test_the_loss_is_that_of_float32():
  nats = []
  for dtype in ('float32', 'bfloat16'):
    _, model = tiny(dtype)
    score = jax.jit(lambda params, batch, m=model: m.apply(params, batch, train=False))
    nats.append([float(level.nats) for level in score(random_params(model.config), crops(model))])
  assert nats[0] != nats[1]
  np.testing.assert_allclose(nats[1], nats[0], rtol=0.01)
