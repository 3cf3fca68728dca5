"""The sampler draws each roll as often as its likelihood says."""

import jax
import numpy as np
import pytest
from scipy import stats

import models
from fractaljax.model.fractal import Fractal
from fractaljax.music.attributes import num_ids
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample

NUM_SAMPLES = 20000
SQUARE, MUSICAL = models.HIERARCHIES['square'], models.HIERARCHIES['musical']

CASES = {
  'ar': (SQUARE, ('ar', 'ar'), dict()),
  'ar without gate': (SQUARE, ('ar', 'ar'), dict(gate=False)),
  'musical ar': (MUSICAL, ('ar', 'ar', 'ar'), dict()),
  'ar, mar': (SQUARE, ('ar', 'mar'), dict()),
  'mar, ar': (SQUARE, ('mar', 'ar'), dict()),
  'mar': (SQUARE, ('mar', 'mar'), dict()),
  'mar without gate': (SQUARE, ('mar', 'mar'), dict(gate=False)),
  'mar, two iterations': (SQUARE, ('mar', 'mar'), dict(iterations=2)),
}


def drawn_rolls(config, params, num_steps):
  """Samples that differ in all choices, but not in the orders of MAR levels."""
  crop = models.as_crop(
    np.full((NUM_SAMPLES, config.codec.num_pitches, num_steps), config.codec.unknown),
    config.halo,
    config.codec,
    len(config.attributes),
  )
  noise = make_noise(config, jax.random.split(jax.random.key(7), NUM_SAMPLES), num_steps)
  same = models.same_noise(config, NUM_SAMPLES, num_steps)
  each = zip(config.levels, noise.order, same.order, strict=True)
  noise = noise._replace(order=tuple(x if level.causal else s for level, x, s in each))
  draw = jax.jit(sample, static_argnums=(0, 1))
  plan, knobs = Plan(chunk=NUM_SAMPLES), make_knobs(config)
  return np.asarray(draw(Fractal(config), plan, params, crop, noise, knobs))


def p_value(count_R, prob_R):
  """Of Pearson's chi-square test, with the rarest rolls taken together."""
  expected_R = prob_R / prob_R.sum() * NUM_SAMPLES
  order_R = np.argsort(expected_R)
  count_R, expected_R = count_R[order_R], expected_R[order_R]
  # All that are expected less than five times, and enough for five together.
  num_rare = max(np.searchsorted(expected_R, 5), 1 + np.searchsorted(np.cumsum(expected_R), 5))
  first_G = [0, *range(num_rare, len(expected_R))]
  assert len(first_G) > 20
  return stats.chisquare(*(np.add.reduceat(x_R, first_G) for x_R in (count_R, expected_R))).pvalue


@pytest.mark.parametrize('case', CASES)
def test_samples_are_as_frequent_as_their_likelihood_says(case):
  patches, generators, changes = CASES[case]
  config = models.tiny(patches, generators, **changes)
  params = models.random_params(config, scale=0.3)
  rolls = models.all_rolls(2, 4)
  crop = models.as_crop(rolls, config.halo, config.codec)
  prob_R = np.exp(models.log_probability(config, params, crop).astype(np.float64))
  drawn_NxPxT = drawn_rolls(config, params, 4)
  assert drawn_NxPxT.min() >= 0 and drawn_NxPxT.max() <= 1
  # `all_rolls` counts in binary.
  number_N = drawn_NxPxT.reshape(NUM_SAMPLES, -1) @ (2 ** np.arange(8)[::-1])
  assert p_value(np.bincount(number_N, minlength=256), prob_R) > 1e-3


@pytest.mark.parametrize('densities', [(), (1, 2)])
def test_rolls_are_as_frequent_as_with_all_their_forms_together(densities):
  config = models.tiny(((1, 2), (1, 1)), num_pitches=1, repeats=3, densities=densities)
  params = models.random_params(config, scale=0.3)
  _, _, prob_RxZ = models.joint_probability(config, params, 6)
  number_N = drawn_rolls(config, params, 6).reshape(NUM_SAMPLES, -1) @ (2 ** np.arange(6)[::-1])
  assert p_value(np.bincount(number_N, minlength=64), prob_RxZ.sum(axis=1)) > 1e-3


def test_rolls_are_as_frequent_as_with_all_attributes_together():
  config = models.tiny(((1, 2), (1, 1)), num_pitches=1, attributes=('chromaticism',))
  params = models.random_params(config, scale=0.3)
  rolls_RxPxT, ids_Z = models.all_rolls(1, 8), np.arange(1, num_ids('chromaticism'))
  crop = models.as_crop(np.repeat(rolls_RxPxT, len(ids_Z), axis=0), config.halo, config.codec)
  crop = crop._replace(attributes_A=np.tile(ids_Z, len(rolls_RxPxT))[:, None].astype(np.int32))
  logp_RxZ = models.log_probability(config, params, crop).reshape(len(rolls_RxPxT), -1)
  number_N = drawn_rolls(config, params, 8).reshape(NUM_SAMPLES, -1) @ (2 ** np.arange(8)[::-1])
  prob_R = np.exp(logp_RxZ.astype(np.float64)).sum(axis=1)
  assert p_value(np.bincount(number_N, minlength=256), prob_R) > 1e-3


def test_cells_of_many_values_are_as_frequent_as_their_likelihood_says():
  config = models.tiny(((1, 2), (1, 1)), num_pitches=1, codec='onset', halo_pitches=0)
  params = models.random_params(config, scale=0.25)
  crop = models.as_crop(models.all_rolls(1, 2, 34), config.halo, config.codec)
  prob_R = np.exp(models.log_probability(config, params, crop).astype(np.float64))
  number_N = drawn_rolls(config, params, 2).reshape(NUM_SAMPLES, -1) @ [34, 1]
  assert p_value(np.bincount(number_N, minlength=34**2), prob_R) > 1e-3
