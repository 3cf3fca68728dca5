"""The harmony: chords after the form and before the notes, with probabilities that sum to one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model import chord, harmony
from fractaljax.model.bars import empty_cache
from fractaljax.model.form import with_form
from fractaljax.model.fractal import Fractal
from fractaljax.model.region import whole_roll
from fractaljax.model.repeat import id_of, lag_of

CONFIG = models.tiny(((2, 2), (2, 1), (1, 1)), repeats=20, densities=(1, 3), chords=True)
ROLLS = models.tiny(((2, 1), (1, 1)), repeats=3, densities=(1,), tops=(61,), chords=True)


def region_of(chord_NxL, **changes):
  region = models.random_region(CONFIG, 0, num_steps=2 * chord_NxL.shape[1], num=len(chord_NxL))
  # Nothing repeats what is not there.
  lag_NxL = np.minimum(lag_of(region.repeat_NxL), np.arange(chord_NxL.shape[1]))
  repeat_NxL = jnp.where(lag_NxL > 0, id_of(lag_NxL, 5), 0)
  return region.replace(
    **{'chord_NxL': jnp.asarray(chord_NxL), 'repeat_NxL': repeat_NxL, **changes}
  )


@jax.jit
def logits_of(params, region):
  return Fractal(CONFIG).apply(params, 'harmony', region, method='bar_logits')


def chords(num=2, num_bars=20):
  return np.random.default_rng(0).integers(0, chord.NUM_CHORDS, (num, num_bars))


def test_a_chord_depends_on_those_before_it_alone():
  params = models.random_params(CONFIG)
  chord_NxL = chords()
  plain_NxLxK = np.asarray(logits_of(params, region_of(chord_NxL)))
  for bar in (0, 3, 18):
    other_NxL = chord_NxL.copy()
    other_NxL[:, bar] = (other_NxL[:, bar] + 1) % chord.NUM_CHORDS
    is_same_L = (np.asarray(logits_of(params, region_of(other_NxL))) == plain_NxLxK).all((0, 2))
    assert np.all(is_same_L[: bar + 1]) and not np.any(is_same_L[bar + 1 :])


@pytest.mark.parametrize('name', ['repeat_NxL', 'density_NxL'])
def test_it_follows_the_form(name):
  params, region = models.random_params(CONFIG), region_of(chords())
  other = region.replace(**{name: 1 - jnp.minimum(getattr(region, name), 1)})
  assert np.any(np.asarray(logits_of(params, region) != logits_of(params, other)))


def test_it_hears_no_notes():
  params, region = models.random_params(CONFIG), region_of(chords())
  silent = region.replace(canvas_NxQxW=jnp.zeros_like(region.canvas_NxQxW))
  np.testing.assert_array_equal(logits_of(params, region), logits_of(params, silent))


def test_tables_are_of_the_bar_that_is_repeated_and_of_those_so_many_bars_before():
  params = jax.tree.map(np.zeros_like, models.random_params(CONFIG))
  tables = params['params']['harmony']
  tables['like'][1, 7, 3] = 1.0  # five eighths of a bar of that chord
  for k, lag in enumerate(harmony.LAGS):
    tables['before'][k, 7, 4] = lag
  chord_1xL = np.full((1, 20), 2)
  chord_1xL[0, 1] = 7
  repeat_1xL = np.zeros((1, 20), int)
  repeat_1xL[0, 6], repeat_1xL[0, 7] = id_of(5, 5), id_of(6, 6)
  found_LxK = np.asarray(logits_of(params, region_of(chord_1xL, repeat_NxL=repeat_1xL)))[0]
  assert np.flatnonzero(found_LxK[:, 3]).tolist() == [6]
  assert {int(bar): float(found_LxK[bar, 4]) for bar in np.flatnonzero(found_LxK[:, 4])} == {
    1 + lag: lag for lag in harmony.LAGS
  }


def test_it_is_the_same_step_by_step():
  params, region = models.random_params(CONFIG), region_of(chords())
  cache = empty_cache(CONFIG, 2, 20)
  steps = []
  step = jax.jit(
    lambda region, cache, i: Fractal(CONFIG).apply(
      params, 'harmony', region, cache, i, method='bar_step'
    )
  )
  for bar in range(20):
    # What is still to come is not there yet.
    known_NxL = jnp.where(np.arange(20) < bar, region.chord_NxL, 0)
    logits_Nx1xK, cache = step(region.replace(chord_NxL=known_NxL), cache, bar)
    steps.append(logits_Nx1xK)
  want_NxLxK = logits_of(params, region)
  np.testing.assert_allclose(jnp.concatenate(steps, axis=1), want_NxLxK, rtol=1e-4, atol=1e-5)


def test_rolls_sum_to_one_whatever_their_form_and_harmony():
  params = models.random_params(ROLLS, scale=0.2)
  rolls_RxPxT = models.all_rolls(2, 3)
  crop = models.as_crop(rolls_RxPxT, ROLLS.halo, ROLLS.codec)

  @jax.jit
  @jax.vmap
  def first_and_all(form_L, chord_L):
    """Nats of rolls with these, and what is left of them with form and harmony alone."""

    def one(crop):
      crop_1 = jax.tree.map(lambda x: x[None], crop)
      asked = {'form': form_L[None], 'harmony': chord_L[None]}
      losses = Fractal(ROLLS).apply(params, crop_1, False, said=asked)
      return sum(loss.nats for loss in losses)

    return jax.vmap(one)(crop)

  # Of the last of three bars all chords: those of all rolls together, with each of them.
  form_ZxL = np.tile([[2, 6, 7]], (chord.NUM_CHORDS, 1))
  chord_ZxL = np.stack([np.full(25, 3), np.full(25, 20), np.arange(25)], axis=1)
  prob_ZxR = np.exp(-np.asarray(first_and_all(form_ZxL, chord_ZxL), np.float64))
  logp_LxK = form_and_harmony(params, form_ZxL[0], chord_ZxL[0])
  np.testing.assert_allclose(prob_ZxR.sum(axis=1), np.exp(logp_LxK), rtol=1e-4)
  # They do depend on it.
  assert np.ptp(prob_ZxR / prob_ZxR.sum(axis=1, keepdims=True), axis=0).max() > 0.01


def form_and_harmony(params, form_L, chord_L):
  """Log probability of a form with a harmony, for each last chord."""
  crop = models.as_crop(np.zeros((1, 2, 3)), ROLLS.halo, ROLLS.codec)

  def nats(module):
    region = with_form(whole_roll(crop, ROLLS), form_L[None], ROLLS)
    region = region.replace(chord_NxL=jnp.asarray(chord_L)[None])
    form_LxK = jax.nn.log_softmax(module.bar_logits('form', region))[0]
    harmony_LxK = jax.nn.log_softmax(module.bar_logits('harmony', region))[0]
    first = form_LxK[np.arange(3), form_L].sum() + harmony_LxK[np.arange(2), chord_L[:2]].sum()
    return first + harmony_LxK[2]

  return np.asarray(Fractal(ROLLS).apply(params, method=nats), np.float64)


def test_rolls_are_scored_with_their_own_as_the_sampler_does():
  params = models.random_params(ROLLS, scale=0.2)
  rolls_RxPxT = models.all_rolls(2, 3)
  crop = models.as_crop(rolls_RxPxT, ROLLS.halo, ROLLS.codec)
  nats_R = models.teacher_forced_nats(ROLLS, params, crop)
  np.testing.assert_allclose(-nats_R, models.log_probability(ROLLS, params, crop), atol=1e-4)
  own_RxL = np.asarray(chord.of_rolls(rolls_RxPxT, ROLLS))
  asked = jax.jit(
    lambda: sum(
      loss.nats for loss in Fractal(ROLLS).apply(params, crop, False, said={'harmony': own_RxL})
    )
  )()
  np.testing.assert_allclose(asked, nats_R.sum(), rtol=1e-5)
