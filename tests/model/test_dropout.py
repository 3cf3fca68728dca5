"""Dropout, dropped attributes and hidden cells are alive in training and dead in scoring."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.fractal import Fractal

ATTRIBUTES = ('tempo', 'key')
ROLLS = (np.random.default_rng(0).random((8, 2, 4)) < 0.4).astype(np.int32)


@functools.cache
def params_of(attributes=()):
  return models.random_params(models.tiny(attributes=attributes))


def nats_by_level(config, train):
  """A function of (mask seed, dropout seed, attributes): nats of each level."""
  crop = models.as_crop(ROLLS, config.halo, config.codec, len(config.attributes))

  @jax.jit
  def run(mask_seed, dropout_seed, ids_A):
    rngs = {'mask': jax.random.key(mask_seed), 'dropout': jax.random.key(dropout_seed)}
    ids_BxA = jnp.tile(ids_A, (len(ROLLS), 1))
    losses = Fractal(config).apply(
      params_of(config.attributes), crop._replace(attributes_A=ids_BxA), train, rngs=rngs
    )
    return [loss.nats for loss in losses]

  def with_ids(mask_seed, dropout_seed, ids_A=()):
    return np.array(run(mask_seed, dropout_seed, np.array(ids_A, np.int32)))

  return with_ids


def with_dropout(*rates):
  config = models.tiny()
  levels = [
    dataclasses.replace(level, dropout=rate)
    for level, rate in zip(config.levels, rates, strict=True)
  ]
  return dataclasses.replace(config, levels=tuple(levels))


@pytest.mark.parametrize('rates', [(0.5, 0.0), (0.0, 0.5)])
def test_dropout_is_alive_in_training_at_the_levels_that_have_it(rates):
  run = nats_by_level(with_dropout(*rates), True)
  first, again, other = run(0, 0), run(0, 0), run(0, 1)
  np.testing.assert_array_equal(first, again)
  # What is dropped at the first level is also missing in what its children are told.
  np.testing.assert_array_equal(first != other, [rates[0] > 0, True])


def test_without_dropout_training_is_the_same_for_every_seed():
  run = nats_by_level(with_dropout(0.0, 0.0), True)
  np.testing.assert_array_equal(run(0, 0), run(0, 1))


def test_scoring_has_no_dropout():
  run, plain = (nats_by_level(with_dropout(*rates), False) for rates in ((0.5, 0.5), (0.0, 0.0)))
  np.testing.assert_array_equal(run(0, 0), run(0, 1))
  np.testing.assert_array_equal(run(0, 0), plain(0, 0))


@pytest.mark.parametrize('cond_drop', [0.0, 1.0, 0.5])
def test_attributes_matter_in_training_unless_they_are_dropped(cond_drop):
  run = nats_by_level(models.tiny(attributes=ATTRIBUTES, cond_drop=cond_drop), True)
  changed = [
    run(seed, 0, (3, 4)) != run(seed, 0, ids) for seed in range(4) for ids in [(1, 4), (3, 9)]
  ]
  # The first level scores the attributes themselves, dropped or not.
  assert np.all(changed) if cond_drop < 1 else not np.any(np.array(changed)[:, 1:])
  if cond_drop == 1:
    np.testing.assert_array_equal(run(0, 0, (3, 4))[1:], run(0, 0, (0, 0))[1:])
  # Another seed drops others.
  assert np.any(run(0, 0, (3, 4))[1:] != run(1, 0, (3, 4))[1:]) == (cond_drop == 0.5)


def test_the_attributes_of_a_roll_are_dropped_together():
  config = models.tiny(attributes=ATTRIBUTES, cond_drop=0.5)
  left_BxA = Fractal(config).apply(
    params_of(ATTRIBUTES),
    jnp.tile(jnp.array([3, 4]), (64, 1)),
    method='_drop_attributes',
    rngs={'mask': jax.random.key(0)},
  )
  assert set(map(tuple, left_BxA.tolist())) == {(3, 4), (0, 0)}


def test_attributes_are_never_dropped_in_scoring():
  run = nats_by_level(models.tiny(attributes=ATTRIBUTES, cond_drop=1.0), False)
  for ids in [(1, 4), (3, 9), (0, 0)]:
    assert np.all(run(0, 0, (3, 4)) != run(0, 0, ids))


def test_cells_are_hidden_in_training_and_never_in_scoring():
  hiding = models.tiny(hide=0.5)
  run, plain = nats_by_level(hiding, True), nats_by_level(models.tiny(), True)
  assert np.all(run(0, 0) != run(0, 1)) and np.all(run(0, 0) != plain(0, 0))
  score, plain = nats_by_level(hiding, False), nats_by_level(models.tiny(), False)
  np.testing.assert_array_equal(score(0, 0), plain(0, 0))


def test_what_is_counted_stays_whole_in_training():
  config = models.tiny(
    ((2, 2), (2, 1), (1, 1)), halo=2, chord_pitches=1, repeats=1, densities=(1, 2), tops=(61,)
  )
  params = models.random_params(config)
  # Notes that come again, so that both rooms and hints count them.
  crop = models.as_crop(np.ones((3, 2, 4), np.int32), config.halo, config.codec)

  def counted(hide):
    """Vectors and logits of each level by what is counted."""

    @jax.jit
    def run(params):
      _, state = Fractal(dataclasses.replace(config, hide=hide)).apply(
        params,
        crop,
        True,
        rngs={'mask': jax.random.key(0), 'dropout': jax.random.key(0)},
        capture_intermediates=lambda _, method: method == 'tables',
        mutable=['intermediates'],
      )
      return [state['intermediates'][f'splits_{i}']['tables'][0] for i in range(3)]

    return run(params)

  hidden, plain = counted(0.9), counted(0.0)
  # What is counted at each of the patches differs.
  assert all(np.ptp(x_NxLx, axis=1).max() > 0 for x_NxLx in (*plain[1], plain[2][1]))
  for level, wanted in zip(hidden, plain, strict=True):
    for x, wanted_x in zip(level, wanted, strict=True):
      np.testing.assert_array_equal(x, wanted_x)
