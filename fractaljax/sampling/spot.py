"""The patches that are decided at one moment: one of each region (AR) or any of them (MAR)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

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

  def read(self, x_NxPxW, halo: int = 0):
    """The cells of the patches, (N, A, p, t), from a canvas with a halo before the region."""
    if not self.is_one:
      return self.grid.split(x_NxPxW[:, :, halo:])
    size = (x_NxPxW.shape[0], *self.grid.patch)
    return jax.lax.dynamic_slice(x_NxPxW, self._corner(halo), size)[:, None]

  def write(self, x_NxPxW, cells_NxAxpxt, halo: int = 0):
    """The canvas with these cells in place of the patches'."""
    if not self.is_one:
      return x_NxPxW.at[:, :, halo:].set(self.grid.join(cells_NxAxpxt))
    return jax.lax.dynamic_update_slice(x_NxPxW, cells_NxAxpxt[:, 0], self._corner(halo))

  def read_noise(self, x_NxRxC):
    """The number of each patch, (N, A)."""
    if not self.is_one:
      return self.grid.to_scan(x_NxRxC)
    p, t = self.grid.patch
    _, row, col = self._corner(0)
    return jax.lax.dynamic_slice(x_NxRxC, (0, row // p, col // t), (x_NxRxC.shape[0], 1, 1))[:, 0]

  def flat(self, chosen_C):
    """Numbers over N x A to numbers over N x L."""
    num = self.patch_A.shape[0]
    return chosen_C // num * len(self.grid) + self.patch_A[chosen_C % num]

  def _corner(self, halo: int):
    _, row_1, col_1 = self.grid.corners(self.patch_A)
    return jnp.int32(0), row_1[0], col_1[0] + halo
