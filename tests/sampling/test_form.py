"""A form: read as it is written, and followed by the sampler."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.errors import UserError
from fractaljax.model import repeat
from fractaljax.model.form import form_of, num_ids, parts_of
from fractaljax.model.fractal import Fractal
from fractaljax.sampling import form
from fractaljax.sampling.asked import FREE
from fractaljax.sampling.decision import Decoder
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample
from fractaljax.sampling.whole import decide_whole, steered

BARS = models.tiny(((2, 16), (2, 1), (1, 1)), repeats=8)


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
  draw = jax.jit(sample, static_argnums=(0, 1))

  def drawn(*repeat_L):
    knobs = make_knobs(config, repeat_L=repeat_L)
    return np.asarray(draw(Fractal(config), Plan(), params, crop, noise, knobs))

  free = drawn()
  np.testing.assert_array_equal(drawn(FREE, FREE, FREE), free)
  each = [drawn(FREE, FREE, lag) for lag in range(3)]
  for one, other in ((0, 1), (0, 2), (1, 2)):
    assert np.any(each[one] != each[other])
    np.testing.assert_array_equal(each[one][:, :, :4], free[:, :, :4])


def decided(config, params, crop, repeat_L=(), guidance=1.0, **plan):
  """The forms of rolls with their log probability."""
  noise = make_noise(config, jax.random.split(jax.random.key(0), len(crop.valid_T)), 8)
  knobs = make_knobs(config, guidance=guidance)
  knobs = knobs._replace(repeat_L=jnp.asarray(repeat_L, jnp.int32))
  job, logp_N = decide_whole(Decoder(Fractal(config), params, knobs, Plan(**plan)), crop, noise)
  return form_of(job.region, config), logp_N


def test_a_form_is_what_is_asked_for_what_is_known_and_else_drawn():
  config = models.tiny(((2, 2), (2, 1), (1, 1)), repeats=3)
  params, num = models.random_params(config, scale=0.2), 64
  unknown_NxPxT = np.full((num, 2, 8), config.codec.unknown)
  known_NxPxT = unknown_NxPxT.copy()
  known_NxPxT[:, :, :4] = np.arange(num)[:, None, None] // 2 ** np.arange(4) % 2

  draw = jax.jit(functools.partial(decided, config, params))

  def drawn(tokens_NxPxT, repeat_L):
    crop = models.as_crop(tokens_NxPxT, config.halo, config.codec)
    return np.asarray(draw(crop, np.array(repeat_L))[0])

  free_NxL = drawn(unknown_NxPxT, [FREE] * 4)
  assert len(np.unique(repeat.lag_of(free_NxL[:, 3]))) == 4
  asked_NxL = drawn(unknown_NxPxT, [FREE, FREE, 2, FREE])
  np.testing.assert_array_equal(asked_NxL[:, :2], free_NxL[:, :2])
  assert np.all(repeat.lag_of(asked_NxL[:, 2]) == 2) and len(np.unique(asked_NxL[:, 2])) > 1
  # What is known is not drawn, and is heard.
  heard_NxL, own_NxL = drawn(known_NxPxT, [FREE] * 4), repeat.of_rolls(known_NxPxT, config)
  np.testing.assert_array_equal(heard_NxL[:, :2], own_NxL[:, :2])
  is_same_N = (heard_NxL[:, :2] == free_NxL[:, :2]).all(axis=1)
  np.testing.assert_array_equal(heard_NxL[is_same_N], free_NxL[is_same_N])
  assert np.any(heard_NxL[~is_same_N, 2] != free_NxL[~is_same_N, 2])


@pytest.mark.parametrize(
  ('bins', 'num_forms'), [({}, 36), ({'densities': (2,)}, 36 * 8), ({'tops': (61,)}, 36 * 8)]
)
def test_forms_are_as_frequent_as_they_are_likely(bins, num_forms):
  config = models.tiny(((2, 2), (2, 1), (1, 1)), repeats=1, **bins)
  params, num = models.random_params(config, scale=0.15), 16_000
  unknown_NxPxT = np.full((num, 2, 6), config.codec.unknown)
  crop = models.as_crop(unknown_NxPxT, config.halo, config.codec)
  id_NxL, logp_N = jax.jit(functools.partial(decided, config, params))(crop)
  by_form = {
    tuple(id_L): np.exp(logp) for id_L, logp in zip(np.asarray(id_NxL), logp_N, strict=True)
  }
  # Of many forms some rare ones are not drawn.
  missing = 0.02 if bins else 0
  assert (1 - 10 * missing) * num_forms <= len(by_form) <= num_forms
  assert 1 - missing - 1e-5 < sum(by_form.values()) < 1 + 1e-5
  for form_L, prob in by_form.items():
    count = (id_NxL == np.array(form_L)).all(axis=1).sum()
    assert abs(count - num * prob) < 5 * np.sqrt(num * prob) + 1


def test_temperature_weighs_repeats_densities_and_tops_each_as_if_the_next_were_not_said():
  config = models.tiny(((2, 2), (2, 1), (1, 1)), repeats=2, densities=(1, 2, 3, 4), tops=(61,))
  params = models.random_params(config, scale=0.2)
  logits_Nx1xK = np.random.default_rng(0).standard_normal((3, 1, num_ids(config)))
  knobs = make_knobs(config, temperature=0.5)
  decoder = Decoder(Fractal(config), params, knobs, Plan())
  tempered_Nx1xK = steered(jnp.asarray(logits_Nx1xK), jnp.ones(3), decoder)
  tempered_NxRxDxH = np.asarray(jax.nn.softmax(tempered_Nx1xK)).reshape(3, -1, 5, 2)
  prob_NxRxDxH = np.exp(logits_Nx1xK).reshape(3, -1, 5, 2)

  def sharp(prob_NxK):
    return prob_NxK**2 / (prob_NxK**2).sum(axis=-1, keepdims=True)

  repeat_NxR = sharp(prob_NxRxDxH.sum(axis=(2, 3)))
  density_NxRxD, top_NxRxDxH = sharp(prob_NxRxDxH.sum(axis=3)), sharp(prob_NxRxDxH)
  want_NxRxDxH = repeat_NxR[..., None, None] * density_NxRxD[..., None] * top_NxRxDxH
  np.testing.assert_allclose(tempered_NxRxDxH, want_NxRxDxH, rtol=1e-4)


def test_a_bar_is_at_least_as_dense_and_as_high_as_the_notes_that_are_known():
  config = models.tiny(((2, 2), (2, 1), (1, 1)), repeats=1, densities=(1, 2, 3, 4), tops=(61,))
  params, num = models.random_params(config, scale=0.2), 256
  tokens_NxPxT = np.full((num, 2, 6), config.codec.unknown)
  tokens_NxPxT[:, :, 2] = 1  # both notes of a step of the second bar
  crop = models.as_crop(tokens_NxPxT, config.halo, config.codec)
  id_NxL = np.asarray(jax.jit(functools.partial(decided, config, params))(crop)[0])
  _, density_NxL, top_NxL = parts_of(id_NxL, config)
  for bar, possible in ((0, range(5)), (1, range(2, 5)), (2, range(5))):
    assert set(density_NxL[:, bar]) == set(possible)
  assert [set(top_NxL[:, bar]) for bar in range(3)] == [{0, 1}, {1}, {0, 1}]


def test_guidance_of_the_form_can_rise_to_its_scale():
  config = models.tiny(((2, 2), (2, 1), (1, 1)), repeats=3, attributes=('density',))
  params, num = models.random_params(config, scale=0.2), 64
  crop = models.as_crop(np.full((num, 2, 8), config.codec.unknown), config.halo, config.codec, 1)
  crop = crop._replace(attributes_A=np.full((num, 1), 5, np.int32))

  def drawn(scale, **plan):
    draw = functools.partial(decided, config, params, guidance=scale, **plan)
    return np.asarray(jax.jit(draw)(crop)[0])

  np.testing.assert_array_equal(drawn(1.0, guided=True), drawn(1.0))
  whole_NxL, rising_NxL = drawn(8.0, guided=True), drawn(8.0, guided=True, rising=True)
  assert np.any(whole_NxL != drawn(1.0))
  # At the last bar both have the same scale, and may differ by what was before alone.
  is_same_N = (whole_NxL[:, :3] == rising_NxL[:, :3]).all(axis=1)
  assert 0 < is_same_N.sum() < num
  np.testing.assert_array_equal(whole_NxL[is_same_N], rising_NxL[is_same_N])
