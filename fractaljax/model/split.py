"""One level as a module: what goes into its trunk, and what comes out for the patches."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from fractaljax.model.config import ModelConfig
from fractaljax.model.patches import Grid, make_grid
from fractaljax.model.region import Region
from fractaljax.model.rope import rope_table
from fractaljax.model.trunk import Trunk
from fractaljax.music.attributes import num_ids
from fractaljax.music.crop import NUM_PHASES


class Split(nn.Module):
  """Level `index` of a model: splits regions into patches and says what each patch holds.

  An AR level reads, at each patch, the patch before it in the scan; a MAR level reads every patch
  in place, the masked ones as unknown. Both add the parent's output, the halo strip and the
  place in pitch and metre of the patch itself.
  """

  config: ModelConfig
  index: int

  @property
  def level(self):
    return self.config.levels[self.index]

  @property
  def is_last(self) -> bool:
    return self.index == len(self.config.levels) - 1

  def setup(self):
    config, level = self.config, self.level
    self.column = self.dense(level.width // 2) if self.narrows_columns else None
    self.patch = self.dense(level.width)
    self.before = self.dense(level.width) if config.halo else None
    self.cond = self.dense(level.width) if self.index else None
    self.attributes = [nn.Embed(num_ids(name), level.width) for name in self.attribute_names]
    if level.causal:
      self.start = self.param('start', nn.initializers.normal(0.02), (level.width,))
    self.row = nn.Embed(config.codec.num_pitches // level.patch[0], level.width)
    self.phase = nn.Embed(NUM_PHASES, level.width)
    self.bar = nn.Embed(config.phrase_bars, level.width)
    self.trunk = Trunk(level, config.qk_norm, config.dtype)
    if self.is_last:
      self.hidden = [self.dense(config.head_width, bias=True) for _ in range(config.head_depth)]
    num_out = config.codec.num_values if self.is_last else 1
    self.out = nn.Dense(
      num_out,
      dtype=jnp.float32,
      kernel_init=nn.initializers.zeros,
      bias_init=silence_first if self.is_last else nn.initializers.zeros,
    )

  def dense(self, width: int, bias: bool = False) -> nn.Dense:
    return nn.Dense(width, use_bias=bias, dtype=self.config.dtype)

  @property
  def attribute_names(self) -> tuple[str, ...]:
    return () if self.index else self.config.attributes

  @property
  def narrows_columns(self) -> bool:
    """Whether a column of a patch is brought to half the width before columns are joined."""
    return self.level.patch[0] * 5 > self.level.width // 2

  def grid(self, region: Region) -> Grid:
    return make_grid(region.size, self.level.patch, self.level.scan)

  def __call__(self, region: Region, seen_NxPxW, train: bool):
    """Outputs for all patches of whole regions.

    Args:
      region: the regions, N of them.
      seen_NxPxW: the canvas as the patches see each other (MAR: masked patches unknown).
      train: whether dropout is alive.

    Returns:
      y_NxLxD in scan order.
    """
    grid = self.grid(region)
    x_NxLxD = self.place(region, grid) + self.content(seen_NxPxW, grid, region.halo)
    y_NxLxD, _ = self.trunk(x_NxLxD, self.rope(grid), train=train)
    return y_NxLxD

  def step(self, place_NxLxD, canvas_NxPxW, grid: Grid, cache, i):
    """Output for patch `i` alone (AR): the same as `__call__` gives there, from the cache.

    Returns:
      y_Nx1xD and the cache with patch i in it.
    """
    rope = jax.tree.map(lambda t: jax.lax.dynamic_slice_in_dim(t, i, 1, axis=0), self.rope(grid))
    place_Nx1xD = jax.lax.dynamic_slice_in_dim(place_NxLxD, i, 1, axis=1)
    x_Nx1xD = place_Nx1xD + self.content_at(canvas_NxPxW, grid, i)
    return self.trunk(x_Nx1xD, rope, cache, i)

  def rope(self, grid: Grid):
    return rope_table(grid.row_L, grid.col_L, self.level.width // self.level.heads)

  def place(self, region: Region, grid: Grid):
    """What is known of every patch before anything is generated: parent, pitch, metre (N, L, D)."""
    p, t = grid.patch
    row_NxR = region.row_N[:, None] // p + jnp.arange(grid.rows)
    time_NxCxD = self.phase(region.phase_NxT[:, ::t])
    time_NxCxD += self.bar(region.bar_NxT[:, ::t] % self.config.phrase_bars)
    place_NxRxCxD = self.row(row_NxR)[:, :, None] + time_NxCxD[:, None]
    if self.cond is not None:
      place_NxRxCxD += self.cond(region.cond_NxC)[:, None, None]
    for a, embed in enumerate(self.attributes):
      place_NxRxCxD += embed(region.cond_NxC[:, a])[:, None, None]
    return grid.to_scan(place_NxRxCxD).astype(self.config.dtype)

  def content(self, canvas_NxPxW, grid: Grid, halo: int):
    """Patches and halo strips as vectors, at the positions that may see them: (N, L, D)."""
    t = grid.patch[1]
    columns_NxRxWxE = self.columns(canvas_NxPxW, grid.patch[0])
    num, rows, _, _ = columns_NxRxWxE.shape
    patches_NxRxCxE = columns_NxRxWxE[:, :, halo:].reshape(num, rows, grid.cols, -1)
    x_NxLxD = self.patch(grid.to_scan(patches_NxRxCxE))
    if self.level.causal:
      start_Nx1xD = jnp.broadcast_to(self.start, (num, 1, self.level.width)).astype(x_NxLxD.dtype)
      x_NxLxD = jnp.concatenate([start_Nx1xD, x_NxLxD[:, :-1]], axis=1)
    if self.before is not None:
      window_CxH = jnp.arange(grid.cols)[:, None] * t + jnp.arange(halo)
      strips_NxRxCxE = columns_NxRxWxE[:, :, window_CxH].reshape(num, rows, grid.cols, -1)
      x_NxLxD += self.before(grid.to_scan(strips_NxRxCxE))
    return x_NxLxD

  def content_at(self, canvas_NxPxW, grid: Grid, i):
    """`content` of an AR level at patch `i` alone: (N, 1, D)."""
    (p, t), halo = grid.patch, self.config.halo
    row_L, col_L = jnp.asarray(grid.row_L) * p, jnp.asarray(grid.col_L) * t
    num = canvas_NxPxW.shape[0]

    def columns(i, skip, steps):
      corner = (0, row_L[i], col_L[i] + skip)
      block = jax.lax.dynamic_slice(canvas_NxPxW, corner, (num, p, steps))
      return self.columns(block, p).reshape(num, -1)

    x_NxD = self.patch(columns(jnp.maximum(i - 1, 0), halo, t))
    x_NxD = jnp.where(i == 0, self.start.astype(x_NxD.dtype), x_NxD)
    if self.before is not None:
      x_NxD += self.before(columns(i, 0, halo))
    return x_NxD[:, None]

  def columns(self, canvas_NxPxW, p: int):
    """Columns of p cells as features, narrowed if they are many: (N, P / p, W, E)."""
    features = jnp.asarray(self.config.codec.features(), self.config.dtype)
    cells_NxPxWx5 = features[canvas_NxPxW]
    num, num_p, width, _ = cells_NxPxWx5.shape
    cells = cells_NxPxWx5.reshape(num, num_p // p, p, width, 5).swapaxes(2, 3)
    columns_NxRxWxE = cells.reshape(num, num_p // p, width, p * 5)
    return self.column(columns_NxRxWxE) if self.narrows_columns else columns_NxRxWxE

  def logits(self, y_NxLxD):
    """Gate logits (N, L) of a level with children, value logits (N, L, V) of the last; float32."""
    if not self.is_last:
      return self.out(y_NxLxD)[..., 0]
    for hidden in self.hidden:
      y_NxLxD = nn.silu(hidden(y_NxLxD))
    return self.out(y_NxLxD)

  def condition(self, y_NxLxD, grid: Grid):
    """What a child is told: its own output, of a MAR level also its four neighbours'."""
    return y_NxLxD if self.level.causal else grid.neighbours(y_NxLxD)


def silence_first(rng, shape: tuple[int], dtype) -> jax.Array:
  """Bias of the value logits with which nine cells in ten begin as silent, as in music they are."""
  return jnp.zeros(shape, dtype).at[0].set(jnp.log(9.0 * (shape[0] - 1)))
