"""A region: what one level is given to split, with all it knows of its surroundings."""

import flax
import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model import patches
from fractaljax.model.config import Level, ModelConfig
from fractaljax.model.occupancy import is_sounding
from fractaljax.model.patches import Grid
from fractaljax.music.codec import Codec
from fractaljax.music.crop import Crop

ECHO_PITCHES, ECHO_STEPS = 2, 1  # around a patch, of what was there before


@flax.struct.dataclass
class Region:
  """N regions of P pitches by T steps, with a halo of H steps and K pitches.

  Attributes:
    canvas_NxQxW: int32 tokens, Q = K + P + K and W = H + T: the region and what is before it in
      time, with the pitches above and below it. Beside the region itself those above are unknown,
      and those below too unless they come before it in the scan.
    valid_NxT: False on padding.
    phase_NxT: place in the bar, see `fractaljax.music.crop.phase`.
    bar_NxT: index of the bar in the song.
    row_N: pitch row of the region's lowest pitch.
    cond_NxC: the parent's output; for the whole roll the ids of its attributes.
    echo_NxExQxW: tokens of the region's pitches and steps so many steps before, for each of E
      echoes and matches, with ECHO_PITCHES and ECHO_STEPS more on every side; None for the whole
      roll, and where the model has none.
    margin: K.
  """

  canvas_NxQxW: jax.Array
  valid_NxT: jax.Array
  phase_NxT: jax.Array
  bar_NxT: jax.Array
  row_N: jax.Array
  cond_NxC: jax.Array
  echo_NxExQxW: jax.Array | None
  margin: int = flax.struct.field(pytree_node=False)

  @property
  def size(self) -> tuple[int, int]:
    """(pitches, steps), without the halo."""
    return self.canvas_NxQxW.shape[1] - 2 * self.margin, self.valid_NxT.shape[1]

  @property
  def halo(self) -> int:
    return self.canvas_NxQxW.shape[2] - self.valid_NxT.shape[1]

  @property
  def origin(self) -> tuple[int, int]:
    """Where the region begins in its canvas: (row, column)."""
    return self.margin, self.halo

  @property
  def tokens_NxPxT(self) -> jax.Array:
    return self.inner(self.canvas_NxQxW)

  def inner(self, x_NxQxW) -> jax.Array:
    """The region's own cells of an array like its canvas."""
    return x_NxQxW[:, self.margin : x_NxQxW.shape[1] - self.margin, self.halo :]


def whole_roll(crop: Crop, config: ModelConfig) -> Region:
  """The first region: a batch of crops, with padding and what is beyond the pitches outside."""
  codec, margin = config.codec, config.margin
  tokens_BxPxT = jnp.where(crop.valid_T[:, None], crop.tokens_PxT, codec.outside)
  canvas_BxPxW = jnp.concatenate([crop.left_PxH, tokens_BxPxT], axis=2).astype(jnp.int32)
  beyond = ((0, 0), (margin, margin), (0, 0))
  return Region(
    jnp.pad(canvas_BxPxW, beyond, constant_values=codec.outside),
    jnp.asarray(crop.valid_T),
    jnp.asarray(crop.phase_T),
    jnp.asarray(crop.bar_T),
    jnp.zeros(tokens_BxPxT.shape[0], jnp.int32),
    jnp.asarray(crop.attributes_A),
    None,
    margin,
  )


def children(
  region: Region, grid: Grid, seen_NxQxW, flat_C, cond_CxD, config: ModelConfig, level: Level
) -> Region:
  """The patches of `level` with flat numbers `flat_C` (of N x L), as regions of the next level.

  `seen_NxQxW` is the canvas as one patch sees the others: the masked patches of a MAR level are
  unknown there. A child's halo is cut from it, and its own cells from the canvas itself.
  `cond_CxD` is what each child is told by its parent. If the level goes upwards, the patches below
  a child at the same time come before it, and it sees them.
  """
  (p, t), halo, margin = grid.patch, region.halo, region.margin
  n_C, row_C, col_C = grid.corners(flat_C)
  size = (p + 2 * margin, halo + t)
  canvas_CxQxW = patches.cut(region.canvas_NxQxW, n_C, row_C, col_C, size)
  if seen_NxQxW is not region.canvas_NxQxW and halo:
    strip_CxQxH = patches.cut(seen_NxQxW, n_C, row_C, col_C, (size[0], halo))
    canvas_CxQxW = jnp.concatenate([strip_CxQxH, canvas_CxQxW[:, :, halo:]], axis=2)
  if margin:
    # Neighbours at the same time may come later, and a child must not depend on them.
    row_Qx1 = np.arange(size[0])[:, None]
    later_Qx1 = (row_Qx1 >= margin + p) | ((row_Qx1 < margin) & (not level.upwards))
    beside_QxW = later_Qx1 & (np.arange(size[1]) >= halo)
    canvas_CxQxW = jnp.where(beside_QxW, config.codec.unknown, canvas_CxQxW)
  valid, phase, bar = (
    patches.cut_steps(x, n_C, col_C, t)
    for x in (region.valid_NxT, region.phase_NxT, region.bar_NxT)
  )
  row_C = region.row_N[n_C] + row_C
  echo = None
  if config.num_echoes:
    echo = _cut_echoes(region, (n_C, row_C, col_C), (p, t), seen_NxQxW, config)
  return Region(canvas_CxQxW, valid, phase, bar, row_C, cond_CxD, echo, margin)


