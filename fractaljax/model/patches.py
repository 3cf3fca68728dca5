"""Grids of patches: where the patches of a region lie, and how arrays are cut along them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class Grid:
  """The patches of one region, L = rows x cols of them, numbered in scan order.

  Attributes:
    rows, cols: patches along pitch and along time.
    patch: (pitches, steps) of one patch.
    scan: 'time', column by column, or 'pitch', row by row.
  """

  rows: int
  cols: int
  patch: tuple[int, int]
  scan: str

  def __len__(self) -> int:
    return self.rows * self.cols

  @property
  def row_L(self) -> np.ndarray:
    return np.asarray(self.to_scan(np.indices((1, self.rows, self.cols))[1]))[0]

  @property
  def col_L(self) -> np.ndarray:
    return np.asarray(self.to_scan(np.indices((1, self.rows, self.cols))[2]))[0]

  def to_scan(self, x_NxRxCx):
    """(N, rows, cols, ...) to (N, L, ...) in scan order."""
    if self.scan == 'time':
      x_NxRxCx = x_NxRxCx.swapaxes(1, 2)
    return x_NxRxCx.reshape(x_NxRxCx.shape[0], len(self), *x_NxRxCx.shape[3:])

  def from_scan(self, x_NxLx):
    """The inverse of `to_scan`."""
    batch, _, *rest = x_NxLx.shape
    if self.scan == 'time':
      return x_NxLx.reshape(batch, self.cols, self.rows, *rest).swapaxes(1, 2)
    return x_NxLx.reshape(batch, self.rows, self.cols, *rest)

  def split(self, x_NxPxTx):
    """Cells of a region, (N, P, T, ...), to (N, L, p, t, ...)."""
    (p, t), (num, _, _, *rest) = self.patch, x_NxPxTx.shape
    x = x_NxPxTx.reshape(num, self.rows, p, self.cols, t, *rest)
    return self.to_scan(x.swapaxes(2, 3))

  def join(self, x_NxLxpxt):
    """The inverse of `split`."""
    num, _, p, t = x_NxLxpxt.shape
    x = self.from_scan(x_NxLxpxt).swapaxes(2, 3)
    return x.reshape(num, self.rows * p, self.cols * t)

  def spread(self, x_NxL):
    """One value a patch to one value a cell, (N, P, T)."""
    p, t = self.patch
    return jnp.repeat(jnp.repeat(self.from_scan(x_NxL), p, axis=1), t, axis=2)

  def sum_below(self, x_xPxT):
    """Sums over the cells below each patch, at its own steps, (M, L); M are all axes before P."""
    p, t = self.patch
    sum_MxRxC = x_xPxT.reshape(-1, self.rows, p, self.cols, t).sum(axis=(2, 4))
    return self.to_scan(jnp.cumsum(sum_MxRxC, axis=1) - sum_MxRxC)

  def corners(self, flat_C):
    """Region, row and column (in cells) of the first cell of the patches numbered over N x L."""
    n_C, i_C = flat_C // len(self), flat_C % len(self)
    p, t = self.patch
    return n_C, jnp.asarray(self.row_L)[i_C] * p, jnp.asarray(self.col_L)[i_C] * t

  def neighbours(self, y_NxLxD):
    """Each patch's vector and those of the patches above, below, before, after: (N, L, 5 D)."""
    y = self.from_scan(y_NxLxD)
    y = jnp.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
    around = [y[:, 1:-1, 1:-1], y[:, 2:, 1:-1], y[:, :-2, 1:-1], y[:, 1:-1, :-2], y[:, 1:-1, 2:]]
    return self.to_scan(jnp.concatenate(around, axis=-1))


def make_grid(region: tuple[int, int], patch: tuple[int, int], scan: str) -> Grid:
  """The grid that `patch` makes of a region of (pitches, steps), which it must divide."""
  (num_p, num_t), (p, t) = region, patch
  if num_p % p or num_t % t:
    raise ValueError(f'patch {patch} does not divide region {region}')
  return Grid(num_p // p, num_t // t, patch, scan)


def cut(x_NxPxT: jax.Array, region_C, row_C, col_C, size: tuple[int, int]) -> jax.Array:
  """Blocks of `size` (pitches, steps), block c from region_C[c] with its corner at row, col."""

  def one(n, row, col):
    return jax.lax.dynamic_slice(x_NxPxT, (n, row, col), (1, *size))[0]

  return _each(one, region_C, row_C, col_C)


def cut_steps(x_NxT: jax.Array, region_C, col_C, size: int) -> jax.Array:
  """Stretches of `size` steps, stretch c from region_C[c] beginning at col_C[c]."""

  def one(n, col):
    return jax.lax.dynamic_slice(x_NxT, (n, col), (1, size))[0]

  return _each(one, region_C, col_C)


def _each(function, *numbers_C):
  # A lone slice stays a slice: as a gather, which vmap makes of it, it is several times slower.
  if numbers_C[0].shape[0] == 1:
    return function(*(x_1[0] for x_1 in numbers_C))[None]
  return jax.vmap(function)(*numbers_C)
