"""Rhythm: at which steps of a patch of the first level, a bar, notes begin.

What follows an irregular bar is irregular, and a model that finds the rhythm while it writes the
notes strays a little further from bar to bar. So the rhythms of all bars are decided before any
note, after the form, see `fractaljax.model.pulse`; while a bar is filled every level is told which
steps are struck, see `fractaljax.model.strikes`.

A rhythm is a number: bit s is 1 if a note begins at step s of the bar. It is said in two halves,
first the even steps, the pulse, then the odd ones, the offbeats.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model.config import ModelConfig

PULSE, OFFBEATS = 0, 1


def num_ids(config: ModelConfig) -> int:
  """Ids of one half."""
  return 2 ** (config.levels[0].patch[1] // 2)


def steps_of(half: int, config: ModelConfig) -> np.ndarray:
  """The steps of the bar that one half tells, (H,)."""
  return np.arange(half, config.levels[0].patch[1], 2)


def bits_of(number_x, place_H):
  """The bits of numbers at these places, (..., H)."""
  return number_x[..., None] >> place_H & 1


def num_struck(number_x):
  """Steps that are struck."""
  return jax.lax.population_count(jnp.asarray(number_x))


def of_steps(is_struck_NxT, config: ModelConfig):
  """Numbers of bars, (N, L), by what holds of each of their steps."""
  steps = config.levels[0].patch[1]
  bits_NxLxS = is_struck_NxT.reshape(is_struck_NxT.shape[0], -1, steps).astype(jnp.int32)
  return (bits_NxLxS << np.arange(steps)).sum(axis=2)


def of_rolls(tokens_NxPxT, config: ModelConfig):
  """The rhythms of the bars of rolls, (N, L), by those notes that are known."""
  return of_steps(config.codec.is_note(tokens_NxPxT).any(axis=1), config)


def half_of(rhythm_x, half: int, config: ModelConfig):
  """The id of one half of rhythms."""
  bits_xH = bits_of(rhythm_x, steps_of(half, config))
  return (bits_xH << np.arange(bits_xH.shape[-1])).sum(axis=-1)


def with_half(rhythm_x, half: int, id_x, config: ModelConfig):
  """Rhythms with another half, of this id."""
  step_H = steps_of(half, config)
  bits_xH = bits_of(id_x, np.arange(len(step_H)))
  return without(rhythm_x, half, config) + (bits_xH << step_H).sum(axis=-1)


def without(rhythm_x, half: int, config: ModelConfig):
  """Rhythms of which one half has no note."""
  return rhythm_x & ~int((1 << steps_of(half, config)).sum())


class RhythmEmbed(nn.Module):
  """Rhythms as vectors, (N, L, D): the sum of those of the steps that are struck."""

  config: ModelConfig
  width: int
  kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

  @nn.compact
  def __call__(self, rhythm_NxL):
    bits_NxLxS = bits_of(rhythm_NxL, np.arange(self.config.levels[0].patch[1]))
    dense = nn.Dense(self.width, use_bias=False, kernel_init=self.kernel_init)
    return dense(bits_NxLxS.astype(jnp.float32))
