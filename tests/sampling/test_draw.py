import jax
import numpy as np

import models
from fractaljax.model.fractal import Fractal
from fractaljax.sampling.draw import draw
from fractaljax.sampling.options import Plan, make_knobs


def test_sample_number_i_is_the_same_in_batches_of_any_size():
  config = models.tiny(generators=('mar', 'ar'))
  crop = models.as_crop(np.full((1, 2, 4), config.codec.unknown), config.halo, config.codec)
  crop = jax.tree.map(lambda x: x[0], crop)
  model, params, knobs = Fractal(config), models.random_params(config), make_knobs(config)
  three, five = (
    draw(model, params, Plan(), knobs, crop, 5, size, 3).tokens_BxPxT for size in (3, 5)
  )
  assert len(np.unique(five, axis=0)) > 1
  np.testing.assert_array_equal(three, five)
