"""A decoder-only transformer over REMI words."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.baselines.config import TransformerConfig
from fractaljax.baselines.excerpts import Excerpt
from fractaljax.model.rope import rope_table
from fractaljax.model.trunk import Trunk
from fractaljax.music.crop import NUM_PHASES


class Transformer(nn.Module):
  """Says which word comes next.

  Beside each word it reads the place in the bar (and with it the metre) and the bar in the phrase
  that the music stands at, which the fractal is told as well.
  """

  config: TransformerConfig

  def setup(self):
    config = self.config
    self.word = nn.Embed(len(config.vocabulary), config.width)
    self.phase = nn.Embed(NUM_PHASES, config.width)
    self.bar = nn.Embed(config.phrase_bars, config.width)
    self.trunk = Trunk(config.level, qk_norm=True, dtype=config.dtype)
    self.out = nn.Dense(len(config.vocabulary), kernel_init=nn.initializers.normal(0.02))

  def __call__(self, word_BxS, phase_BxS, bar_BxS, train: bool = False):
    """Logits of the word after each: float32 (B, S, V)."""
    x_BxSxD = self.read(word_BxS, phase_BxS, bar_BxS)
    y_BxSxD, _ = self.trunk(x_BxSxD, self.rope(word_BxS.shape[1]), train=train)
    return self.out(y_BxSxD).astype(jnp.float32)

  def step(self, word_B, phase_B, bar_B, cache, i):
    """Logits (B, V) after word i alone, and the cache with it: what `__call__` gives there."""
    x_Bx1xD = self.read(*(x_B[:, None] for x_B in (word_B, phase_B, bar_B)))
    length = cache[0].k_BxMxHxK.shape[1]
    y_Bx1xD, cache = self.trunk(x_Bx1xD, self.rope(length).at(i), cache, i)
    return self.out(y_Bx1xD)[:, 0].astype(jnp.float32), cache

  def read(self, word_BxS, phase_BxS, bar_BxS):
    """Words and where they stand, as vectors (B, S, D)."""
    bar_BxS = bar_BxS % self.config.phrase_bars
    x_BxSxD = self.word(word_BxS) + self.phase(phase_BxS) + self.bar(bar_BxS)
    return x_BxSxD.astype(self.config.dtype)

  def rope(self, length: int):
    """Rotations by place in the sequence; the rows of the grid that it is made for stay 0."""
    head_dim = self.config.width // self.config.heads
    return rope_table(np.zeros(length), np.arange(length), head_dim)


def next_logits(model: Transformer, params, batch: Excerpt, train: bool, rngs=None):
  """Logits of each word of a batch but the first, float32 (B, S - 1, V)."""
  seen = (x_BxS[:, :-1] for x_BxS in (batch.word_S, batch.phase_S, batch.bar_S))
  return model.apply(params, *seen, train, rngs=rngs)


def counted(batch: Excerpt) -> jax.Array:
  """Which words but the first are the excerpt's own, and count: bool (B, S - 1)."""
  place_S = jnp.arange(1, batch.word_S.shape[1])
  return (place_S > batch.context[:, None]) & (place_S < batch.length[:, None])
