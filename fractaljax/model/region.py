"""A region: what one level is given to split, with all it knows of its surroundings."""

import flax
import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model import patches
from fractaljax.model.config import Level, ModelConfig
from fractaljax.model.echoes import child_echoes, core, first_echoes
from fractaljax.model.matches import matches
from fractaljax.model.patches import Grid
from fractaljax.model.trust import count_below, count_so_far, trust
from fractaljax.music.codec import Codec
from fractaljax.music.crop import Crop


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
    col_N: its first step in the roll.
    cond_NxC: the parent's output; for the whole roll the ids of its attributes.
    echo_NxExQxW: what was there before, see `fractaljax.model.echoes`, for each of E echoes and
      matches; None for the whole roll, and where the model has none.
    trust_NxE: how far each of these can be trusted, ids, see `fractaljax.model.trust`.
    so_far_NxEx2: notes of all pitches that are equal to those of each echo, and that differ, at the
      steps from the beginning of the first level's patch, the bar, to the region's.
    past_NxPxB: all pitches of the roll until the region's end, as they were known when it began,
      `outside` before the roll; None where its patches find no matches of their own.
    below_NxEx2: notes below the region, at its own steps, that are equal to those of each echo and
      that differ, see `notes_below`.
    margin: K.
  """

  canvas_NxQxW: jax.Array
  valid_NxT: jax.Array
  phase_NxT: jax.Array
  bar_NxT: jax.Array
  row_N: jax.Array
  col_N: jax.Array
  cond_NxC: jax.Array
  echo_NxExQxW: jax.Array | None
  trust_NxE: jax.Array | None
  so_far_NxEx2: jax.Array | None
  past_NxPxB: jax.Array | None
  below_NxEx2: jax.Array | None
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

  @property
  def there_NxExPxT(self) -> jax.Array:
    """What the echoes have at the region's own cells."""
    return core(self.echo_NxExQxW, self.halo, self.size[1])

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
    jnp.zeros(tokens_BxPxT.shape[0], jnp.int32),
    jnp.asarray(crop.attributes_A),
    None,
    None,
    None,
    None,
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
  before_CxPxH = canvas_CxQxW[:, margin : margin + p, :halo]
  memory = _memory(region, grid, seen_NxQxW, before_CxPxH, (n_C, row_C, col_C), config)
  below_CxEx2 = None
  if config.num_echoes:
    below_NxExLx2 = notes_below(region, grid, seen_NxQxW, config)
    below_CxEx2 = below_NxExLx2[n_C, :, flat_C % len(grid)]
  row_C, col_C = region.row_N[n_C] + row_C, region.col_N[n_C] + col_C
  return Region(
    canvas_CxQxW, valid, phase, bar, row_C, col_C, cond_CxD, *memory, below_CxEx2, margin
  )


def _memory(region: Region, grid: Grid, seen_NxQxW, before_CxPxH, corners_C, config: ModelConfig):
  """Echoes, trust, notes so far and past of patches, see `Region`."""
  if not config.num_echoes:
    return None, None, None, None
  (p, t), n_C, margin = grid.patch, corners_C[0], region.margin
  known_NxPxW = seen_NxQxW[:, margin : seen_NxQxW.shape[1] - margin]
  if region.echo_NxExQxW is None:
    blocks = first_echoes(known_NxPxW, region.halo, corners_C, grid.patch, config)
    # With room for a match of the first patch, and of every later one.
    before = ((0, 0), (0, 0), (region.size[1] + t, 0))
    past_NxPxB = jnp.pad(known_NxPxW, before, constant_values=config.codec.outside)
    past_NxPxB, parent_CxE = past_NxPxB.astype(jnp.uint8), None
  else:
    blocks = child_echoes(region.echo_NxExQxW, region.halo, corners_C, grid.patch)
    past_NxPxB, parent_CxE = region.past_NxPxB, region.trust_NxE[n_C]
  past_CxPxB = None
  if config.matches and past_NxPxB is not None:
    # Found anew wherever more is known by now than when the region's own were.
    blocks = blocks[: len(config.echoes)]
    blocks += matches(known_NxPxW, past_NxPxB, region.col_N, corners_C, grid.patch, config)
    if t > 1 and p == config.codec.num_pitches:
      size = (p, past_NxPxB.shape[2] - region.size[1] + t)
      past_CxPxB = patches.cut(past_NxPxB, *corners_C, size)
  echo_CxExQxW = jnp.stack(blocks, axis=1)
  trust_CxE = trust(before_CxPxH, echo_CxExQxW, parent_CxE, config.codec)
  if p == config.codec.num_pitches:
    num_steps_C = (region.col_N[n_C] + corners_C[2]) % config.levels[0].patch[1]
    so_far_CxEx2 = count_so_far(before_CxPxH, echo_CxExQxW, num_steps_C, config.codec)
  elif region.so_far_NxEx2 is None:
    so_far_CxEx2 = jnp.zeros((*trust_CxE.shape, 2), jnp.int32)
  else:
    so_far_CxEx2 = region.so_far_NxEx2[n_C]
  return echo_CxExQxW, trust_CxE, so_far_CxEx2, past_CxPxB


def notes_below(region: Region, grid: Grid, seen_NxQxW, config: ModelConfig):
  """Notes below each patch, at its own steps, equal to an echo's and different, (N, E, L, 2).

  Counted within the largest region of just these steps; what is unknown does not count.
  """
  below_NxExLx2 = jnp.zeros((region.row_N.shape[0], config.num_echoes, len(grid), 2), jnp.int32)
  if region.echo_NxExQxW is None:
    return below_NxExLx2
  if grid.cols == 1:
    below_NxExLx2 += region.below_NxEx2[:, :, None]
  if grid.rows > 1:
    here_NxPxT = region.inner(seen_NxQxW)
    below_NxExLx2 += count_below(here_NxPxT, region.there_NxExPxT, grid, config.codec)
  return below_NxExLx2


def hide(region: Region, grid: Grid, hidden_NxL, codec: Codec) -> jax.Array:
  """The region's canvas with the patches of `hidden_NxL` unknown."""
  hidden_NxPxT = grid.spread(hidden_NxL)
  around = ((0, 0), (region.margin, region.margin), (region.halo, 0))
  return jnp.where(jnp.pad(hidden_NxPxT, around), codec.unknown, region.canvas_NxQxW)
