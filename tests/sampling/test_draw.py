import jax
import numpy as np

import models
from fractaljax.mesh import data_parallel
from fractaljax.model.fractal import Fractal
from fractaljax.sampling.draw import draw, make_drawing
from fractaljax.sampling.options import Plan, make_knobs


def drawn(num_devices: int, batch_size: int, seed: int = 3) -> np.ndarray:
  config = models.tiny(generators=('mar', 'ar'))
  crop = models.as_crop(np.full((1, 2, 4), config.codec.unknown), config.halo, config.codec)
  crop = jax.tree.map(lambda x: x[0], crop)
  model, params, knobs = Fractal(config), models.random_params(config), make_knobs(config)
  placement = data_parallel(jax.devices()[:num_devices])
  return draw(model, params, Plan(), knobs, crop, 5, batch_size, seed, placement).tokens_BxPxT


def test_sample_number_i_is_the_same_in_batches_of_any_size_on_any_number_of_devices():
  five = drawn(1, 5)
  assert len(np.unique(five, axis=0)) > 1
  np.testing.assert_array_equal(drawn(1, 3), five)
  np.testing.assert_array_equal(drawn(4, 3), five)


def test_another_seed_draws_others_with_the_same_program():
  three, programs = drawn(1, 5), make_drawing.cache_info().misses
  for seed in (4, 2**32 - 1):
    assert np.any(drawn(1, 5, seed) != three)
  assert make_drawing.cache_info().misses == programs
