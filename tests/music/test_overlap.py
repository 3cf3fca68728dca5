import numpy as np
import pytest

from fractaljax.music.overlap import overlap

RNG = np.random.default_rng(0)
EMPTY = np.zeros(0)


@pytest.mark.parametrize('bin_width', [1, 4, None])
def test_the_same_values_overlap_wholly_others_not_at_all(bin_width):
  a_N = RNG.integers(1, 40, 300)
  assert overlap(a_N, a_N[::-1], bin_width) == pytest.approx(1)
  assert overlap(a_N, a_N + 200, bin_width) == pytest.approx(0)
  assert overlap(a_N, a_N + 20, bin_width) == pytest.approx(overlap(a_N + 20, a_N, bin_width))
  assert overlap(np.array([3]), np.array([3]), bin_width) == 1
  assert overlap(np.array([3]), np.array([8]), bin_width) == 0
  assert (overlap(a_N, EMPTY, bin_width), overlap(EMPTY, EMPTY, bin_width)) == (0, 1)


def test_one_value_that_was_rounded_in_two_ways_is_the_same():
  one = np.array([2.0])
  assert overlap(one, np.nextafter(one, 3), None) == 1 and overlap(one, one + 1e-6, None) < 1


def test_bins_are_those_of_the_velocities():
  assert overlap(np.array([1, 4]), np.array([2, 3]), 4) == 1
  assert overlap(np.array([4]), np.array([5]), 4) == 0
  assert overlap(np.array([1, 2, 2, 3]), np.array([2, 3, 4]), 1) == pytest.approx(1 / 3 + 1 / 4)


def test_normal_densities_overlap_as_they_should():
  # Two normal densities, a standard deviation apart: 2 Phi(-1/2). The kernels make them wider.
  a_N, b_M = RNG.normal(0, 1, 20_000), RNG.normal(1, 1, 20_000)
  assert overlap(a_N, b_M, None) == pytest.approx(0.617, abs=0.02)
  assert overlap(a_N, RNG.normal(0, 1, 100), None) > 0.9
