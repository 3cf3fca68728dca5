"""One level as a module: what goes into its trunk, and what comes out for the patches."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import zeros

from fractaljax.model import room
from fractaljax.model.blocks import joined, windows
from fractaljax.model.children import notes_below
from fractaljax.model.config import ModelConfig
from fractaljax.model.density import num_bins
from fractaljax.model.echoes import ECHO_PITCHES, ECHO_STEPS, steps_before
from fractaljax.model.hint import Hint
from fractaljax.model.patches import Grid, make_grid
from fractaljax.model.region import Region, in_phrases
from fractaljax.model.repeat import EIGHTHS, eighths_of, lag_of
from fractaljax.model.rope import rope_table
from fractaljax.model.trunk import Trunk
from fractaljax.model.trust import NUM_ROWS, rows_by_echo
from fractaljax.music.attributes import num_ids
from fractaljax.music.codec import NUM_FEATURES
from fractaljax.music.crop import NUM_PHASES

ROW_CHANNELS = 16


class Split(nn.Module):
  """Level `index` of a model: splits regions into patches and says what each patch holds.

  An AR level reads, at each patch, the patch before it in the scan; a MAR level reads every patch
  in place, the masked ones as unknown. Both add the parent's output, the roll's attributes, and of
  the patch itself the halo strip, the echoes with how far they can be trusted, and the place in
  pitch, metre and song. The first level hears the form of its patches, the others what room its
  densities leave. What echoes and room say by themselves is added to the logits.
  """

  config: ModelConfig
  index: int

  @property
  def level(self):
    return self.config.levels[self.index]

  @property
  def is_last(self) -> bool:
    return self.index == len(self.config.levels) - 1

  @property
  def decides(self) -> bool:
    """Whether its patches are asked for anything, or all of them are expanded."""
    return self.is_last or self.config.gate

  def setup(self):
    config, level = self.config, self.level
    self.patch_row = self.row_dense(level.patch[1])
    self.patch = self.dense(level.width)
    self.halo_row = self.row_dense(config.halo)
    self.before = self.dense(level.width) if config.halo else None
    self.below = self.dense(level.width) if self.num_below else None
    self.echo_row = self.row_dense(level.patch[1] + 2 * ECHO_STEPS)
    self.echo = self.hint = None
    if self.index and config.num_echoes:
      self.echo = self.dense(level.width)
      # Many rows are rare, and should say nothing before they are learned.
      self.trust = nn.Embed(config.num_echoes * NUM_ROWS, level.width, embedding_init=zeros)
      self.hint = Hint(config, self.is_last) if self.decides else None
    self.cond = self.dense(level.width) if self.index else None
    self.attributes = [
      nn.Embed(num_ids(name), level.width, embedding_init=zeros) for name in config.attributes
    ]
    self.density = self.room = None
    if config.densities and self.index:
      self.room = room.Room(config, level.width, self.is_last)
    elif config.densities:
      self.density = nn.Embed(num_bins(config), level.width, embedding_init=zeros)
    self.lag = self.eighths = None
    if not self.index and config.repeats:
      self.lag = nn.Embed(config.repeats + 1, level.width, embedding_init=zeros)
      self.eighths = nn.Embed(EIGHTHS[-1] + 1, level.width, embedding_init=zeros)
    if level.causal:
      self.start = self.param('start', nn.initializers.normal(0.02), (level.width,))
    self.row = nn.Embed(config.codec.num_pitches // level.patch[0], level.width)
    self.phase = nn.Embed(NUM_PHASES, level.width)
    self.bar = nn.Embed(config.phrase_bars, level.width)
    self.phrase = nn.Embed(config.num_phrases, level.width)
    self.trunk = Trunk(level, config.qk_norm, config.dtype, config.remat, self.reach)
    if self.is_last:
      self.hidden = [self.dense(config.head_width, bias=True) for _ in range(config.head_depth)]
    num_out = config.codec.num_values if self.is_last else 1
    self.out = nn.Dense(
      num_out,
      dtype=jnp.float32,
      kernel_init=zeros,
      bias_init=silence_first if self.is_last else zeros,
    )

  def dense(self, width: int, bias: bool = False) -> nn.Dense:
    return nn.Dense(width, use_bias=bias, dtype=self.config.dtype)

  def row_dense(self, num_steps: int) -> nn.Dense | None:
    """What narrows the cells of a row in a block, where they are many."""
    return self.dense(ROW_CHANNELS) if num_steps * NUM_FEATURES > ROW_CHANNELS else None

  @property
  def reach(self) -> int:
    """Patches back that the trunk sees: those of the last `span` steps; 0 = all."""
    p, t = self.level.patch
    rows = self.config.codec.num_pitches // p
    return 0 if self.index else self.config.span // t * rows

  @property
  def is_whole(self) -> bool:
    """Whether a patch spans all pitches, and there are none around it."""
    return self.level.patch[0] == self.config.codec.num_pitches

  @property
  def margin(self) -> int:
    """Pitches above and below a patch that its halo takes in."""
    return 0 if self.is_whole else self.config.halo_pitches

  @property
  def num_below(self) -> int:
    """Pitches below a patch, at its own time, that it sees."""
    return self.config.chord_pitches if self.level.upwards and not self.is_whole else 0

  def grid(self, region: Region) -> Grid:
    return make_grid(region.size, self.level.patch, self.level.scan)

  def __call__(self, region: Region, seen_NxQxW, train: bool):
    """Outputs for all patches of whole regions.

    Args:
      region: the regions, N of them.
      seen_NxQxW: the canvas as the patches see each other (MAR: masked patches unknown).
      train: whether dropout is alive.

    Returns:
      y_NxLxD in scan order, and logits: of gates (N, L), of values (N, L, V), or None.
    """
    grid = self.grid(region)
    x_NxLxD, room_NxL = self.place(region, grid), self.rooms(region, seen_NxQxW, grid)
    if room_NxL is not None:
      x_NxLxD += self.room(room_NxL)
    if train and self.config.hide:
      hidden_NxQxW = jax.random.bernoulli(
        self.make_rng('dropout'), self.config.hide, seen_NxQxW.shape
      )
      seen_NxQxW = jnp.where(hidden_NxQxW, self.config.codec.unknown, seen_NxQxW)
    x_NxLxD += self.content(region, seen_NxQxW, grid)
    y_NxLxD, _ = self.trunk(x_NxLxD, self.rope(grid), train=train)
    hint = self.hints(region, seen_NxQxW, grid) + self.room_hints(region, room_NxL, grid)
    return y_NxLxD, self.logits(y_NxLxD, hint)

  def step(self, place_NxLxD, region: Region, grid: Grid, cache, i):
    """Output for patch `i` alone (AR): the same as `__call__` gives there, from the cache.

    Returns:
      y_Nx1xD, its logits, and the cache with patch i in it.
    """
    canvas_NxQxW = region.canvas_NxQxW
    x_Nx1xD = jax.lax.dynamic_slice_in_dim(place_NxLxD, i, 1, axis=1)
    room_Nx1 = self.rooms(region, canvas_NxQxW, grid, i)
    if room_Nx1 is not None:
      x_Nx1xD += self.room(room_Nx1)
    x_Nx1xD += self.content_at(canvas_NxQxW, grid, i)
    y_Nx1xD, cache = self.trunk(x_Nx1xD, self.rope(grid).at(i), cache, i)
    hint = self.hints(region, canvas_NxQxW, grid, i) + self.room_hints(region, room_Nx1, grid, i)
    return y_Nx1xD, self.logits(y_Nx1xD, hint), cache

  def rope(self, grid: Grid):
    return rope_table(grid.row_L, grid.col_L, self.level.width // self.level.heads)

  def place(self, region: Region, grid: Grid):
    """What is known of every patch before anything is generated: (N, L, D)."""
    p, t = grid.patch
    row_NxR = region.row_N[:, None] // p + jnp.arange(grid.rows)
    bar_NxC, phrase_NxC = in_phrases(region.bar_NxT[:, ::t], self.config)
    time_NxCxD = self.phase(region.phase_NxT[:, ::t]) + self.bar(bar_NxC) + self.phrase(phrase_NxC)
    place_NxRxCxD = self.row(row_NxR)[:, :, None] + time_NxCxD[:, None]
    if self.cond is not None:
      place_NxRxCxD += self.cond(region.cond_NxC)[:, None, None]
    if self.echo is not None:
      place_NxRxCxD += self.echo(self.echoes(region, grid))
      memory = region.memory
      row_NxEx4 = rows_by_echo(memory.trust_NxE, memory.so_far_NxEx3, memory.below_NxEx3)
      place_NxRxCxD += self.trust(row_NxEx4).sum(axis=(1, 2))[:, None, None]
    if self.lag is not None:
      repeat_NxL = region.repeat_NxL
      repeat_NxCxD = self.lag(lag_of(repeat_NxL)) + self.eighths(eighths_of(repeat_NxL))
      place_NxRxCxD += repeat_NxCxD[:, None]
    if self.density is not None:
      place_NxRxCxD += self.density(region.density_NxL)[:, None]
    for a, embed in enumerate(self.attributes):
      place_NxRxCxD += embed(region.attributes_NxA[:, a])[:, None, None]
    return grid.to_scan(place_NxRxCxD).astype(self.config.dtype)

  def rooms(self, region: Region, seen_NxQxW, grid: Grid, i=None):
    """What room there is at each patch, ids (N, L), or at `i`, (N, 1); see `room`; or None."""
    if self.room is None:
      return None
    room_NxL = room.ids(region, seen_NxQxW, grid, self.config)
    return room_NxL if i is None else jax.lax.dynamic_slice_in_dim(room_NxL, i, 1, axis=1)

  def hints(self, region: Region, seen_NxQxW, grid: Grid, i=None):
    """Logits of the echoes alone, see `Hint`; 0 without echoes or decisions.

    For all patches, (N, L, V); or for patch `i` alone, (N, 1, V).
    """
    if self.hint is None:
      return 0.0
    there_MxPxT = region.there_NxExPxT.reshape(-1, *region.size)
    there_NxExLxpxt = grid.split(there_MxPxT).reshape(
      -1, self.config.num_echoes, len(grid), *grid.patch
    )
    below_NxExLx3 = notes_below(region, grid, seen_NxQxW, self.config)
    if i is not None:
      there_NxExLxpxt, below_NxExLx3 = (
        jax.lax.dynamic_slice_in_dim(x, i, 1, axis=2) for x in (there_NxExLxpxt, below_NxExLx3)
      )
    return self.hint(region.memory, there_NxExLxpxt, below_NxExLx3)

  def room_hints(self, region: Region, room_NxL, grid: Grid, i=None):
    """Logits of the room alone, in the same shapes; 0 without densities or decisions."""
    if room_NxL is None or not self.decides:
      return 0.0
    col_A = jnp.asarray(grid.col_L) if i is None else jnp.asarray(grid.col_L)[i, None]
    step_NxA = (region.col_N[:, None] + col_A * grid.patch[1]) % self.config.levels[0].patch[1]
    return self.room.logits(room_NxL, step_NxA)

  def content(self, region: Region, seen_NxQxW, grid: Grid):
    """Patches and halo strips as vectors, at the positions that may see them: (N, L, D)."""
    features_NxQxWx5 = self.features(seen_NxQxW)
    patches_NxLxpxtx5 = grid.split(region.inner(features_NxQxWx5))
    x_NxLxD = self.patch(joined(patches_NxLxpxtx5, self.patch_row))
    if self.level.causal:
      start_Nx1xD = jnp.broadcast_to(self.start, (x_NxLxD.shape[0], 1, self.level.width))
      x_NxLxD = jnp.concatenate([start_Nx1xD.astype(x_NxLxD.dtype), x_NxLxD[:, :-1]], axis=1)
    if self.before is not None:
      x_NxLxD += self.before(grid.to_scan(self.strips(region, features_NxQxWx5, grid)))
    if self.below is not None:
      x_NxLxD += self.below(grid.to_scan(self.chords(region, features_NxQxWx5, grid)))
    return x_NxLxD

  def content_at(self, canvas_NxQxW, grid: Grid, i):
    """`content` of an AR level at patch `i` alone: (N, 1, D)."""
    (p, t), halo, margin = grid.patch, self.config.halo, self.config.margin
    row_L, col_L = jnp.asarray(grid.row_L) * p, jnp.asarray(grid.col_L) * t

    def cut(i, skip, size):
      corner = (0, row_L[i] + skip[0], col_L[i] + skip[1])
      return jax.lax.dynamic_slice(canvas_NxQxW, corner, (canvas_NxQxW.shape[0], *size))

    before_Nxpxt = cut(jnp.maximum(i - 1, 0), (margin, halo), (p, t))
    x_NxD = self.patch(joined(self.features(before_Nxpxt), self.patch_row))
    x_NxD = jnp.where(i == 0, self.start.astype(x_NxD.dtype), x_NxD)
    if self.before is not None:
      strip_NxSxH = cut(i, (margin - self.margin, 0), (p + 2 * self.margin, halo))
      x_NxD += self.before(joined(self.features(strip_NxSxH), self.halo_row))
    if self.below is not None:
      chord_NxKxt = cut(i, (margin - self.num_below, halo), (self.num_below, t))
      x_NxD += self.below(joined(self.features(chord_NxKxt), self.patch_row))
    return x_NxD[:, None]

  def features(self, tokens):
    """What the model reads of each token: (..., 5)."""
    return jnp.asarray(self.config.codec.features(), self.config.dtype)[tokens]

  def strips(self, region: Region, features_NxQxWx5, grid: Grid):
    """Halo strips of all patches as vectors, (N, rows, cols, S)."""
    first, size = region.margin - self.margin, (grid.patch[0] + 2 * self.margin, region.halo)
    return windows(features_NxQxWx5, grid, first, size, self.halo_row)

  def chords(self, region: Region, features_NxQxWx5, grid: Grid):
    """The pitches below each patch at its own time as vectors, (N, rows, cols, S)."""
    first, size = region.margin - self.num_below, (self.num_below, grid.patch[1])
    return windows(features_NxQxWx5[:, :, region.halo :], grid, first, size, self.patch_row)

  def echoes(self, region: Region, grid: Grid):
    """What was at each patch so many steps before, and just around: (N, rows, cols, E S)."""
    (p, t), margin = grid.patch, 0 if self.is_whole else ECHO_PITCHES
    first, size = ECHO_PITCHES - margin, (p + 2 * margin, t + 2 * ECHO_STEPS)
    begin = steps_before(region.halo) - ECHO_STEPS
    each_ExNxRxCxS = [
      windows(self.features(echo_NxQxW), grid, first, size, self.echo_row)
      for echo_NxQxW in region.memory.echo_NxExQxW[..., begin:].swapaxes(0, 1)
    ]
    return jnp.concatenate(each_ExNxRxCxS, axis=-1)

  def logits(self, y_NxLxD, hint_NxLxV):
    """Gate logits (N, L) of a level with children, value logits (N, L, V) of the last; float32.

    None where every patch is expanded without being asked.
    """
    if not self.decides:
      return None
    if self.is_last:
      for hidden in self.hidden:
        y_NxLxD = nn.silu(hidden(y_NxLxD))
    logits_NxLxV = self.out(y_NxLxD) + hint_NxLxV
    return logits_NxLxV if self.is_last else logits_NxLxV[..., 0]

  def condition(self, y_NxLxD, grid: Grid):
    """What a child is told: its own output, of a MAR level also its four neighbours'."""
    return y_NxLxD if self.level.causal else grid.neighbours(y_NxLxD)


def silence_first(rng, shape: tuple[int], dtype) -> jax.Array:
  """Bias of the value logits with which nine cells in ten begin as silent, as in music they are."""
  return jnp.zeros(shape, dtype).at[0].set(jnp.log(9.0 * (shape[0] - 1)))
