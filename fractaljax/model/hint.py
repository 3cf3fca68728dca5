"""The hint: what the echoes alone say of each patch, as logits."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from fractaljax.model.config import ModelConfig
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region
from fractaljax.model.trust import NUM_ROWS, rows_by_echo
from fractaljax.music.codec import NUM_KINDS

# Entries of the table are used so many times over, or Adam would need thousands of updates to grow
# them to the certainty that copying is worth.
SCALE = 8


class Hint(nn.Module):
  """Logits to add to those of a level: of each echo by what it holds and how far to trust it.

  A bar that comes again is hundreds of decisions, and comes out whole only if each of them is all
  but certain. The trunk, which would have to multiply trust with content, is slow to learn that; a
  table learns it at once. It begins as zeros.
  """

  config: ModelConfig
  is_last: bool

  @nn.compact
  def __call__(self, region: Region, below_NxExLx2, grid: Grid):
    """Logits for all patches: of gates (N, L, 1), of values (N, L, V).

    `below_NxExLx2` are the notes below each, see `fractaljax.model.children.notes_below`.
    """
    codec = self.config.codec
    memory = region.memory
    num, num_echoes = memory.trust_NxE.shape
    # Silence, a note that goes on, an onset; and the very token that is there.
    num_out = NUM_KINDS if self.is_last else 1
    table_IxG = self.param(
      'embedding', nn.initializers.zeros, (num_echoes * NUM_ROWS * NUM_KINDS, num_out)
    )
    there_MxLxpxt = grid.split(region.there_NxExPxT.reshape(num * num_echoes, *region.size))
    # Of a patch of several cells, the most that any of them holds.
    kind_MxL = jnp.asarray(codec.kinds())[there_MxLxpxt].max(axis=(2, 3))
    kind_NxExL = kind_MxL.reshape(num, num_echoes, -1)
    row_NxExLx3 = rows_by_echo(
      memory.trust_NxE[..., None], memory.so_far_NxEx2[:, :, None], below_NxExLx2
    )
    row_NxExLx3 = NUM_KINDS * row_NxExLx3 + kind_NxExL[..., None]
    hint_NxExLxG = SCALE * jnp.take(table_IxG, row_NxExLx3, axis=0).sum(axis=3)
    if not self.is_last:
      return hint_NxExLxG.sum(axis=1)
    of_kind_NxLxV = hint_NxExLxG.sum(axis=1)[..., codec.kinds()[: codec.num_values] - 1]
    same_NxExLxV = jax.nn.one_hot(there_MxLxpxt.reshape(num, num_echoes, -1), codec.num_values)
    return of_kind_NxLxV + (hint_NxExLxG[..., -1:] * same_NxExLxV).sum(axis=1)
