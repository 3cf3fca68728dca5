"""The state of a training run, and the step that advances it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from fractaljax.model.fractal import Fractal, LevelLoss
from fractaljax.music.codec import FIRST_ONSET, Codec
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


class Parts(NamedTuple):
  """How the batch of an update is divided.

  Attributes:
    groups: one a device along the data axis. Occupied patches are gathered within a group, so that
      none travels between devices.
    accumulate: parts of each group that are taken one after another, to save memory.
  """

  groups: int = 1
  accumulate: int = 1


def init_state(model: Fractal, optimizer, crop: Crop, seed: int) -> State:
  """A fresh state; `crop`, a batch, gives the shapes."""
  params_rng, mask_rng = jax.random.split(jax.random.key(seed))
  # One crop is enough for the shapes of the parameters, and quicker to trace.
  crop = jax.tree.map(lambda x: x[:1], crop)
  params = model.init({'params': params_rng, 'mask': mask_rng}, crop, train=False)
  ema = jax.tree.map(jnp.copy, params)
  return State(jnp.zeros((), jnp.int32), params, ema, optimizer.init(params))


def train_step(
  model: Fractal, optimizer, ema_decay: float, seed: int, parts: Parts, state: State, batch: Crop
) -> tuple[State, dict]:
  """One update; jit it with all but the last two arguments bound and the state donated.

  The loss is the batch's nats over its steps, whatever the parts.

  Args:
    model, optimizer, ema_decay: what to train, and how.
    seed: of masks and dropout, with the state's step.
    parts: how the batch is divided.
    state: the state before.
    batch: B crops, B a multiple of groups x accumulate.

  Returns:
    the state after and the metrics, scalars still on the device.
  """
  rng = jax.random.fold_in(jax.random.key(seed), state.step)
  losses, grads = _summed(model, state.params, batch, rng, parts)
  num_steps = jnp.maximum(batch.valid_T.sum(), 1)
  grads = jax.tree.map(lambda g: g / num_steps, grads)
  updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
  params = optax.apply_updates(state.params, updates)
  # The average follows closely at first, or it would remember the initial values for long.
  decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
  ema = jax.tree.map(lambda old, new: old + (1 - decay) * (new - old), state.ema, params)
  metrics = loss_metrics(model, losses, num_steps, num_notes(batch, model.config.codec))
  metrics['grad_norm'] = optax.tree.norm(grads)
  return State(state.step + 1, params, ema, opt_state), metrics


def _summed(model: Fractal, params, batch: Crop, rng, parts: Parts):
  """Losses and gradients of the nats, summed over all parts of a batch."""

  def nats(params, part, rng):
    losses = grouped_losses(model, params, part, rng, parts.groups, train=True)
    return sum(level.nats for level in losses), losses

  def one_part(part, rng):
    (_, losses), grads = jax.value_and_grad(nats, has_aux=True)(params, part, rng)
    return losses, grads

  if parts.accumulate == 1:
    return one_part(batch, rng)

  def divide(x):  # each device's share stays on it: groups first, then the parts of each
    x = jax.vmap(lambda x: _divided(x, parts.accumulate))(_divided(x, parts.groups)).swapaxes(0, 1)
    return x.reshape(parts.accumulate, x.shape[1] * x.shape[2], *x.shape[3:])

  sequence = (jax.tree.map(divide, batch), jax.random.split(rng, parts.accumulate))
  first, rest = (jax.tree.map(lambda x, s=s: x[s], sequence) for s in (0, slice(1, None)))
  add = lambda total, part: (jax.tree.map(jnp.add, total, one_part(*part)), None)  # noqa: E731
  return jax.lax.scan(add, one_part(*first), rest)[0]


def grouped_losses(
  model: Fractal, params, batch: Crop, rng, groups: int, train: bool, capacities=None
) -> tuple[LevelLoss, ...]:
  """`LevelLoss` of each level, summed over the groups of the batch."""

  def group_losses(crop, key):
    mask_rng, dropout_rng = jax.random.split(key)
    rngs = {'mask': mask_rng, 'dropout': dropout_rng}
    return model.apply(params, crop, train, capacities, rngs=rngs)

  if groups == 1:
    return group_losses(batch, rng)
  batch = jax.tree.map(lambda x: _divided(x, groups), batch)
  losses = jax.vmap(group_losses)(batch, jax.random.split(rng, groups))
  return jax.tree.map(lambda x: x.sum(axis=0), losses)


def _divided(x, num: int):
  # Not -1 for the rest: it cannot be told of arrays without elements, such as no attributes.
  return x.reshape(num, x.shape[0] // num, *x.shape[1:])


def loss_metrics(model: Fractal, losses: tuple[LevelLoss, ...], num_steps, notes) -> dict:
  """Names the parts of a loss.

  Returns:
    nats_per_step in all and of each level's gates or values, bits_per_note, and the share of each
    level's occupied patches that did not fit its capacity.
  """
  total = sum(level.nats for level in losses)
  metrics = {
    'nats_per_step': total / num_steps,
    'bits_per_note': total / jnp.log(2) / jnp.maximum(notes, 1),
  }
  for i, level in enumerate(losses):
    part = 'value' if i == len(losses) - 1 else 'gate'
    metrics[f'nats_per_step/{i}_{part}'] = level.nats / num_steps
    if part == 'gate':
      metrics[f'overflow/{i}'] = level.num_dropped / jnp.maximum(level.num_open, 1)
  return metrics


def num_notes(batch: Crop, codec: Codec):
  """Notes that begin in the crops; for codecs without onsets, runs of equal cells."""
  tokens_BxPxT = batch.tokens_PxT
  if codec.name == 'onset':
    begins_BxPxT = tokens_BxPxT >= FIRST_ONSET
  else:
    cells_BxPxW = jnp.concatenate([batch.left_PxH, tokens_BxPxT], axis=-1)
    changes_BxPxW = jnp.diff(cells_BxPxW, axis=-1, prepend=codec.outside) != 0
    begins_BxPxT = changes_BxPxW[..., -tokens_BxPxT.shape[-1] :] & (tokens_BxPxT > 0)
  return (begins_BxPxT & batch.valid_T[:, None]).sum()
