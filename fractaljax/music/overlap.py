"""Overlap: how much of two distributions is the same."""

import numpy as np

NUM_CELLS = 1000
REACH = 4  # standard deviations of the kernel, beyond which it is nothing


def overlap(a_N: np.ndarray, b_M: np.ndarray, bin_width: int | None) -> float:
  """Overlapping area of the densities of two sets of values: 1 = the same, 0 = nothing in common.

  As in Yang & Lerch 2020, "On the evaluation of generative models in music", but of the values
  themselves, where they take the distances between pieces. Two sets without values are the same.

  Args:
    a_N, b_M: the values.
    bin_width: of whole numbers, which are counted in bins (0, w], (w, 2w] ...; None = the values
      are real numbers, whose densities are estimated with Gaussian kernels. Scott's rule gives one
      width for both, by the smaller set, so that equal values have equal densities.
  """
  if len(a_N) == 0 or len(b_M) == 0:
    return float(len(a_N) == len(b_M))
  low, high = min(a_N.min(), b_M.min()), max(a_N.max(), b_M.max())
  if np.isclose(low, high, rtol=1e-9, atol=1e-12):  # one value, however it was rounded
    return 1.0
  if bin_width is None:
    share_2xK = _smoothed(a_N, b_M, low, high)
  else:
    first, last = np.ceil(low / bin_width), np.ceil(high / bin_width)
    edge_K = bin_width * (np.arange(first, last + 2) - 0.5)
    share_2xK = [_shares(np.ceil(x / bin_width) * bin_width, edge_K) for x in (a_N, b_M)]
  return float(np.minimum(*share_2xK).sum())


def _shares(values: np.ndarray, edge_K: np.ndarray) -> np.ndarray:
  return np.histogram(values, edge_K)[0] / len(values)


def _smoothed(a_N: np.ndarray, b_M: np.ndarray, low: float, high: float) -> list[np.ndarray]:
  """Shares of both sets in the cells of a fine grid, smoothed."""
  width = (np.std(a_N) + np.std(b_M)) / 2 * min(len(a_N), len(b_M)) ** -0.2
  edge_K = np.linspace(low - REACH * width, high + REACH * width, NUM_CELLS + 1)
  cell = edge_K[1] - edge_K[0]
  reach = int(REACH * width / cell)
  distance_R = np.arange(-reach, reach + 1) * cell
  kernel_R = np.exp(-0.5 * (distance_R / width) ** 2) if reach else np.ones(1)
  kernel_R /= kernel_R.sum()
  return [np.convolve(_shares(x, edge_K), kernel_R, 'same') for x in (a_N, b_M)]
