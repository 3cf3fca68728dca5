"""Repeats: which patch of the first level, a bar, each one repeats; decided before its notes.

A bar that comes again begins with notes each of which is unlikely, unless it is known that the bar
does. So the model says first, of each bar, how many bars before lies the one that it repeats, and
shows that one to all levels below as an echo. A roll's repeats follow from its notes (`find`), and
what is scored is both together: -log p(notes, repeats), which is more than -log p(notes) by what
the notes leave open of the repeats, -log p(repeats | notes).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model.config import ModelConfig
from fractaljax.model.hint import SCALE
from fractaljax.model.nats import NEVER
from fractaljax.music.codec import Codec

# Shares are whole numbers of so many parts, so that equals are equal in every program.
PARTS = 4096
# Overlaps are told apart by eighths: 0 is no note in common, 8 is equal.
NUM_OVERLAPS = 9


def overlaps(tokens_NxPxT, steps: int, most: int, codec: Codec):
  """What each bar has in common with those before it: notes in both and in either, two (N, L, K).

  Of their sets of (step in the bar, pitch). K = most + 1: how many bars before; none in common with
  itself, and where there is no bar so far before.

  Args:
    tokens_NxPxT: rolls.
    steps: of a bar.
    most: bars back, at most.
    codec: of the tokens.
  """
  num, num_pitches, num_steps = tokens_NxPxT.shape
  notes = codec.is_note(tokens_NxPxT).reshape(num, num_pitches, num_steps // steps, steps)
  notes_NxLxC = notes.swapaxes(1, 2).reshape(num, num_steps // steps, -1).astype(jnp.float32)
  # Zeros and ones, and sums of them: exact in any precision of the product.
  both_NxLxL = jnp.einsum('nlc,nmc->nlm', notes_NxLxC, notes_NxLxC).astype(jnp.int32)
  count_NxL = notes_NxLxC.sum(axis=2).astype(jnp.int32)
  bar_L, lag_K = np.arange(num_steps // steps), np.arange(most + 1)
  then_LxK = bar_L[:, None] - lag_K
  is_there_LxK, then_LxK = (then_LxK >= 0) & (lag_K > 0), np.maximum(then_LxK, 0)
  both_NxLxK = jnp.where(is_there_LxK, both_NxLxL[:, bar_L[:, None], then_LxK], 0)
  return both_NxLxK, count_NxL[:, :, None] + count_NxL[:, then_LxK] - both_NxLxK


def find(both_NxLxK, either_NxLxK):
  """How many bars before each lies the one that it repeats, (N, L); 0 where it repeats none.

  A bar can repeat those with which it has half of their notes in common, and repeats the one with
  most of them in common; the share that the two bars before these have in common counts half as
  much, since repeats go on. The newest of equals. See `overlaps` for the arguments.
  """
  share_NxLxK = PARTS * both_NxLxK // jnp.maximum(either_NxLxK, 1)
  is_like_NxLxK = (both_NxLxK > 0) & (2 * both_NxLxK >= either_NxLxK)
  return jnp.argmax(is_like_NxLxK * (2 * share_NxLxK + after(share_NxLxK)), axis=2)


def after(x_NxLx):
  """What was there one bar earlier; zeros at the first."""
  return jnp.concatenate([jnp.zeros_like(x_NxLx[:, :1]), x_NxLx[:, :-1]], axis=1)


class Repeat(nn.Module):
  """Logits of the bars that each bar may repeat, (N, L, K), 0 for none; and a vector for each.

  By the output of the first level, and by whether the bar before repeats one at the same lag, and
  how much it has in common with it.
  """

  config: ModelConfig

  def setup(self):
    num = self.config.repeats + 1
    # And one for whatever goes on.
    self.own = nn.Dense(
      num + 1, dtype=jnp.float32, kernel_init=nn.initializers.zeros, bias_init=none_first
    )
    self.table = self.param('embedding', nn.initializers.zeros, (2 * NUM_OVERLAPS, 1))
    width = self.config.levels[0].width
    self.vector = nn.Embed(num, width, embedding_init=nn.initializers.zeros)

  def __call__(self, y_NxAxD, tokens_NxPxT, number_A):
    """Logits for the bars `number_A` of rolls, of which only what is before each is read.

    Args:
      y_NxAxD: the first level's output at these bars.
      tokens_NxPxT: the rolls.
      number_A: the bars.
    """
    steps, most = self.config.levels[0].patch[1], self.config.repeats
    both_NxLxK, either_NxLxK = overlaps(tokens_NxPxT, steps, most, self.config.codec)
    eighth_NxLxK = after(8 * both_NxLxK // jnp.maximum(either_NxLxK, 1))
    lag_NxL = after(find(both_NxLxK, either_NxLxK))
    eighth_NxAxK, lag_NxA = eighth_NxLxK[:, number_A], lag_NxL[:, number_A]
    lag_K = np.arange(most + 1)
    goes_on_NxAxK = (lag_NxA[..., None] == lag_K) & (lag_K > 0)
    own_NxAxK, more_NxAx1 = jnp.split(self.own(y_NxAxD), [most + 1], axis=-1)
    row_NxAxK = eighth_NxAxK + NUM_OVERLAPS * goes_on_NxAxK
    alike_NxAxK = SCALE * jnp.take(self.table[:, 0], row_NxAxK) * (lag_K > 0)
    logits_NxAxK = own_NxAxK + jnp.where(goes_on_NxAxK, more_NxAx1, 0.0) + alike_NxAxK
    return jnp.where(jnp.asarray(number_A)[:, None] >= lag_K, logits_NxAxK, NEVER)


def none_first(rng, shape: tuple[int], dtype) -> jax.Array:
  """Bias of the logits with which a bar begins as repeating none in three cases of four."""
  return jnp.zeros(shape, dtype).at[0].set(jnp.log(3.0 * max(shape[0] - 2, 1)))
