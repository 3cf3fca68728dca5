"""The probabilities of all rolls there are sum to 1, whatever the levels."""

import itertools

import numpy as np
import pytest

import models

SQUARE, MUSICAL = models.HIERARCHIES['square'], models.HIERARCHIES['musical']
# Patches above and below each other, and after each other.
TALL = ((2, 1), (1, 1))


def mixes(patches):
  return list(itertools.product(('ar', 'mar'), repeat=len(patches)))


def total_probability(config, num_steps, seed=0):
  codec = config.codec
  rolls = models.all_rolls(codec.num_pitches, num_steps, codec.num_values)
  crop, params = (
    models.as_crop(rolls, config.halo, codec),
    models.random_params(config, seed, scale=0.3),
  )
  if config.exact:
    logp = -models.teacher_forced_nats(config, params, crop)
  else:
    logp = models.log_probability(config, params, crop)
  # A model that knows everything beforehand would prove nothing.
  assert np.exp(logp).max() < 0.98
  return np.exp(logp.astype(np.float64)).sum()


@pytest.mark.parametrize('gate', [True, False])
@pytest.mark.parametrize('generators', mixes(SQUARE))
def test_square_levels_are_normalised(generators, gate):
  config = models.tiny(SQUARE, generators, gate=gate)
  np.testing.assert_allclose(total_probability(config, 4), 1, atol=1e-5)


@pytest.mark.parametrize('generators', mixes(MUSICAL))
def test_musical_levels_are_normalised(generators):
  # With and without the halo by turns: what it may see depends on the level above.
  config = models.tiny(
    MUSICAL,
    generators,
    halo=2 * (generators.count('mar') % 2),
    echoes=(3,) * (generators[0] == 'ar'),
    matches=generators.count('mar') % 2,
  )
  np.testing.assert_allclose(total_probability(config, 4), 1, atol=1e-5)


@pytest.mark.parametrize('generators', [('ar', 'mar'), ('mar', 'ar')])
def test_levels_of_several_rows_are_normalised(generators):
  config = models.tiny(TALL, generators, num_pitches=4)
  np.testing.assert_allclose(total_probability(config, 2), 1, atol=1e-5)


@pytest.mark.parametrize('generators', mixes(TALL))
def test_matches_leave_it_normalised(generators):
  config = models.tiny(TALL, generators, halo=1, matches=2)
  np.testing.assert_allclose(total_probability(config, 5), 1, atol=1e-5)


@pytest.mark.parametrize('generators', [('ar',) * 3, ('ar', 'mar', 'ar'), ('mar', 'ar', 'mar')])
def test_matches_of_shorter_patches_leave_it_normalised(generators):
  config = models.tiny(((2, 2), (2, 1), (1, 1)), generators, halo=1, matches=1)
  np.testing.assert_allclose(total_probability(config, 6), 1, atol=1e-5)


@pytest.mark.parametrize('generators', [('ar', 'ar'), ('ar', 'mar')])
def test_a_scan_by_pitch_is_normalised(generators):
  config = models.tiny(TALL, generators, num_pitches=4, scan='pitch', halo_pitches=0)
  np.testing.assert_allclose(total_probability(config, 2), 1, atol=1e-5)


@pytest.mark.parametrize('iterations', [1, 2])
def test_several_patches_an_iteration_are_normalised(iterations):
  config = models.tiny(SQUARE, ('mar', 'mar'), iterations=iterations)
  np.testing.assert_allclose(total_probability(config, 4), 1, atol=1e-5)


@pytest.mark.parametrize('generators', [('ar', 'ar'), ('mar', 'mar')])
def test_cells_of_many_values_are_normalised(generators):
  # 34 values in each of two cells.
  config = models.tiny(((1, 2), (1, 1)), generators, num_pitches=1, codec='onset', halo_pitches=0)
  np.testing.assert_allclose(total_probability(config, 2, seed=1), 1, atol=1e-5)


def test_a_model_of_one_level_is_normalised():
  np.testing.assert_allclose(total_probability(models.tiny(((1, 1),)), 4), 1, atol=1e-5)
