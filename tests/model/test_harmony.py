"""The harmony: chords after the form and before the notes, with probabilities that sum to one."""

import jax
import jax.numpy as jnp
import numpy as np

import models
from fractaljax.model import chord, harmony
from fractaljax.model.form import with_form
from fractaljax.model.fractal import Fractal
from fractaljax.model.region import whole_roll
from fractaljax.model.repeat import id_of

CONFIG = models.tiny(((2, 2), (2, 1), (1, 1)), repeats=20, densities=(1, 3), chords=True)
ROLLS = models.tiny(((2, 1), (1, 1)), repeats=3, densities=(1,), tops=(61,), chords=True)


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
  region = models.random_region(CONFIG, 0, num_steps=40, num=1)
  region = region.replace(chord_NxL=jnp.asarray(chord_1xL), repeat_NxL=jnp.asarray(repeat_1xL))
  logits = jax.jit(lambda: Fractal(CONFIG).apply(params, 'harmony', region, method='bar_logits'))
  found_LxK = np.asarray(logits())[0]
  assert np.flatnonzero(found_LxK[:, 3]).tolist() == [6]
  assert {int(bar): float(found_LxK[bar, 4]) for bar in np.flatnonzero(found_LxK[:, 4])} == {
    1 + lag: lag for lag in harmony.LAGS
  }


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
