"""Columns after a song's end never reach the loss."""

import functools

import jax
import numpy as np
import pytest

import models
from fractaljax.model.fractal import Fractal

NUM_STEPS = 8


@functools.cache
def losses_of(generators=('ar', 'ar'), gate=True):
  """A model and a jitted function from crops to its losses, one key for all."""
  form = (
    dict(repeats=3, densities=(1, 3), tops=(61,), rhythms=True) if generators[0] == 'ar' else {}
  )
  config = models.tiny(generators=generators, gate=gate, **form)
  params = models.random_params(config)

  @jax.jit
  def run(crop):
    return Fractal(config).apply(params, crop, False, rngs={'mask': jax.random.key(1)})

  return config, run


def crop_of(config, num_valid, seed=0, num_steps=NUM_STEPS):
  """Random rolls, roll b with num_valid[b] steps."""
  rng = np.random.default_rng(seed)
  rolls = rng.integers(0, 2, (len(num_valid), 2, NUM_STEPS))[:, :, :num_steps]
  valid_BxT = np.arange(num_steps) < np.array(num_valid)[:, None]
  return models.as_crop(rolls, config.halo, config.codec)._replace(valid_T=valid_BxT)


def nats(losses):
  return np.array([loss.nats for loss in losses])


@pytest.mark.parametrize('gate', [True, False])
@pytest.mark.parametrize('generators', [('ar', 'ar'), ('mar', 'mar')])
def test_tokens_of_padding_change_nothing(generators, gate):
  config, run = losses_of(generators, gate)
  crop = crop_of(config, [8, 5, 4, 1])
  first = run(crop)
  for filler in (0, 1, 'other'):
    other = 1 - crop.tokens_PxT if filler == 'other' else filler
    tokens_BxPxT = np.where(crop.valid_T[:, None], crop.tokens_PxT, other).astype(np.int32)
    jax.tree.map(np.testing.assert_array_equal, run(crop._replace(tokens_PxT=tokens_BxPxT)), first)
  # Tokens that are not padding do change it.
  changed = crop.tokens_PxT.copy()
  changed[3, 0, 0] ^= 1
  assert np.any(nats(run(crop._replace(tokens_PxT=changed))) != nats(first))


@pytest.mark.parametrize('gate', [True, False])
def test_a_crop_of_padding_alone_adds_nothing(gate):
  config, run = losses_of(gate=gate)
  with_padding, without = run(crop_of(config, [8, 3, 0])), run(crop_of(config, [8, 3]))
  np.testing.assert_allclose(nats(with_padding), nats(without), rtol=1e-5)
  for a, b in zip(with_padding, without, strict=True):
    assert (a.num_scored, a.num_open, a.num_dropped) == (b.num_scored, b.num_open, b.num_dropped)


@pytest.mark.parametrize(('gate', 'steps'), [(True, 2), (True, 6), (False, 6)])
def test_a_padded_roll_costs_as_much_as_the_shorter_one(gate, steps):
  config, run = losses_of(gate=gate)
  padded, short = run(crop_of(config, [steps])), run(crop_of(config, [steps], num_steps=steps))
  np.testing.assert_allclose(nats(padded), nats(short), rtol=1e-5)


@pytest.mark.parametrize(('gate', 'num_valid'), [(True, 1), (True, 3), (False, 3)])
def test_rolls_that_end_within_a_patch_are_normalised(gate, num_valid):
  config = models.tiny(gate=gate)
  rolls = models.all_rolls(2, num_valid)
  rolls = np.pad(rolls, ((0, 0), (0, 0), (0, 4 - num_valid)), constant_values=1)
  valid_BxT = np.broadcast_to(np.arange(4) < num_valid, (len(rolls), 4))
  crop = models.as_crop(rolls, config.halo, config.codec)._replace(valid_T=valid_BxT)
  nats_B = models.teacher_forced_nats(config, models.random_params(config), crop)
  np.testing.assert_allclose(np.exp(-nats_B).sum(), 1, atol=1e-5)
