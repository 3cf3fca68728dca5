"""A region: what one level is given to split, with all it knows of its surroundings."""

import flax
import jax
import jax.numpy as jnp

from fractaljax.model import chord, density, repeat, returns, rhythm, top
from fractaljax.model.config import ModelConfig
from fractaljax.model.echoes import core
from fractaljax.model.memory import Memory
from fractaljax.model.occupancy import is_sounding
from fractaljax.model.patches import Grid
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
    attributes_NxA: ids of the attributes of the roll that it is part of, 0 = not given.
    cond_NxC: the parent's output; None for the whole roll.
    memory: of what it may repeat; None for the whole roll, and where the model has no echoes.
    repeat_NxL: for the whole roll, what its first patches repeat, see `fractaljax.model.repeat`;
      else None, and where the model says nothing of it.
    return_NxL: the same of what returns in them, see `fractaljax.model.returns`.
    density_NxL: for the whole roll, the densities of its first patches, see
      `fractaljax.model.density`; else (N, 1), of the one that the region lies in. None where the
      model says nothing of them.
    top_NxL: the same of their tops, see `fractaljax.model.top`.
    chord_NxL: the same of their chords, see `fractaljax.model.chord`.
    rhythm_NxL: the same of their rhythms, see `fractaljax.model.rhythm`.
    count_N: notes of the first patch that the region lies in, before it; None for the whole roll,
      too.
    high_N: those of them that come up to its top.
    begun_N: whether below the region, at its own steps, a note begins; None for the whole roll.
    margin: K.
  """

  canvas_NxQxW: jax.Array
  valid_NxT: jax.Array
  phase_NxT: jax.Array
  bar_NxT: jax.Array
  row_N: jax.Array
  col_N: jax.Array
  attributes_NxA: jax.Array
  cond_NxC: jax.Array | None
  memory: Memory | None
  repeat_NxL: jax.Array | None
  return_NxL: jax.Array | None
  density_NxL: jax.Array | None
  top_NxL: jax.Array | None
  chord_NxL: jax.Array | None
  rhythm_NxL: jax.Array | None
  count_N: jax.Array | None
  high_N: jax.Array | None
  begun_N: jax.Array | None
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
    return core(self.memory.echo_NxExQxW, self.halo, self.size[1])

  def known(self, x_NxQxW) -> jax.Array:
    """The region's own pitches of an array like its canvas, with the halo before them."""
    return x_NxQxW[:, self.margin : x_NxQxW.shape[1] - self.margin]

  def inner(self, x_NxQxW) -> jax.Array:
    """The region's own cells of an array like its canvas."""
    return self.known(x_NxQxW)[:, :, self.halo :]


def whole_roll(crop: Crop, config: ModelConfig) -> Region:
  """The first region: a batch of crops, with padding and what is beyond the pitches outside."""
  codec, margin = config.codec, config.margin
  tokens_BxPxT = jnp.where(crop.valid_T[:, None], crop.tokens_PxT, codec.outside)
  canvas_BxPxW = jnp.concatenate([crop.left_PxH, tokens_BxPxT], axis=2).astype(jnp.int32)
  beyond = ((0, 0), (margin, margin), (0, 0))
  region = Region(
    jnp.pad(canvas_BxPxW, beyond, constant_values=codec.outside),
    jnp.asarray(crop.valid_T),
    jnp.asarray(crop.phase_T),
    jnp.asarray(crop.bar_T),
    jnp.zeros(tokens_BxPxT.shape[0], jnp.int32),
    jnp.zeros(tokens_BxPxT.shape[0], jnp.int32),
    jnp.asarray(crop.attributes_A),
    *[None] * 11,
    margin,
  )
  return with_own_form(region, tokens_BxPxT, config)


def with_own_form(region: Region, tokens_BxPxT, config: ModelConfig) -> Region:
  """Whole rolls of which that is said which these notes are, as far as they are known."""
  return region.replace(
    repeat_NxL=repeat.of_rolls(tokens_BxPxT, config) if config.repeats else None,
    return_NxL=returns.of_rolls(tokens_BxPxT, config) if config.returns else None,
    density_NxL=density.of_rolls(tokens_BxPxT, config) if config.densities else None,
    top_NxL=top.of_rolls(tokens_BxPxT, config) if config.tops else None,
    chord_NxL=chord.of_rolls(tokens_BxPxT, config) if config.chords else None,
    rhythm_NxL=rhythm.of_rolls(tokens_BxPxT, config) if config.rhythms else None,
  )


def known_bars(region: Region, config: ModelConfig):
  """Which first patches, bars, of whole rolls have no unknown cell, (N, L)."""
  is_unknown_NxT = (region.tokens_NxPxT == config.codec.unknown).any(axis=1)
  steps = config.levels[0].patch[1]
  return ~is_unknown_NxT.reshape(is_unknown_NxT.shape[0], -1, steps).any(axis=2)


def steps_of_bar(region: Region, grid: Grid, config: ModelConfig):
  """The step of the first level's patch, the bar, with which each patch begins, (N, L)."""
  step_NxL = region.col_N[:, None] + jnp.asarray(grid.col_L) * grid.patch[1]
  return step_NxL % config.levels[0].patch[1]


def rows_of_pitch(region: Region, grid: Grid):
  """The row of patches, of those of the whole roll, that each patch is in, (N, L)."""
  return region.row_N[:, None] // grid.patch[0] + jnp.asarray(grid.row_L)


def hide(region: Region, grid: Grid, hidden_NxL, codec: Codec) -> jax.Array:
  """The region's canvas with the patches of `hidden_NxL` unknown."""
  hidden_NxPxT = grid.spread(hidden_NxL)
  around = ((0, 0), (region.margin, region.margin), (region.halo, 0))
  return jnp.where(jnp.pad(hidden_NxPxT, around), codec.unknown, region.canvas_NxQxW)


def patch_states(region: Region, grid: Grid, config: ModelConfig):
  """Which patches of each region have a note in them, and which are not all padding: two (N, L)."""
  sounding_NxPxT = is_sounding(region.tokens_NxPxT, config.codec.num_values)
  open_NxC = region.valid_NxT.reshape(-1, grid.cols, grid.patch[1]).any(axis=2)
  return grid.split(sounding_NxPxT).any(axis=(2, 3)), open_NxC[:, jnp.asarray(grid.col_L)]
