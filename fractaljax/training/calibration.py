"""Calibration: whether what a model expects to happen in 7 cases of 10 does."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure


class Calibration(NamedTuple):
  """The predictions of one level that patches, or cells, are not empty.

  Attributes:
    bins_3xK: see `fractaljax.model.detail.Detail`.
  """

  bins_3xK: np.ndarray

  @property
  def error(self) -> float:
    """Expected calibration error (Guo et al. 2017): mean distance of a bin's shares, 0 at best."""
    num_K, predicted_K, real_K = self.bins_3xK
    return float(np.abs(predicted_K - real_K).sum() / max(num_K.sum(), 1e-9))

  @property
  def predicted(self) -> float:
    """Share that the model expects not to be empty."""
    return self._share(1)

  @property
  def real(self) -> float:
    """Share that is not empty."""
    return self._share(2)

  def _share(self, row: int) -> float:
    return float(self.bins_3xK[row].sum() / max(self.bins_3xK[0].sum(), 1e-9))


def reliability(calibrations: Mapping[str, Calibration]) -> Figure:
  """A reliability diagram for each level: real against predicted share of each bin, and how many.

  On the diagonal the model is right; below it, it expects too much.
  """
  figure = Figure(figsize=(3.2 * max(len(calibrations), 1), 4.2), layout='constrained')
  rows = figure.subplots(
    2, max(len(calibrations), 1), squeeze=False, sharex=True, height_ratios=(3, 1)
  )
  for (shares, counts), (name, calibration) in zip(rows.T, calibrations.items(), strict=False):
    num_K, predicted_K, real_K = calibration.bins_3xK
    used_K = num_K > 0
    shares.plot([0, 1], [0, 1], color='#a9afba', linewidth=0.8)
    shares.plot(
      predicted_K[used_K] / num_K[used_K], real_K[used_K] / num_K[used_K], 'o-', color='#4b53b5'
    )
    shares.set(title=f'{name}\nerror {calibration.error:.3f}', xlim=(0, 1), ylim=(0, 1))
    counts.bar((np.arange(len(num_K)) + 0.5) / len(num_K), num_K, 0.9 / len(num_K), color='#a7d3e8')
    counts.set(yscale='symlog', ylim=(0, None), xlabel='predicted share not empty')
  rows[0, 0].set_ylabel('real share')
  rows[1, 0].set_ylabel('decisions')
  return figure
