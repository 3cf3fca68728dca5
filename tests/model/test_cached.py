"""Decoding patch by patch from a cache is the forward of training, by level and as a whole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.fractal import Fractal, empty_cache
from fractaljax.model.patches import make_grid

NUM_PITCHES, NUM_STEPS, HALO = 16, 32, 6
HIERARCHIES = {
  'musical': ((16, 4), (16, 1), (4, 1), (1, 1)),
  'square': ((8, 8), (2, 2), (1, 1)),
}
LEVELS = [(name, i) for name, patches in HIERARCHIES.items() for i in range(len(patches))]


@functools.cache
def model_of(name, codec='onset', scan='time', scale=0.5, seed=0):
  halo_pitches, echoes = (3, (17, 20)) if scan == 'time' else (0, ())
  repeats = 7 if name == 'musical' else 0
  config = models.tiny(
    HIERARCHIES[name], None, NUM_PITCHES, codec, scan=scan, halo=HALO, halo_pitches=halo_pitches,
    chord_pitches=5, echoes=echoes, matches=len(echoes) // 2,
    repeats=repeats, densities=(2, 5) if repeats else (), tops=(64, 71) if repeats else (),
    rhythms=repeats > 0, span=16 if scan == "time" else 0,
  )  # fmt: skip
  return config, models.random_params(config, seed, scale)


def both_ways(config, params, index, region):
  """Logits and conditions of a level, from whole regions and from steps."""
  model, level = Fractal(config), config.levels[index]
  grid = make_grid(region.size, level.patch, level.scan)
  canvas = region.canvas_NxQxW
  logits, cond = model.apply(params, index, region, canvas, method='predict')
  place = model.apply(params, index, region, method='place')

  def body(cache, i):
    logits_Nx1, y_Nx1xD, cache = model.apply(
      params, index, place, region, grid, cache, i, method='step'
    )
    return cache, (logits_Nx1[:, 0], y_Nx1xD[:, 0])

  cache = empty_cache(config, index, canvas.shape[0], len(grid))
  _, stepped = jax.lax.scan(body, cache, jnp.arange(len(grid)))
  return (logits, cond), jax.tree.map(lambda x_LxN: jnp.moveaxis(x_LxN, 0, 1), stepped)


def check_level(config, params, index):
  run = jax.jit(functools.partial(both_ways, config, index=index))
  (logits, cond), (stepped_logits, stepped_cond) = run(
    params, region=models.random_region(config, index, NUM_STEPS)
  )
  assert jnp.ptp(logits) > 0.5
  np.testing.assert_allclose(stepped_logits, logits, atol=1e-4)
  np.testing.assert_allclose(stepped_cond, cond, atol=1e-4)


@pytest.mark.parametrize(('name', 'index'), LEVELS)
def test_steps_from_a_cache_give_the_logits_of_whole_regions(name, index):
  check_level(*model_of(name), index)


def test_steps_from_a_cache_give_the_logits_of_whole_regions_by_pitch():
  check_level(*model_of('square', scan='pitch'), 1)


def random_rolls(config, num=3):
  """Sparse rolls, one of them empty and one dense."""
  rng = np.random.default_rng(0)
  values = rng.integers(1, config.codec.num_values, (num, NUM_PITCHES, NUM_STEPS))
  density = np.array([0.0, 0.1, 0.9])[:, None, None]
  return np.where(rng.random(values.shape) < density, values, 0)


@pytest.mark.parametrize('name', HIERARCHIES)
def test_the_walk_of_the_sampler_gives_the_likelihood_of_training(name):
  config, params = model_of(name, scale=0.2, seed=5)
  crop = models.as_crop(random_rolls(config), HALO, config.codec)
  left = np.random.default_rng(1).integers(0, config.codec.num_values, crop.left_PxH.shape)
  crop = crop._replace(left_PxH=left.astype(np.int32))
  nats_B = models.teacher_forced_nats(config, params, crop)
  assert nats_B.min() > 1
  np.testing.assert_allclose(
    -models.log_probability(config, params, crop), nats_B, atol=2e-4, rtol=2e-6
  )
