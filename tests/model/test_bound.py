"""The loss of a MAR model bounds the log likelihood, and by how much is known."""

import itertools

import jax
import numpy as np
import pytest

import models
from fractaljax.model.fractal import Fractal

NUM_RNGS = 4000
ROLLS = models.all_rolls(2, 2)


def order_noise(config, num_steps):
  """Noise with every order of a 2 x 2 roll in columns of two cells: leaves (orders, rows, cols)."""
  pairs = [np.array([0.2, 0.8], np.float32), np.array([0.8, 0.2], np.float32)]
  noise = models.same_noise(config, 1, num_steps)
  columns, cells = [], []
  for first, left, right in itertools.product(pairs, pairs, pairs):
    columns.append(first[None])
    cells.append(np.stack([left, right], axis=1))
  num = len(columns)
  choice = tuple(np.repeat(x, num, axis=0) for x in noise.choice)
  return noise._replace(choice=choice, order=(np.stack(columns), np.stack(cells)))


def mean_bound(config, params):
  """Mean and standard error over masks of the loss of each roll."""
  model = Fractal(config)

  def one(key, crop):
    crop_1 = jax.tree.map(lambda x: x[None], crop)
    losses = model.apply(params, crop_1, False, rngs={'mask': key})
    return sum(loss.nats for loss in losses)

  crop = models.as_crop(ROLLS, config.halo, config.codec)
  keys = jax.random.split(jax.random.key(3), NUM_RNGS)
  every = jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))
  nats_KxB = np.asarray(every(keys, crop), np.float64)
  return nats_KxB.mean(axis=0), nats_KxB.std(axis=0) / np.sqrt(NUM_RNGS)


def scores_by_order(config, params):
  """-log probability of each roll in each order: (orders, rolls)."""
  noise = order_noise(config, 2)
  crop = models.as_crop(ROLLS, config.halo, config.codec)
  num_orders, num = noise.order[0].shape[0], len(ROLLS)
  crop = jax.tree.map(lambda x: np.tile(x, (num_orders, *[1] * (x.ndim - 1))), crop)
  noise = jax.tree.map(lambda x: np.repeat(x, num, axis=0), noise)
  logp = models.log_probability(config, params, crop, noise=noise)
  return -logp.reshape(num_orders, num).astype(np.float64)


@pytest.mark.parametrize(
  ('generators', 'gate'),
  [(('mar', 'mar'), True), (('mar', 'mar'), False), (('ar', 'mar'), True), (('mar', 'ar'), True)],
)
def test_the_loss_is_the_mean_over_orders_and_a_bound(generators, gate):
  config = models.tiny(((2, 1), (1, 1)), generators, gate=gate)
  params = models.random_params(config, seed=4)
  nats_OxB = scores_by_order(config, params)
  loss_B, error_B = mean_bound(config, params)
  np.testing.assert_array_less(np.abs(loss_B - nats_OxB.mean(axis=0)), 4 * error_B + 1e-4)
  exact_B = -np.log(np.exp(-nats_OxB).mean(axis=0))
  assert np.all(loss_B >= exact_B - 4 * error_B - 1e-4)
  # Orders differ, or there would be nothing to average, and masks too.
  assert np.ptp(nats_OxB, axis=0).max() > 0.1 and error_B.max() > 0