def _cut_echoes(region: Region, corners_C, patch, seen_NxQxW, config: ModelConfig):
  """The echoes of patches: from their parent's echoes, of the first level from the roll itself."""
  n_C, row_C, col_C = corners_C
  size = (patch[0] + 2 * ECHO_PITCHES, patch[1] + 2 * ECHO_STEPS)
  if region.echo_NxExQxW is not None:
    sources = [(x_NxQxW, col_C) for x_NxQxW in region.echo_NxExQxW.swapaxes(0, 1)]
  else:
    roll_NxPxW = seen_NxQxW[:, region.margin : seen_NxQxW.shape[1] - region.margin]
    # The earliest that is asked for; at 0 in the padded roll, a whole block is outside.
    back = max((size[1], *(ECHO_STEPS + steps for steps in config.echoes)))
    around = ((0, 0), (ECHO_PITCHES, ECHO_PITCHES), (back, 0))
    roll_NxQxW = jnp.pad(roll_NxPxW, around, constant_values=config.codec.outside)
    here_C = back + region.halo + col_C - ECHO_STEPS
    cols = [here_C - steps for steps in config.echoes]
    if config.matches:
      steps_CxM = _matches(roll_NxPxW, region.halo, patch[1], n_C, col_C, config)
      cols += list(jnp.where(steps_CxM > 0, here_C[:, None] - steps_CxM, 0).T)
    sources = [(roll_NxQxW, col_C) for col_C in cols]
  return jnp.stack([patches.cut(x, n_C, row_C, col, size) for x, col in sources], axis=1)


def _matches(roll_NxPxW, halo: int, steps: int, n_C, col_C, config: ModelConfig):
  """How many steps before each patch that began which followed the halo most like its own, (C, M).

  Of the patches of `steps` steps that end a step before it or earlier, the M whose halos differ
  from its own the least, the newest first among equals; 0 where there are not so many. A cell that
  differs weighs the more the nearer it is to the patch, by 1 / distance.
  """
  sounding_NxPxW = is_sounding(roll_NxPxW, config.codec.num_values).astype(jnp.float32)
  num = (roll_NxPxW.shape[2] - halo) // steps
  col_LxH = np.arange(num)[:, None] * steps + np.arange(halo)
  halos_NxPxLxH = sounding_NxPxW[:, :, col_LxH]
  # Whole numbers, so equals are equal in every program.
  weighed_NxPxLxH = halos_NxPxLxH * (halo // np.arange(halo, 0, -1))
  both_NxLxL = jnp.einsum('npih,npjh->nij', weighed_NxPxLxH, halos_NxPxLxH)
  alike_NxLxL = 2 * both_NxLxL - weighed_NxPxLxH.sum(axis=(1, 3))[:, None]
  ago_LxL = np.arange(num)[:, None] - np.arange(num)
  alike_NxLxL = jnp.where(ago_LxL * steps >= steps + ECHO_STEPS, alike_NxLxL, -jnp.inf)
  alike_CxL = alike_NxLxL[n_C, col_C // steps]
  # With room for those that are not there.
  newest_CxL = jnp.pad(alike_CxL[:, ::-1], ((0, 0), (0, config.matches)), constant_values=-jnp.inf)
  best_CxM, newest_CxM = jax.lax.top_k(newest_CxL, config.matches)
  col_CxM = (num - 1 - newest_CxM) * steps
  return jnp.where(jnp.isfinite(best_CxM), col_C[:, None] - col_CxM, 0)


def hide(region: Region, grid: Grid, hidden_NxL, codec: Codec) -> jax.Array:
  """The region's canvas with the patches of `hidden_NxL` unknown."""
  hidden_NxPxT = grid.spread(hidden_NxL)
  around = ((0, 0), (region.margin, region.margin), (region.halo, 0))
  return jnp.where(jnp.pad(hidden_NxPxT, around), codec.unknown, region.canvas_NxQxW)
