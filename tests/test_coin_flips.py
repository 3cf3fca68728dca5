"""No mix of levels can know the outcome of a coin: a loss below the entropy is a leak."""

import math

import pytest

from benchmarks import coin_flips


@pytest.mark.slow
@pytest.mark.parametrize('generators', [('ar', 'mar', 'ar'), ('mar', 'ar', 'mar')])
def test_coin_flips_cost_their_entropy(generators):
  patches = coin_flips.HIERARCHIES['square']
  nats = coin_flips.nats_per_cell(patches, generators, updates=100)
  assert 0.99 * math.log(2) <= nats <= 1.2 * math.log(2)
