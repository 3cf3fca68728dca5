"""One level as a module: what goes into its trunk, and what comes out for the patches."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import zeros

from fractaljax.model import ceiling, limits, room, strikes
from fractaljax.model.children import notes_below
from fractaljax.model.chord import Chord
from fractaljax.model.config import ModelConfig
from fractaljax.model.content import Content
from fractaljax.model.hint import Hint, by_value
from fractaljax.model.patches import Grid, make_grid
from fractaljax.model.place import Place
from fractaljax.model.region import Region, rows_of_pitch, steps_of_bar
from fractaljax.model.rope import rope_table
from fractaljax.model.song import SongHint
from fractaljax.model.trunk import Trunk
from fractaljax.music.codec import NUM_KINDS


class Split(nn.Module):
  """Level `index` of a model: splits regions into patches and says what each patch holds.

  At each patch its trunk reads the notes that it may see, `Content`, what is known of the patch
  before anything of its region is generated, `Place`, and what the density, the top and the rhythm
  of the bar leave for notes, `Room`, `Ceiling` and `Strikes`. What these and echoes say by
  themselves is added to the logits.
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

  @property
  def reach(self) -> int:
    """Patches back that the trunk sees: those of the last `span` steps; 0 = all."""
    p, t = self.level.patch
    rows = self.config.codec.num_pitches // p
    return 0 if self.index else self.config.span // t * rows

  def setup(self):
    config, level = self.config, self.level
    self.place = Place(config, level, is_first=not self.index)
    self.content = Content(config, level)
    self.room = self.ceiling = self.chord = self.strikes = self.hint = self.song_hint = None
    num_rows = config.codec.num_pitches // level.patch[0]
    # Of silence, a note that goes on, an onset; or of a gate.
    num_out = NUM_KINDS - 1 if self.is_last else 1
    if self.index and config.densities:
      self.room = room.Room(config, level.width, num_out)
    if self.index and config.tops:
      self.ceiling = ceiling.Ceiling(config, level.width, num_rows, num_out)
    if self.index and config.chords:
      self.chord = Chord(config, level.width, self.is_last, num_out)
    if self.index and config.rhythms:
      self.strikes = strikes.Strikes(config, level.width, num_rows, num_out)
    if self.decides and config.attributes:
      self.song_hint = SongHint(config, num_rows, num_out)
    if self.index and config.num_echoes and self.decides:
      self.hint = Hint(config, self.is_last)
    self.trunk = Trunk(level, config.qk_norm, config.dtype, config.remat, self.reach)
    if self.is_last:
      self.hidden = [
        nn.Dense(config.head_width, dtype=config.dtype) for _ in range(config.head_depth)
      ]
    self.out = nn.Dense(
      config.codec.num_values if self.is_last else 1,
      dtype=jnp.float32,
      kernel_init=zeros,
      bias_init=silence_first if self.is_last else zeros,
    )

  def grid(self, region: Region) -> Grid:
    return make_grid(region.size, self.level.patch, self.level.scan)

  def __call__(self, region: Region, seen_NxQxW, train: bool):
    """Outputs for all patches of whole regions.

    Args:
      region: the regions, N of them.
      seen_NxQxW: the canvas as the patches see each other (MAR: masked patches unknown).
      train: whether dropout is alive, and cells are hidden.

    Returns:
      y_NxLxD in scan order, and logits: of gates (N, L), of values (N, L, V), or None.
    """
    grid = self.grid(region)
    x_NxLxD = self.place(region, grid)
    vector_NxLxD, hint_NxLxV = self.tables(region, seen_NxQxW, grid)
    x_NxLxD += vector_NxLxD
    if train and self.config.hide:
      hidden_NxQxW = jax.random.bernoulli(
        self.make_rng('dropout'), self.config.hide, seen_NxQxW.shape
      )
      seen_NxQxW = jnp.where(hidden_NxQxW, self.config.codec.unknown, seen_NxQxW)
    x_NxLxD += self.content(region, seen_NxQxW, grid)
    y_NxLxD, _ = self.trunk(x_NxLxD, self.rope(grid), train=train)
    return y_NxLxD, self.logits(y_NxLxD, hint_NxLxV)

  def step(self, place_NxLxD, region: Region, grid: Grid, cache, i):
    """Output for patch `i` alone (AR): the same as `__call__` gives there, from the cache.

    Returns:
      y_Nx1xD, its logits, and the cache with patch i in it.
    """
    vector_Nx1xD, hint_Nx1xV = self.tables(region, region.canvas_NxQxW, grid, i)
    x_Nx1xD = one_or_all(place_NxLxD, i, axis=1) + vector_Nx1xD
    x_Nx1xD += self.content.step(region.canvas_NxQxW, grid, i)
    y_Nx1xD, cache = self.trunk(x_Nx1xD, self.rope(grid).at(i), cache, i)
    return y_Nx1xD, self.logits(y_Nx1xD, hint_Nx1xV), cache

  def rope(self, grid: Grid):
    return rope_table(grid.row_L, grid.col_L, self.level.width // self.level.heads)

  def tables(self, region: Region, seen_NxQxW, grid: Grid, i=None):
    """What tables say of each patch, or of patch `i` alone, by attributes and counted notes.

    Returns:
      Vectors of what is said of the bar (N, L, D), and logits of that, of the song, of echoes and
      of limits (N, L, V), or (N, 1, ...); 0 without any.
    """
    vector_NxAxD = hint_NxAxV = 0.0
    row_NxA = one_or_all(rows_of_pitch(region, grid), i, axis=1)
    step_NxA = one_or_all(steps_of_bar(region, grid, self.config), i, axis=1)
    if self.room is not None:
      id_NxA = one_or_all(room.ids(region, seen_NxQxW, grid, self.config), i, axis=1)
      vector_NxAxD += self.room(id_NxA)
      if self.decides:
        hint_NxAxV += self.by_value(self.room.logits(id_NxA, step_NxA))
    if self.ceiling is not None:
      id_NxA = one_or_all(ceiling.ids(region, seen_NxQxW, grid, self.config), i, axis=1)
      vector_NxAxD += self.ceiling(id_NxA)
      if self.decides:
        hint_NxAxV += self.by_value(self.ceiling.logits(id_NxA, row_NxA, step_NxA))
    if self.chord is not None:
      more_NxAxD, chord_NxAxG = self.chord(region.chord_NxL, row_NxA)
      vector_NxAxD += more_NxAxD
      if self.is_last:
        hint_NxAxV += self.by_value(chord_NxAxG)
    if self.strikes is not None:
      id_NxA = one_or_all(strikes.ids(region, seen_NxQxW, grid, self.config), i, axis=1)
      vector_NxAxD += self.strikes(id_NxA)
      if self.decides:
        hint_NxAxV += self.by_value(self.strikes.logits(id_NxA, row_NxA))
    if self.song_hint is not None:
      song_NxAxG = self.song_hint(region.attributes_NxA, row_NxA, step_NxA)
      hint_NxAxV += self.by_value(song_NxAxG)
    if self.hint is not None:
      there_NxExAxpxt = one_or_all(jax.vmap(grid.split, 1, 1)(region.there_NxExPxT), i, axis=2)
      below_NxExAx4 = one_or_all(notes_below(region, grid, seen_NxQxW, self.config), i, axis=2)
      hint_NxAxV += self.hint(region.memory, there_NxExAxpxt, below_NxExAx4)
    if self.decides and self.config.has_limits:
      limit = limits.values if self.is_last else limits.gates
      hint_NxAxV += one_or_all(limit(region, seen_NxQxW, grid, self.config), i, axis=1)
    return vector_NxAxD, hint_NxAxV

  def by_value(self, hint_NxAxG):
    """Logits of values for those of their kinds; of gates as they are."""
    return by_value(hint_NxAxG, self.config.codec) if self.is_last else hint_NxAxG

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


def one_or_all(x, i, axis: int):
  """Entry `i` alone along an axis, which is kept; everything without `i`."""
  return x if i is None else jax.lax.dynamic_slice_in_dim(x, i, 1, axis)


def silence_first(rng, shape: tuple[int], dtype) -> jax.Array:
  """Bias of the value logits with which nine cells in ten begin as silent, as in music they are."""
  return jnp.zeros(shape, dtype).at[0].set(jnp.log(9.0 * (shape[0] - 1)))
