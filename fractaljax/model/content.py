"""Content: the notes at and around each patch, as vectors."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from fractaljax.model.blocks import features, joined, row_dense, windows
from fractaljax.model.config import Level, ModelConfig
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region


class Content(nn.Module):
  """What a level reads of the notes themselves.

  At each patch an AR level reads the patch before it in the scan, and a MAR level the patch itself,
  as unknown where it is masked. Both read the halo strip just before it and, where they come before
  it in the scan, the pitches below it.
  """

  config: ModelConfig
  level: Level

  def setup(self):
    config, level = self.config, self.level
    dense = functools.partial(nn.Dense, level.width, use_bias=False, dtype=config.dtype)
    self.patch_row = row_dense(level.patch[1], config)
    self.patch = dense()
    self.halo_row = row_dense(config.halo, config)
    self.before = dense() if config.halo else None
    self.below = dense() if self.num_below else None
    if level.causal:
      self.start = self.param('start', nn.initializers.normal(0.02), (level.width,))

  @property
  def margin(self) -> int:
    """Pitches above and below a patch that its halo takes in."""
    return 0 if self.config.is_whole(self.level.patch) else self.config.halo_pitches

  @property
  def num_below(self) -> int:
    """Pitches below a patch, at its own time, that it sees."""
    is_above_others = self.level.upwards and not self.config.is_whole(self.level.patch)
    return self.config.chord_pitches if is_above_others else 0

  def __call__(self, region: Region, seen_NxQxW, grid: Grid):
    """Of all patches, at the positions that may see it, (N, L, D)."""
    features_NxQxWx5 = features(seen_NxQxW, self.config)
    patches_NxLxpxtx5 = grid.split(region.inner(features_NxQxWx5))
    x_NxLxD = self.patch(joined(patches_NxLxpxtx5, self.patch_row))
    if self.level.causal:
      start_Nx1xD = jnp.broadcast_to(self.start, (x_NxLxD.shape[0], 1, self.level.width))
      x_NxLxD = jnp.concatenate([start_Nx1xD.astype(x_NxLxD.dtype), x_NxLxD[:, :-1]], axis=1)
    if self.before is not None:
      x_NxLxD += self.before(grid.to_scan(self._strips(region, features_NxQxWx5, grid)))
    if self.below is not None:
      x_NxLxD += self.below(grid.to_scan(self._chords(region, features_NxQxWx5, grid)))
    return x_NxLxD

  def step(self, canvas_NxQxW, grid: Grid, i):
    """Of patch `i` of an AR level alone, (N, 1, D)."""
    (p, t), halo, margin = grid.patch, self.config.halo, self.config.margin
    row_L, col_L = jnp.asarray(grid.row_L) * p, jnp.asarray(grid.col_L) * t

    def cut(i, skip, size):
      corner = (0, row_L[i] + skip[0], col_L[i] + skip[1])
      cells_NxPxT = jax.lax.dynamic_slice(canvas_NxQxW, corner, (canvas_NxQxW.shape[0], *size))
      return features(cells_NxPxT, self.config)

    x_NxD = self.patch(joined(cut(jnp.maximum(i - 1, 0), (margin, halo), (p, t)), self.patch_row))
    x_NxD = jnp.where(i == 0, self.start.astype(x_NxD.dtype), x_NxD)
    if self.before is not None:
      strip_NxSxHx5 = cut(i, (margin - self.margin, 0), (p + 2 * self.margin, halo))
      x_NxD += self.before(joined(strip_NxSxHx5, self.halo_row))
    if self.below is not None:
      chord_NxKxtx5 = cut(i, (margin - self.num_below, halo), (self.num_below, t))
      x_NxD += self.below(joined(chord_NxKxtx5, self.patch_row))
    return x_NxD[:, None]

  def _strips(self, region: Region, features_NxQxWx5, grid: Grid):
    """Halo strips of all patches as vectors, (N, rows, cols, S)."""
    first, size = region.margin - self.margin, (grid.patch[0] + 2 * self.margin, region.halo)
    return windows(features_NxQxWx5, grid, first, size, self.halo_row)

  def _chords(self, region: Region, features_NxQxWx5, grid: Grid):
    """The pitches below each patch at its own time as vectors, (N, rows, cols, S)."""
    first, size = region.margin - self.num_below, (self.num_below, grid.patch[1])
    return windows(features_NxQxWx5[:, :, region.halo :], grid, first, size, self.patch_row)
