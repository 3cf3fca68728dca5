"""The state of a training run, and the step that advances it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from fractaljax.model.fractal import Fractal, LevelLoss
from fractaljax.music.codec import Codec
from fractaljax.music.crop import Crop


class State(NamedTuple):
  """All that a step changes.

  Attributes:
    step: batches seen, int32.
    params: variables of the model.
    ema: their exponential moving average.
    opt_state: of the optimizer.
  """

  step: jax.Array
  params: dict
  ema: dict
  opt_state: optax.OptState


def init_state(model: Fractal, optimizer, crop: Crop, seed: int) -> State:
  """A fresh state; `crop` gives the shapes."""
  params_rng, mask_rng = jax.random.split(jax.random.key(seed))
  # One crop is enough for the shapes of the parameters, and quicker to trace.
  crop = jax.tree.map(lambda x: x[:1], crop)
  params = model.init({'params': params_rng, 'mask': mask_rng}, crop, train=False)
  return State(
    jnp.zeros((), jnp.int32), params, jax.tree.map(jnp.copy, params), optimizer.init(params)
  )


def train_step(
  model: Fractal, optimizer, ema_decay: float, seed: int, groups: int, state: State, batch: Crop
):
  """One update; jit it with the first five arguments bound and the state donated.

  Args:
    groups: parts of the batch, one a device along the data axis. Occupied patches are gathered
      within a part, so that no patch travels between devices.
    state: the state before.
    batch: B crops, B a multiple of `groups`.

  Returns:
    the state after and the metrics, scalars still on the device.
  """
  rng = jax.random.fold_in(jax.random.key(seed), state.step)

  def loss_of(params):
    losses = grouped_losses(model, params, batch, rng, groups, train=True)
    num_steps = jnp.maximum(batch.valid_T.sum(), 1)
    return sum(level.nats for level in losses) / num_steps, (losses, num_steps)

  (loss, (losses, num_steps)), grads = jax.value_and_grad(loss_of, has_aux=True)(state.params)
  updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
  params = optax.apply_updates(state.params, updates)
  # The average follows closely at first, or it would remember the initial values for long.
  decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
  ema = jax.tree.map(lambda old, new: old + (1 - decay) * (new - old), state.ema, params)
  metrics = loss_metrics(model, losses, num_steps, num_notes(batch, model.config.codec))
  metrics |= {'loss': loss, 'grad_norm': optax.global_norm(grads)}
  return State(state.step + 1, params, ema, opt_state), metrics


def grouped_losses(model: Fractal, params, batch: Crop, rng, groups: int, train: bool):
  """`LevelLoss` of each level, summed over the groups of the batch."""

  def group_losses(crop, key):
    mask_rng, dropout_rng = jax.random.split(key)
    return model.apply(params, crop, train, rngs={'mask': mask_rng, 'dropout': dropout_rng})

  if groups == 1:
    return group_losses(batch, rng)
  parts = jax.tree.map(lambda x: x.reshape(groups, -1, *x.shape[1:]), batch)
  losses = jax.vmap(group_losses)(parts, jax.random.split(rng, groups))
  return jax.tree.map(lambda x: x.sum(axis=0), losses)


def loss_metrics(model: Fractal, losses: tuple[LevelLoss, ...], num_steps, notes) -> dict:
  """Names the parts of a loss: nats a step of each level's gates or values, bits a note, overflow."""
  total = sum(level.nats for level in losses)
  metrics = {'bits_per_note': total / jnp.log(2) / jnp.maximum(notes, 1)}
  for i, level in enumerate(losses):
    part = 'value' if i == len(losses) - 1 else 'gate'
    metrics[f'nats_per_step/{i}_{part}'] = level.nats / num_steps
    if part == 'gate':
      metrics[f'overflow/{i}'] = level.num_dropped / jnp.maximum(level.num_open, 1)
  return metrics


def num_notes(batch: Crop, codec: Codec):
  """Notes that begin in the crops (a run of equal cells for codecs without onsets)."""
  tokens = jnp.concatenate([batch.left_PxH[..., -1:], batch.tokens_PxT], axis=-1)
  tokens = tokens[..., -batch.tokens_PxT.shape[-1] - 1 :]
  now = tokens[..., -batch.tokens_PxT.shape[-1] :]
  begins = now > 1 if codec.name == 'onset' else (now > 0) & (now != _shifted(tokens, now))
  return (begins & batch.valid_T[:, None]).sum()


def _shifted(tokens, now):
  if tokens.shape == now.shape:  # no halo: the first column has nothing before it
    return jnp.pad(now[..., :-1], ((0, 0), (0, 0), (1, 0)))
  return tokens[..., :-1]
