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


def advance(state: State, params, opt_state, ema_decay: float, is_finite) -> State:
  """The state after an update that gave `params`; nothing but the step changes if not finite."""
  # The average follows closely at first, or it would remember the initial values for long.
  decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
  ema = jax.tree.map(lambda old, new: old + (1 - decay) * (new - old), state.ema, params)
  # Not lax.cond, for which a GPU would have to ask its host.
  after = State(state.step, params, ema, opt_state)
  after = jax.tree.map(lambda new, old: jnp.where(is_finite, new, old), after, state)
  return after._replace(step=state.step + 1)


def init_state(model: Fractal, optimizer, crop: Crop, seed: int) -> State:
  """A fresh state; `crop`, a batch, gives the shapes."""
  params_rng, mask_rng = jax.random.split(jax.random.key(seed))
  # One crop is enough for the shapes of the parameters, and quicker to trace.
  crop = jax.tree.map(lambda x: x[:1], crop)
  params = model.init({'params': params_rng, 'mask': mask_rng}, crop, train=False)
  ema = jax.tree.map(jnp.copy, params)
  return State(jnp.zeros((), jnp.int32), params, ema, optimizer.init(params))
