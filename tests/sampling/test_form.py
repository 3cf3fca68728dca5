"""A form: read as it is written, and followed by the sampler."""

import jax
import numpy as np
import pytest

import models
from fractaljax.errors import UserError
from fractaljax.model.fractal import Fractal
from fractaljax.sampling import form
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample

BARS = models.tiny(((2, 16), (2, 1), (1, 1)), repeats=8)
FREE = form.FREE


@pytest.mark.parametrize(
  ('text', 'lags'),
  [
    ('A2 B2 A2', [FREE] * 4 + [4, 4] + [FREE] * 2),
    ('A1,A1,A1', [FREE, 1, 1] + [FREE] * 5),
    # The newest of a name; a longer one is free where the other had ended.
    ('A1 B1 A3 A2', [FREE, FREE, 2, FREE, FREE, 3, 3, FREE]),
    ('Verse3 chorus2 Verse2', [FREE] * 5 + [5, 5] + [FREE]),
  ],
)
def test_sections_of_one_name_repeat_each_other(text, lags):
  np.testing.assert_array_equal(form.parse(text, BARS, 128, 16), lags)


@pytest.mark.parametrize(
  ('text', 'named'),
  [
    ('', 'A8 B8 A8'),
    ('A B', 'A8 B8 A8'),
    ('A2 3', 'A8 B8 A8'),
    ('A2 A0', 'A8 B8 A8'),
    ('A4 B4 A3 A2', '--steps=208'),
    ('A1 B8 A1', '8 bars before, at most'),
  ],
)
def test_a_form_that_cannot_be_is_refused(text, named):
  with pytest.raises(UserError, match=f'--form={text}.*{named}'):
    form.parse(text, BARS, 160, 16)


@pytest.mark.parametrize(('config', 'bar'), [(BARS, 12), (models.tiny(((2, 16), (1, 1))), 16)])
def test_a_form_needs_a_model_that_says_which_bars_repeat(config, bar):
  with pytest.raises(UserError, match=rf'bars of {bar} steps; train one with config.model.repeats'):
    form.parse('A2 A2', config, 96, bar)


@pytest.mark.parametrize('repeat_L', [(1,), (0, 2), (0, -2), (*range(9), 9)])
def test_what_is_not_there_cannot_be_repeated(repeat_L):
  with pytest.raises(ValueError, match=rf'repeat_L\[{len(repeat_L) - 1}\]'):
    make_knobs(BARS, repeat_L=repeat_L)


def test_the_sampler_repeats_what_it_is_asked_to():
  config = models.tiny(((2, 2), (2, 1), (1, 1)), repeats=3)
  params, num = models.random_params(config, seed=1), 16
  crop = models.as_crop(np.full((num, 2, 6), config.codec.unknown), config.halo, config.codec)
  noise = make_noise(config, jax.random.split(jax.random.key(0), num), 6)
  draw = models.quick_jit(sample, static_argnums=(0, 1))

  def drawn(*repeat_L):
    knobs = make_knobs(config, repeat_L=repeat_L)
    return np.asarray(draw(Fractal(config), Plan(), params, crop, noise, knobs))

  free = drawn()
  np.testing.assert_array_equal(drawn(FREE, FREE, FREE), free)
  # Chance is the same whether it is asked for or not, so what the model chose is among the asked.
  each = [drawn(FREE, FREE, lag) for lag in range(3)]
  assert np.all(np.any([(x == free).all(axis=(1, 2)) for x in each], axis=0))
  for one, other in ((0, 1), (0, 2), (1, 2)):
    assert np.any(each[one] != each[other])
    np.testing.assert_array_equal(each[one][:, :, :4], free[:, :, :4])
