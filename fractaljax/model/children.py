"""Children: patches of a region as the regions of the next level."""

import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model import ceiling, due, patches, room, strikes
from fractaljax.model.config import Level, ModelConfig
from fractaljax.model.echoes import child_echoes, core, first_echoes
from fractaljax.model.matches import matches
from fractaljax.model.memory import Memory
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region, steps_of_bar
from fractaljax.model.trust import as_said, count_below, count_so_far, trust


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
  memory = None
  if config.num_echoes:
    memory = _memory(region, grid, seen_NxQxW, before_CxPxH, flat_C, config)
  return Region(
    canvas_CxQxW,
    valid,
    phase,
    bar,
    region.row_N[n_C] + row_C,
    region.col_N[n_C] + col_C,
    region.attributes_NxA[n_C],
    cond_CxD,
    memory,
    None,
    None,
    *_bars(region, grid, seen_NxQxW, flat_C, config),
    margin,
  )


def _bars(region: Region, grid: Grid, seen_NxQxW, flat_C, config: ModelConfig):
  """What is said of the bars of patches, (C, 1), and what they have before these, (C,).

  Densities, tops, chords, rhythms; notes, notes that come up to the tops, and whether any begins at
  the same steps. Each None where nothing is said.
  """
  n_C, _, col_C = grid.corners(flat_C)
  is_roll = region.repeat_NxL is not None
  bar_C = col_C // grid.patch[1] if is_roll else jnp.zeros_like(col_C)
  said = region.density_NxL, region.top_NxL, region.chord_NxL, region.rhythm_NxL
  said_Cx1 = jax.tree.map(lambda x_NxL: x_NxL[n_C, bar_C][:, None], said)
  before = []
  for is_said, notes_before in (
    (config.densities, room.notes_before),
    (config.tops, ceiling.high_before),
    (config.rhythms, strikes.begun_before),
  ):
    if not is_said:
      before.append(None)
    elif is_roll:
      before.append(jnp.zeros_like(bar_C))
    else:
      before.append(notes_before(region, seen_NxQxW, grid, config).reshape(-1)[flat_C])
  return *said_Cx1, *before


def _memory(
  region: Region, grid: Grid, seen_NxQxW, before_CxPxH, flat_C, config: ModelConfig
) -> Memory:
  """The memory of patches, whose own pitches were `before_CxPxH` just before them."""
  parent, codec = region.memory, config.codec
  n_C, _, col_C = corners_C = grid.corners(flat_C)
  repeat_C = None
  if region.repeat_NxL is not None:
    repeat_C = region.repeat_NxL[n_C, col_C // grid.patch[1]]
  echo_CxExQxW, past_CxPxB = _echoes(region, grid, seen_NxQxW, corners_C, repeat_C, config)
  parent_CxE = None if parent is None else parent.trust_NxE[n_C]
  trust_CxE = trust(before_CxPxH, echo_CxExQxW, parent_CxE, codec)
  due_CxEx4, eighths_CxS = jnp.zeros((*trust_CxE.shape, 4), jnp.int32), None
  if parent is not None:
    due_CxEx4 = parent.due_NxEx4[n_C]
  elif config.repeats:
    due_CxEx4, eighths_CxS = _due(region, n_C, col_C // grid.patch[1], echo_CxExQxW, config)
  if config.repeats:
    trust_CxE = as_said(trust_CxE, due.said_echoes(config), eighths_CxS, parent_CxE)
  if parent is None:  # first patches, of which nothing has been yet
    so_far_CxEx4 = jnp.zeros((*trust_CxE.shape, 4), jnp.int32)
  elif config.is_whole(grid.patch):
    num_steps_C = steps_of_bar(region, grid, config).reshape(-1)[flat_C]
    so_far_CxEx4 = count_so_far(before_CxPxH, echo_CxExQxW, num_steps_C, codec)
  else:
    so_far_CxEx4 = parent.so_far_NxEx4[n_C]
  below_NxExLx4 = notes_below(region, grid, seen_NxQxW, config)
  below_CxEx4 = below_NxExLx4[n_C, :, flat_C % len(grid)]
  return Memory(echo_CxExQxW, trust_CxE, so_far_CxEx4, below_CxEx4, due_CxEx4, past_CxPxB)


def _due(region: Region, n_C, bar_C, echo_CxExQxW, config: ModelConfig):
  """What is due in first patches, (C, E, 4), and `due.said_eighths`, (C, S)."""
  said, steps = due.said_echoes(config), config.levels[0].patch[1]
  repeat_C, return_C, density_C = jax.tree.map(
    lambda x_NxL: x_NxL[n_C, bar_C], (region.repeat_NxL, region.return_NxL, region.density_NxL)
  )
  eighths_CxS = due.said_eighths(repeat_C, return_C, config)
  there_CxSxPxT = core(echo_CxExQxW[:, said], region.halo, steps)
  held_CxS = config.codec.is_note(there_CxSxPxT).sum(axis=(2, 3))
  due_CxSx4 = due.of_bars(eighths_CxS, held_CxS, density_C, config)
  due_CxEx4 = jnp.zeros((*echo_CxExQxW.shape[:2], 4), jnp.int32).at[:, said].set(due_CxSx4)
  return due_CxEx4, eighths_CxS


def _echoes(region: Region, grid: Grid, seen_NxQxW, corners_C, repeat_C, config: ModelConfig):
  """Echoes and matches of patches, and the past of those whose own patches will find matches."""
  (p, t), memory, past_NxPxB = grid.patch, region.memory, None
  known_NxPxW = region.known(seen_NxQxW)
  if memory is None:
    blocks = first_echoes(known_NxPxW, region.halo, corners_C, repeat_C, config)
    if config.matches:
      # With room for a match of the first patch, and of every later one.
      before = ((0, 0), (0, 0), (region.size[1] + t, 0))
      past_NxPxB = jnp.pad(known_NxPxW, before, constant_values=config.codec.outside)
      past_NxPxB = past_NxPxB.astype(jnp.uint8)
  else:
    past_NxPxB = memory.past_NxPxB
    # Matches are found anew wherever more is known by now than when the region's own were.
    num_kept = config.num_echoes if past_NxPxB is None else config.num_aged
    kept_NxExQxW = memory.echo_NxExQxW[:, :num_kept]
    blocks = child_echoes(kept_NxExQxW, region.halo, corners_C, grid.patch)
  past_CxPxB = None
  if past_NxPxB is not None:
    blocks += matches(known_NxPxW, past_NxPxB, region.col_N, corners_C, grid.patch, config)
    if t > 1 and config.is_whole(grid.patch):
      size = (p, past_NxPxB.shape[2] - region.size[1] + t)
      past_CxPxB = patches.cut(past_NxPxB, *corners_C, size)
  return jnp.stack(blocks, axis=1), past_CxPxB


def notes_below(region: Region, grid: Grid, seen_NxQxW, config: ModelConfig):
  """Notes below each patch at its own steps: equal to an echo's, similar, added, missed.

  Counted within the largest region of just these steps; what is unknown does not count.

  Returns:
    (N, E, L, 4).
  """
  below_NxExLx4 = jnp.zeros((region.row_N.shape[0], config.num_echoes, len(grid), 4), jnp.int32)
  if region.memory is None:
    return below_NxExLx4
  if grid.cols == 1:
    below_NxExLx4 += region.memory.below_NxEx4[:, :, None]
  if grid.rows > 1:
    here_NxPxT = region.inner(seen_NxQxW)
    below_NxExLx4 += count_below(here_NxPxT, region.there_NxExPxT, grid, config.codec)
  return below_NxExLx4
