"""What is said of bars after their form: by the form and what is said before, without any notes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model import chord, returns, rhythm
from fractaljax.model.bars import empty_cache
from fractaljax.model.fractal import Fractal
from fractaljax.model.repeat import id_of, lag_of
from fractaljax.model.said import with_said

PATCHES, NUM_BARS = ((2, 2), (2, 1), (1, 1)), 20
FORM = dict(repeats=20, densities=(1, 3))
REPRISE = models.tiny(PATCHES, **FORM, echoes=(4, 8), returns=True)
RHYTHM = models.tiny(((2, 4), (2, 1), (1, 1)), **FORM, echoes=(8, 16), returns=True, rhythms=True)
CASES = {
  'reprise': (REPRISE, returns.num_ids(REPRISE)),
  'harmony': (models.tiny(PATCHES, **FORM, chords=True), chord.NUM_CHORDS),
  'pulse': (RHYTHM, rhythm.num_ids(RHYTHM)),
  'offbeats': (RHYTHM, rhythm.num_ids(RHYTHM)),
}


def region_of(name, id_NxL):
  """Whole rolls of whose bars this is said, and which repeat nothing that is not there."""
  config, _ = CASES[name]
  num, num_bars = id_NxL.shape
  num_steps = config.levels[0].patch[1] * num_bars
  region = models.random_region(config, 0, num_steps=num_steps, num=num)
  lag_NxL = np.minimum(lag_of(region.repeat_NxL), np.arange(num_bars))
  region = region.replace(repeat_NxL=jnp.where(lag_NxL > 0, id_of(lag_NxL, 5), 0))
  if config.rhythms:  # bars of few notes rule rhythms out
    region = region.replace(density_NxL=jnp.full_like(region.density_NxL, 2))
  return with_said(region, name, id_NxL, config)


@functools.cache
def params_of(name):
  return models.random_params(CASES[name][0])


@functools.partial(jax.jit, static_argnums=0)
def logits_of(name, region):
  return Fractal(CASES[name][0]).apply(params_of(name), name, region, method='bar_logits')


def some_ids(name):
  return np.random.default_rng(0).integers(0, CASES[name][1], (2, NUM_BARS))


@pytest.mark.parametrize('name', CASES)
def test_what_is_said_of_a_bar_depends_on_those_before_it_alone(name):
  id_NxL = some_ids(name)
  plain_NxLxK = np.asarray(logits_of(name, region_of(name, id_NxL)))
  for bar in (0, 3, 18):
    other_NxL = id_NxL.copy()
    other_NxL[:, bar] = (other_NxL[:, bar] + 1) % CASES[name][1]
    is_same_L = (np.asarray(logits_of(name, region_of(name, other_NxL))) == plain_NxLxK).all((0, 2))
    assert np.all(is_same_L[: bar + 1]) and not np.any(is_same_L[bar + 1 :])


@pytest.mark.parametrize('field', ['repeat_NxL', 'density_NxL'])
@pytest.mark.parametrize('name', CASES)
def test_it_follows_the_form(name, field):
  region = region_of(name, some_ids(name))
  other = region.replace(**{field: 1 - jnp.minimum(getattr(region, field), 1)})
  assert np.any(np.asarray(logits_of(name, region) != logits_of(name, other)))


@pytest.mark.parametrize('name', CASES)
def test_it_hears_no_notes(name):
  region = region_of(name, some_ids(name))
  silent = region.replace(canvas_NxQxW=jnp.zeros_like(region.canvas_NxQxW))
  np.testing.assert_array_equal(logits_of(name, region), logits_of(name, silent))


@pytest.mark.parametrize('name', CASES)
def test_it_is_the_same_step_by_step(name):
  config, id_NxL, steps = CASES[name][0], some_ids(name), []
  region, cache = region_of(name, id_NxL), empty_cache(config, 2, NUM_BARS)

  @jax.jit
  def step(region, cache, i):
    return Fractal(config).apply(params_of(name), name, region, cache, i, method='bar_step')

  for bar in range(NUM_BARS):
    # What is still to come is not there yet.
    known_NxL = np.where(np.arange(NUM_BARS) < bar, id_NxL, 0)
    logits_Nx1xK, cache = step(with_said(region, name, known_NxL, config), cache, bar)
    steps.append(logits_Nx1xK)
  want_NxLxK = logits_of(name, region)
  np.testing.assert_allclose(jnp.concatenate(steps, axis=1), want_NxLxK, rtol=1e-4, atol=1e-5)


# Changes, steps, and how many different things are said of all rolls, at least.
ROLLS = {
  'reprise': (dict(repeats=2, echoes=(2, 3), returns=True), 4, 6),
  'harmony': (dict(repeats=3, tops=(61,)), 3, 2),
}


@pytest.mark.parametrize('name', ROLLS)
def test_rolls_are_scored_with_their_own_as_the_sampler_does(name):
  changes, num_steps, least = ROLLS[name]
  config = models.tiny(((2, 1), (1, 1)), densities=(1,), chords=True, **changes)
  params, rolls_RxPxT = models.random_params(config, scale=0.2), models.all_rolls(2, num_steps)
  crop = models.as_crop(rolls_RxPxT, config.halo, config.codec)
  nats_R = models.teacher_forced_nats(config, params, crop)
  np.testing.assert_allclose(-nats_R, models.log_probability(config, params, crop), atol=1e-4)
  own_of = {'reprise': returns.of_rolls, 'harmony': chord.of_rolls}[name]
  own_RxL = np.asarray(own_of(rolls_RxPxT, config))
  assert len(np.unique(own_RxL)) >= least
  asked = jax.jit(
    lambda: sum(
      loss.nats for loss in Fractal(config).apply(params, crop, False, said={name: own_RxL})
    )
  )()
  np.testing.assert_allclose(asked, nats_R.sum(), rtol=1e-5)
