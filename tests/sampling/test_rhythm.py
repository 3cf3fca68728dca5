"""Rhythm: read as it is drawn on a grid, and followed by the sampler."""

import jax
import numpy as np
import pytest

import models
from fractaljax.errors import UserError
from fractaljax.model import density
from fractaljax.model import rhythm as rhythm_of
from fractaljax.model.fractal import Fractal
from fractaljax.sampling import rhythm
from fractaljax.sampling.asked import FREE
from fractaljax.sampling.decision import Decoder
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample
from fractaljax.sampling.whole import decide_whole

BARS = models.tiny(((2, 8), (2, 1), (1, 1)), repeats=2, rhythms=True)
SMALL = models.tiny(((2, 4), (2, 1), (1, 1)), repeats=1, densities=(1, 3), rhythms=True)


def test_bars_are_read_as_they_are_drawn():
  ids_L = rhythm.parse('x... ..x. | %|?|x.x.x.x.|........', BARS, 64, 8)
  np.testing.assert_array_equal(ids_L, [0b01000001, 0b01000001, FREE, 0b01010101, 0])


@pytest.mark.parametrize(
  ('text', 'named'),
  [('x...', "'x...'"), ('x...-.x.', "'x...-.x.'"), ('%', "'%'"), ('', "''"), ('?|' * 8, '72')],
)
def test_what_is_no_bar_is_refused(text, named):
  with pytest.raises(UserError) as error:
    rhythm.parse(text, BARS, 64, 8)
  assert f'--rhythm={text}' in str(error.value) and named in str(error.value)


@pytest.mark.parametrize(
  ('config', 'bar'), [(BARS, 16), (models.tiny(((2, 8), (2, 1), (1, 1)), repeats=2), 8)]
)
def test_it_needs_a_model_that_says_its_rhythms(config, bar):
  with pytest.raises(UserError, match=rf'bars of {bar} steps; train one with config.model.rhythms'):
    rhythm.parse('?', config, 64, bar)


@pytest.mark.parametrize(('config', 'most'), [(BARS, 255), (models.tiny(), -1)])
def test_there_are_no_others(config, most):
  with pytest.raises(ValueError, match=rf'rhythm_L\[1\] is 256, not in -1 .. {most}'):
    make_knobs(config, rhythm_L=(FREE, 256))


def test_samples_have_the_rhythm_that_is_asked_for_and_as_many_notes_as_it_needs():
  params, num, asked_L = models.random_params(SMALL, scale=0.2), 64, (0b0111, FREE, 0)
  unknown_NxPxT = np.full((num, 2, 16), SMALL.codec.unknown)
  crop, model = models.as_crop(unknown_NxPxT, SMALL.halo, SMALL.codec), Fractal(SMALL)
  noise = make_noise(SMALL, jax.random.split(jax.random.key(0), num), 16)

  @jax.jit
  def draw(params, knobs):
    said = decide_whole(Decoder(model, params, knobs, Plan()), crop, noise)[0].region
    return said.density_NxL, sample(model, Plan(chunk=64), params, crop, noise, knobs)

  density_NxL, tokens_NxPxT = draw(params, make_knobs(SMALL, rhythm_L=asked_L))
  own_NxL = np.asarray(rhythm_of.of_rolls(tokens_NxPxT, SMALL))
  assert np.all(own_NxL[:, 0] == 0b0111) and np.all(own_NxL[:, 2] == 0)
  assert np.all(density_NxL[:, 0] == 2) and np.all(density_NxL[:, 2] == 0)
  assert len(np.unique(own_NxL[:, 1])) > 4 and len(np.unique(own_NxL[:, 3])) > 4
  assert np.all(density.of_rolls(tokens_NxPxT, SMALL) <= density_NxL)
