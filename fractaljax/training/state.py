"""The state of a training run."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from fractaljax.model.fractal import Fractal
from fractaljax.music.crop import Crop


class State(NamedTuple):
  """All that a step changes.

  Attributes:
    step: updates done, int32.
    params: variables of the model.
    ema: their exponential moving average.
    opt_state: of the optimizer.
  """

  step: jax.Array
  params: dict
  ema: dict
  opt_state: optax.OptState


def init_state(model: Fractal, optimizer, crop: Crop, seed: int) -> State:
  """A fresh state; `crop`, a batch, gives the shapes."""
  params_rng, mask_rng = jax.random.split(jax.random.key(seed))
  # One crop is enough for the shapes of the parameters, and quicker to trace.
  crop = jax.tree.map(lambda x: x[:1], crop)
  params = model.init({'params': params_rng, 'mask': mask_rng}, crop, train=False)
  ema = jax.tree.map(jnp.copy, params)
  return State(jnp.zeros((), jnp.int32), params, ema, optimizer.init(params))
