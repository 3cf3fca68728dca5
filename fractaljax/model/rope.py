"""Rotary position embedding over the rows and columns of a grid (Su et al. 2021, in 2D)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Rope(NamedTuple):
  """Rotations for L positions; F = number of rotated pairs of channels."""

  cos_LxF: jax.Array
  sin_LxF: jax.Array

  def at(self, i) -> 'Rope':
    """The rotation of position `i` alone."""
    return jax.tree.map(lambda t: jax.lax.dynamic_slice_in_dim(t, i, 1, axis=0), self)


def rope_table(row_L: np.ndarray, col_L: np.ndarray, head_dim: int, base: float = 1000.0) -> Rope:
  """Rotations by row in the first pairs and by column in the next ones.

  Any head dim works: of K channels, K // 4 pairs turn with the row, K // 4 with the column, and
  what is left over (up to three channels, all of them if K < 4) is not rotated.
  """
  pairs = head_dim // 4
  freq_F = base ** (-np.arange(pairs) / max(pairs, 1))
  angle_LxF = np.concatenate([np.outer(row_L, freq_F), np.outer(col_L, freq_F)], axis=1)
  return Rope(jnp.cos(angle_LxF).astype(jnp.float32), jnp.sin(angle_LxF).astype(jnp.float32))


def rotate(x_BxLxHxK: jax.Array, rope: Rope) -> jax.Array:
  """Rotates queries or keys; channels f and F + f form a pair."""
  pairs = rope.cos_LxF.shape[1]
  cos_Lx1xF = rope.cos_LxF[:, None].astype(x_BxLxHxK.dtype)
  sin_Lx1xF = rope.sin_LxF[:, None].astype(x_BxLxHxK.dtype)
  a, b, rest = jnp.split(x_BxLxHxK, (pairs, 2 * pairs), axis=-1)
  return jnp.concatenate(
    [a * cos_Lx1xF - b * sin_Lx1xF, b * cos_Lx1xF + a * sin_Lx1xF, rest], axis=-1
  )
