"""Limits: what a patch cannot hold, since its bar is as was said and notes go on where they sound.

The density, the top and the rhythm of a bar are read off its notes. So no note begins beyond the
density, above the top or at a step that is not struck, and what a model leaves for that is lost.
Where such decisions add up, it is worse than lost: a register is opened in which nothing fits, and
as it cannot stay empty its last cell sounds.
"""

import jax.numpy as jnp

from fractaljax.model import ceiling, room, strikes
from fractaljax.model.config import ModelConfig
from fractaljax.model.nats import NEVER
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region, rows_of_pitch
from fractaljax.music.codec import SILENCE


def gates(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Logits to be added to those of gates, (N, L, 1): 0, or NEVER for patches that stay empty.

  And its opposite for those of all pitches in which a note begins for certain.
  """
  begins_NxL = begins(region, seen_NxQxW, grid, config)
  may_NxL = begins_NxL | goes_on(region, seen_NxQxW, grid, config)
  logits_NxL = jnp.where(may_NxL, 0.0, NEVER)
  if config.rhythms and config.is_whole(grid.patch):
    logits_NxL = jnp.where(begins_NxL, -NEVER, logits_NxL)  # it may only where it is struck
  return logits_NxL[..., None]


def values(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """The same for the values of cells, (N, L, V)."""
  value_V = jnp.arange(config.codec.num_values)
  begins_NxL = begins(region, seen_NxQxW, grid, config)
  goes_on_NxL = goes_on(region, seen_NxQxW, grid, config)
  may_NxLxV = jnp.where(
    config.codec.is_note(value_V), begins_NxL[..., None], goes_on_NxL[..., None]
  )
  return jnp.where(may_NxLxV | (value_V == SILENCE), 0.0, NEVER)


def in_silence(region: Region, grid: Grid, config: ModelConfig):
  """Patches that can be the first of their region to hold anything, (N, L)."""
  silence_NxQxW = jnp.asarray(region.canvas_NxQxW).at[:, :, region.halo :].set(SILENCE)
  return begins(region, silence_NxQxW, grid, config) | goes_on(region, silence_NxQxW, grid, config)


def begins(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Where a note can begin, in codecs without onsets, sound, (N, L)."""
  may_NxL = jnp.ones((region.row_N.shape[0], len(grid)), bool)
  if config.densities:
    may_NxL &= ~room.is_full(room.ids(region, seen_NxQxW, grid, config), config)
  if config.tops:
    row_NxL = rows_of_pitch(region, grid)
    side_NxL = ceiling.sides(region.top_NxL, row_NxL, grid.patch[0], config)
    may_NxL &= side_NxL != ceiling.ABOVE
  if config.rhythms:
    may_NxL &= strikes.is_struck(region, grid, config)
  return may_NxL


def goes_on(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Where a note may have to go on: one sounds just before, or it is not known, (N, L)."""
  before = ((0, 0), (0, 0), (1, 0))
  cells_NxPxW = jnp.pad(region.known(seen_NxQxW), before, constant_values=config.codec.outside)
  before_NxPxT = cells_NxPxW[:, :, region.halo : -1]
  return (grid.split(before_NxPxT)[..., 0] != SILENCE).any(axis=2) & config.codec.has_onsets
