"""A span: how far back the first level attends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.errors import UserError
from fractaljax.model.trunk import attend, attend_in_blocks


@pytest.mark.parametrize('length', [9, 12])
def test_blocks_mix_what_a_band_of_the_whole_matrix_does(length):
  reach = 4
  q, k, v = np.random.default_rng(0).standard_normal((3, 2, length, 2, 8), np.float32)
  back_LxM = np.arange(length)[:, None] - np.arange(length)
  whole = attend(q, k, v, jnp.asarray((back_LxM >= 0) & (back_LxM < reach)))
  np.testing.assert_allclose(attend_in_blocks(q, k, v, reach), whole, atol=1e-6)


def test_a_step_depends_on_the_span_before_it_and_on_nothing_further_back():
  config = models.tiny(((2, 1), (1, 1)), span=4, halo=1, num_pitches=2)
  params = models.random_params(config)
  rolls_BxPxT = np.zeros((13, 2, 12), np.int32)
  rolls_BxPxT[1 + np.arange(12), 0, np.arange(12)] = 1

  def outputs(crop):
    _, found = models.Fractal(config).apply(
      params, crop, False, mutable='intermediates', capture_intermediates=True
    )
    return found['intermediates']['splits_0']['trunk']['__call__'][0][0]

  y_BxLxD = jax.jit(outputs)(models.as_crop(rolls_BxPxT, config.halo, config.codec))
  differs_TxL = np.any(np.asarray(y_BxLxD[1:] != y_BxLxD[0]), axis=-1)
  # A patch is an input one place later: a query reads the 4 patches before it.
  after_TxL = np.arange(12) - np.arange(12)[:, None]
  np.testing.assert_array_equal(differs_TxL, (after_TxL > 0) & (after_TxL <= 4))


def test_a_span_that_cannot_be_is_refused():
  for span, changes in (
    (3, {}),
    (-2, {}),
    (2, {'generators': ('mar', 'ar')}),
    (2, {'scan': 'pitch'}),
  ):
    with pytest.raises(UserError, match=r'config\.model\.span'):
      models.tiny(((2, 2), (1, 1)), span=span, **{'halo_pitches': 0, **changes})


def test_a_song_is_as_likely_in_one_piece_as_the_song_that_goes_on_says():
  """The nats of a beginning do not change with what is asked for after it, blocks or not."""
  config = models.tiny(((2, 1), (1, 1)), span=4, num_pitches=2)
  params = models.random_params(config, scale=0.3)
  roll_PxT = np.random.default_rng(1).integers(0, 2, (2, 24))
  nats = [
    models.teacher_forced_nats(
      config, params, models.as_crop(roll_PxT[None, :, :length], config.halo, config.codec)
    )[0]
    for length in (8, 24)
  ]
  rest = models.as_crop(roll_PxT[None], config.halo, config.codec)
  rest.valid_T[:, 8:] = False
  np.testing.assert_allclose(
    models.teacher_forced_nats(config, params, rest)[0], nats[0], rtol=1e-5
  )
  assert nats[1] > nats[0]
