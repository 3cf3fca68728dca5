"""The patches that are decided at one moment: one of each region (AR) or any of them (MAR)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.model import patches
from fractaljax.model.patches import Grid


class Spot(NamedTuple):
  """A patches of each region, of which the members are decided now.

  Attributes:
    grid: the patches of a region.
    patch_A: their numbers in scan order: one of them, or all.
    member_NxA: which of them are decided.
  """

  grid: Grid
  patch_A: jax.Array
  member_NxA: jax.Array

  @property
  def is_one(self) -> bool:
    return self.patch_A.shape[0] == 1

  def read(self, x_NxQxW, origin: tuple[int, int] = (0, 0)):
    """The cells of the patches, (N, A, p, t), from a canvas where the region begins at `origin`."""
    if not self.is_one:
      return self.grid.split(self._inner(x_NxQxW, origin))
    size = (x_NxQxW.shape[0], *self.grid.patch)
    return jax.lax.dynamic_slice(x_NxQxW, self._corner(origin), size)[:, None]

  def write(self, x_NxQxW, cells_NxAxpxt, origin: tuple[int, int]):
    """The canvas with these cells in place of the patches'."""
    if not self.is_one:
      cells_NxPxT = self.grid.join(cells_NxAxpxt)
      return jax.lax.dynamic_update_slice(x_NxQxW, cells_NxPxT, (0, *origin))
    return jax.lax.dynamic_update_slice(x_NxQxW, cells_NxAxpxt[:, 0], self._corner(origin))

  def read_noise(self, x_NxRxC):
    """The number of each patch, (N, A)."""
    if not self.is_one:
      return self.grid.to_scan(x_NxRxC)
    p, t = self.grid.patch
    _, row, col = self._corner((0, 0))
    return jax.lax.dynamic_slice(x_NxRxC, (0, row // p, col // t), (x_NxRxC.shape[0], 1, 1))[:, 0]

  def flat(self, chosen_C):
    """Numbers over N x A to numbers over N x L."""
    num = self.patch_A.shape[0]
    return chosen_C // num * len(self.grid) + self.patch_A[chosen_C % num]

  def _inner(self, x_NxQxW, origin: tuple[int, int]):
    (p, t), (row, col) = self.grid.patch, origin
    return x_NxQxW[:, row : row + self.grid.rows * p, col : col + self.grid.cols * t]

  def _corner(self, origin: tuple[int, int]):
    _, row_1, col_1 = self.grid.corners(self.patch_A)
    return jnp.int32(0), row_1[0] + origin[0], col_1[0] + origin[1]


class OwnSpot(NamedTuple):
  """One patch of each region, of each another one, of which the members are decided now.

  What it offers is that of `Spot`, with A = 1.

  Attributes:
    grid: the patches of a region.
    patch_N: their numbers in scan order.
    member_NxA: which of them are decided.
  """

  grid: Grid
  patch_N: jax.Array
  member_NxA: jax.Array

  def read(self, x_NxQxW, origin: tuple[int, int] = (0, 0)):
    """The cells of the patches, (N, 1, p, t), from a canvas where the region begins at `origin`."""
    row_N, col_N = self._corners(origin)
    number_N = jnp.arange(x_NxQxW.shape[0])
    return patches.cut(x_NxQxW, number_N, row_N, col_N, self.grid.patch)[:, None]

  def write(self, x_NxQxW, cells_Nx1xpxt, origin: tuple[int, int]):
    """The canvas with these cells in place of the patches'."""
    write = jax.vmap(jax.lax.dynamic_update_slice)
    return write(x_NxQxW, cells_Nx1xpxt[:, 0], self._corners(origin))

  def read_noise(self, x_NxRxC):
    """The number of each patch, (N, 1)."""
    return jnp.take_along_axis(self.grid.to_scan(x_NxRxC), self.patch_N[:, None], axis=1)

  def flat(self, chosen_C):
    """Numbers over N to numbers over N x L."""
    return chosen_C * len(self.grid) + self.patch_N[chosen_C]

  def _corners(self, origin: tuple[int, int]):
    _, row_N, col_N = self.grid.corners(self.patch_N)
    return row_N + origin[0], col_N + origin[1]
