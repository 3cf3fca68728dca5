"""Small models that the tests share: tiny grids that can be enumerated."""

import itertools

import jax.numpy as jnp
import numpy as np

from fractaljax.model.config import Level, ModelConfig
from fractaljax.music.codec import Codec
from fractaljax.music.crop import Crop

HIERARCHIES = {
  'square': ((2, 2), (1, 1)),
  'musical': ((2, 2), (2, 1), (1, 1)),
}


def level(patch, generator='ar', **changes) -> Level:
  values = dict(
    patch=patch, generator=generator, scan='time', width=16, depth=1, heads=2, dropout=0.0,
    mask='uniform', mask_mean=1.0, mask_std=0.25, iterations=64,
  )  # fmt: skip
  return Level(**{**values, **changes})


def tiny(patches=((2, 2), (1, 1)), generators=None, num_pitches=2, codec='binary', **changes):
  """A model of a roll of few pitches, with room for every patch."""
  generators = generators or ('ar',) * len(patches)
  scans = changes.pop('scan', 'time')
  levels = tuple(level(p, g, scan=scans) for p, g in zip(patches, generators, strict=True))
  values = dict(
    codec=Codec(codec, 60, num_pitches), levels=levels, capacities=(1.0,) * (len(levels) - 1),
    gate=True, halo=2, halo_pitches=1, head_width=16, head_depth=1, qk_norm=True, phrase_bars=4, attributes=(),
    cond_drop=0.1, dtype='float32',
  )  # fmt: skip
  return ModelConfig(**{**values, **changes})


def as_crop(tokens_BxPxT, halo: int, codec: Codec, num_attributes: int = 0) -> Crop:
  """Whole rolls as a batch: nothing before them, nothing padded, bars of 16 steps."""
  tokens_BxPxT = np.asarray(tokens_BxPxT, np.int32)
  batch, num_pitches, num_steps = tokens_BxPxT.shape
  step_BxT = np.broadcast_to(np.arange(num_steps, dtype=np.int32), (batch, num_steps))
  return Crop(
    tokens_BxPxT,
    np.full((batch, num_pitches, halo), codec.outside, np.int32),
    np.ones((batch, num_steps), bool),
    step_BxT % 16,
    step_BxT // 16,
    np.zeros((batch, num_attributes), np.int32),
  )


def all_rolls(num_pitches: int, num_steps: int, num_values: int = 2) -> np.ndarray:
  """Every roll there is, one a row: (V ** (P * T), P, T)."""
  cells = itertools.product(range(num_values), repeat=num_pitches * num_steps)
  return np.array(list(cells), np.int32).reshape(-1, num_pitches, num_steps)


def shake(params, seed: int = 0, scale: float = 0.5):
  """Adds noise to every parameter, so that nothing is zero or symmetric by initialisation."""
  import jax

  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(seed), len(leaves))
  noisy = [p + scale * jax.random.normal(k, p.shape) for p, k in zip(leaves, keys, strict=True)]
  return jax.tree.unflatten(tree, [jnp.asarray(p) for p in noisy])
