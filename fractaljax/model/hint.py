"""The hint: what the echoes alone say of each patch, as logits."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from fractaljax.model.config import ModelConfig
from fractaljax.model.memory import Memory
from fractaljax.model.trust import NUM_ROWS, rows_by_echo
from fractaljax.music.codec import NUM_KINDS, Codec

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
  def __call__(self, memory: Memory, there_NxExLxpxt, below_NxExLx4):
    """Logits for some patches of regions: of gates (N, L, 1), of values (N, L, V).

    Args:
      memory: of the regions.
      there_NxExLxpxt: what their echoes have at the patches' own cells.
      below_NxExLx4: notes below the patches, see `fractaljax.model.children.notes_below`.
    """
    codec, num_echoes = self.config.codec, self.config.num_echoes
    # Silence, a note that goes on, an onset; and the very token that is there.
    num_out = NUM_KINDS if self.is_last else 1
    table_IxG = self.param(
      'embedding', nn.initializers.zeros, (num_echoes * NUM_ROWS * NUM_KINDS, num_out)
    )
    # Of a patch of several cells, the most that any of them holds.
    kind_NxExL = jnp.asarray(codec.kinds())[there_NxExLxpxt].max(axis=(3, 4))
    row_NxExLx5 = rows_by_echo(
      memory.trust_NxE[..., None], memory.so_far_NxEx4[:, :, None], below_NxExLx4,
      memory.due_NxEx4[:, :, None],
    )  # fmt: skip
    row_NxExLx5 = NUM_KINDS * row_NxExLx5 + kind_NxExL[..., None]
    hint_NxExLxG = SCALE * jnp.take(table_IxG, row_NxExLx5, axis=0).sum(axis=3)
    if not self.is_last:
      return hint_NxExLxG.sum(axis=1)
    of_kind_NxLxV = by_value(hint_NxExLxG.sum(axis=1), codec)
    same_NxExLxV = jax.nn.one_hot(there_NxExLxpxt[..., 0, 0], codec.num_values)
    return of_kind_NxLxV + (hint_NxExLxG[..., -1:] * same_NxExLxV).sum(axis=1)


def by_value(hint_NxLxG, codec: Codec):
  """Logits of silence, a note that goes on and an onset, the first of G, as those of all values."""
  return hint_NxLxG[..., codec.kinds()[: codec.num_values] - 1]
