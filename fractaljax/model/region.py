"""A region: what one level is given to split, with all it knows of its surroundings."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.model import patches
from fractaljax.model.patches import Grid
from fractaljax.music.codec import Codec
from fractaljax.music.crop import Crop


class Region(NamedTuple):
  """N regions of P pitches by T steps, with a halo of H steps.

  Attributes:
    canvas_NxPxW: int32 tokens, W = H + T: the strip of H steps before the region, then the region.
    valid_NxT: False on padding.
    phase_NxT: place in the bar, see `fractaljax.music.crop.phase`.
    bar_NxT: index of the bar in the song.
    row_N: pitch row of the region's lowest pitch.
    cond_NxC: the parent's output; for the whole roll the ids of its attributes.
  """

  canvas_NxPxW: jax.Array
  valid_NxT: jax.Array
  phase_NxT: jax.Array
  bar_NxT: jax.Array
  row_N: jax.Array
  cond_NxC: jax.Array

  @property
  def size(self) -> tuple[int, int]:
    """(pitches, steps), without the halo."""
    return self.canvas_NxPxW.shape[1], self.valid_NxT.shape[1]

  @property
  def halo(self) -> int:
    return self.canvas_NxPxW.shape[2] - self.valid_NxT.shape[1]

  @property
  def tokens_NxPxT(self) -> jax.Array:
    return self.canvas_NxPxW[:, :, self.halo :]


def whole_roll(crop: Crop, codec: Codec) -> Region:
  """The first region: a batch of crops, padding marked as outside."""
  tokens_BxPxT = jnp.where(crop.valid_T[:, None], crop.tokens_PxT, codec.outside)
  return Region(
    jnp.concatenate([crop.left_PxH, tokens_BxPxT], axis=2),
    jnp.asarray(crop.valid_T),
    jnp.asarray(crop.phase_T),
    jnp.asarray(crop.bar_T),
    jnp.zeros(tokens_BxPxT.shape[0], jnp.int32),
    jnp.asarray(crop.attributes_A),
  )


def children(region: Region, grid: Grid, seen_NxPxW, flat_C, cond_CxD) -> Region:
  """The patches with flat numbers `flat_C` (of N x L), as regions of the next level.

  `seen_NxPxW` is the canvas as one patch sees the others: the masked patches of a MAR level are
  unknown there. A child's halo is cut from it, and its own cells from the canvas itself.
  `cond_CxD` is what each child is told by its parent.
  """
  (p, t), halo = grid.patch, region.halo
  n_C, row_C, col_C = grid.corners(flat_C)
  if seen_NxPxW is region.canvas_NxPxW or halo == 0:
    canvas_CxPxW = patches.cut(region.canvas_NxPxW, n_C, row_C, col_C, (p, halo + t))
  else:
    strip_CxPxH = patches.cut(seen_NxPxW, n_C, row_C, col_C, (p, halo))
    cells_CxPxT = patches.cut(region.canvas_NxPxW, n_C, row_C, col_C + halo, (p, t))
    canvas_CxPxW = jnp.concatenate([strip_CxPxH, cells_CxPxT], axis=2)
  valid, phase, bar = (
    patches.cut_steps(x, n_C, col_C, t)
    for x in (region.valid_NxT, region.phase_NxT, region.bar_NxT)
  )
  return Region(canvas_CxPxW, valid, phase, bar, region.row_N[n_C] + row_C, cond_CxD)


def hide(region: Region, grid: Grid, hidden_NxL, codec: Codec) -> jax.Array:
  """The region's canvas with the patches of `hidden_NxL` unknown."""
  hidden_NxPxT = grid.spread(hidden_NxL)
  hidden_NxPxW = jnp.pad(hidden_NxPxT, ((0, 0), (0, 0), (region.halo, 0)))
  return jnp.where(hidden_NxPxW, codec.unknown, region.canvas_NxPxW)
