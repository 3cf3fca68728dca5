"""Place: what is known of each patch before anything of its region is generated, as vectors."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import zeros

from fractaljax.model.blocks import features, row_dense, windows
from fractaljax.model.chord import NUM_CHORDS
from fractaljax.model.config import Level, ModelConfig
from fractaljax.model.echoes import ECHO_PITCHES, ECHO_STEPS, steps_before
from fractaljax.model.form import FormEmbed
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region
from fractaljax.model.returns import ReturnsEmbed
from fractaljax.model.rhythm import RhythmEmbed
from fractaljax.model.song import SongEmbed
from fractaljax.model.trust import NUM_ROWS, rows_by_echo
from fractaljax.music.crop import NUM_PHASES


class Place(nn.Module):
  """Where a patch lies in pitch, metre and song, and what the levels above said of it.

  The first level hears what is said of its patches, the others the parent's output and the echoes,
  with how far these can be trusted.
  """

  config: ModelConfig
  level: Level
  is_first: bool

  def setup(self):
    config, level = self.config, self.level
    self.row = nn.Embed(config.codec.num_pitches // level.patch[0], level.width)
    self.phase = nn.Embed(NUM_PHASES, level.width)
    self.song = SongEmbed(config, level.width)
    self.form = self.returns = self.chord = self.rhythm = self.cond = self.echo = None
    if self.is_first and config.repeats:
      self.form = FormEmbed(config, level.width, zeros)
    if self.is_first and config.returns:
      self.returns = ReturnsEmbed(config, level.width, zeros)
    if self.is_first and config.chords:
      self.chord = nn.Embed(NUM_CHORDS, level.width, embedding_init=zeros)
    if self.is_first and config.rhythms:
      self.rhythm = RhythmEmbed(config, level.width, zeros)
    if not self.is_first:
      self.cond = nn.Dense(level.width, use_bias=False, dtype=config.dtype)
    if not self.is_first and config.num_echoes:
      self.echo_row = row_dense(level.patch[1] + 2 * ECHO_STEPS, config)
      self.echo = nn.Dense(level.width, use_bias=False, dtype=config.dtype)
      # Many rows are rare, and should say nothing before they are learned.
      self.trust = nn.Embed(config.num_echoes * NUM_ROWS, level.width, embedding_init=zeros)

  def __call__(self, region: Region, grid: Grid):
    """Of all patches in scan order, (N, L, D)."""
    p, t = grid.patch
    row_NxR = region.row_N[:, None] // p + jnp.arange(grid.rows)
    time_NxCxD = self.phase(region.phase_NxT[:, ::t]) + self.song(region, t)
    if self.form is not None:  # one for each patch, since these are of all pitches then
      time_NxCxD += self.form(region)
    if self.returns is not None:
      time_NxCxD += self.returns(region.return_NxL)
    if self.chord is not None:
      time_NxCxD += self.chord(region.chord_NxL)
    if self.rhythm is not None:
      time_NxCxD += self.rhythm(region.rhythm_NxL)
    place_NxRxCxD = self.row(row_NxR)[:, :, None] + time_NxCxD[:, None]
    if self.cond is not None:
      place_NxRxCxD += self.cond(region.cond_NxC)[:, None, None]
    if self.echo is not None:
      place_NxRxCxD += self.echo(self._echoes(region, grid))
      memory = region.memory
      row_NxEx5 = rows_by_echo(
        memory.trust_NxE, memory.so_far_NxEx4, memory.below_NxEx4, memory.due_NxEx4
      )
      place_NxRxCxD += self.trust(row_NxEx5).sum(axis=(1, 2))[:, None, None]
    return grid.to_scan(place_NxRxCxD).astype(self.config.dtype)

  def _echoes(self, region: Region, grid: Grid):
    """What was at each patch so many steps before, and just around: (N, rows, cols, E S)."""
    (p, t), margin = grid.patch, 0 if self.config.is_whole(grid.patch) else ECHO_PITCHES
    first, size = ECHO_PITCHES - margin, (p + 2 * margin, t + 2 * ECHO_STEPS)
    begin = steps_before(region.halo) - ECHO_STEPS
    each_ExNxRxCxS = [
      windows(features(echo_NxQxW, self.config), grid, first, size, self.echo_row)
      for echo_NxQxW in region.memory.echo_NxExQxW[..., begin:].swapaxes(0, 1)
    ]
    return jnp.concatenate(each_ExNxRxCxS, axis=-1)
