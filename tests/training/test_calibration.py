"""Calibration: nothing wrong with what is right on average, and as far off as it is too sure."""

import numpy as np
import pytest

from fractaljax.training.calibration import Calibration


def of(*bins):
  """A calibration from (decisions, predicted share, real share) of bins."""
  return Calibration(np.array([(num, num * p, num * q) for num, p, q in bins]).T)


def test_what_comes_as_often_as_expected_has_no_error():
  found = of((10, 0.3, 0.3), (30, 0.7, 0.7), (0, 0, 0))
  assert found.error == pytest.approx(0)
  assert found.predicted == found.real == pytest.approx(0.6)


def test_the_error_is_the_mean_distance_of_the_bins():
  found = of((10, 0.3, 0.1), (30, 0.7, 0.8))
  assert found.error == pytest.approx((10 * 0.2 + 30 * 0.1) / 40)
  assert (found.predicted, found.real) == pytest.approx((0.6, 0.625))
