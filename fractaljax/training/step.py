"""The step that advances a training run, and the loss that it is about."""

import functools

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from fractaljax.mesh import AXES, Placement, summed_parts, whole_params
from fractaljax.model.fractal import Fractal, LevelLoss
from fractaljax.music.clip import Clip
from fractaljax.music.codec import FIRST_ONSET, Codec
from fractaljax.music.crop import Crop
from fractaljax.music.raster import rasterise
from fractaljax.training.optimizer import learning_rate, make_schedule
from fractaljax.training.state import State, advance


def train_step(
  model: Fractal,
  optimizer: optax.GradientTransformation,
  schedule: optax.Schedule,
  ema_decay: float,
  seed: int,
  accumulate: int,
  placement: Placement,
  crop_steps: int,
  state: State,
  clips: Clip,
) -> tuple[State, dict]:
  """One update; see `jit_step`.

  The loss is the batch's nats over its steps, however it is divided. Where it or a gradient is
  not finite, the update is skipped: nothing but the step changes, and the metric `skipped` is 1.

  Args:
    model, optimizer, ema_decay: what to train, and how.
    schedule: the optimizer's learning rate, for the metrics.
    seed: of masks and dropout, with the state's step.
    accumulate: parts of each device's share that are taken one after another, to save memory.
    placement: of the devices.
    crop_steps: T of the crops.
    state: the state before.
    clips: B of them, B a multiple of devices x accumulate.

  Returns:
    the state after and the metrics, scalars still on the device.
  """
  batch = _rasterised(model, placement, crop_steps, clips)
  rng = jax.random.fold_in(jax.random.key(seed), state.step)
  losses, grads = _losses_and_grads(model, placement, accumulate, state.params, batch, rng)
  num_steps = jnp.maximum(batch.valid_T.sum(), 1)
  grads = jax.tree.map(lambda g: g / num_steps, grads)
  updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
  params = optax.apply_updates(state.params, updates)
  metrics = loss_metrics(model, losses, num_steps, num_notes(batch, model.config.codec))
  metrics['padding'] = 1 - num_steps / batch.valid_T.size
  metrics['grad_norm'] = optax.tree.norm(grads)
  metrics['learning_rate'] = learning_rate(schedule, state.opt_state)
  is_finite = jnp.isfinite(metrics['nats_per_step'] + metrics['grad_norm'])
  metrics['skipped'] = 1.0 - is_finite
  return advance(state, params, opt_state, ema_decay, is_finite), metrics


def jit_step(
  config: ConfigDict,
  model: Fractal,
  optimizer: optax.GradientTransformation,
  placement: Placement,
  state: State,
):
  """`train_step` as one program: the state where it lies, the batch divided among the devices.

  The state that is given to the program is donated to it. That given here, or its shapes, says how
  the parts of one are placed.
  """
  schedule = make_schedule(config.optimizer, config.num_steps)
  settings = schedule, config.optimizer.ema_decay, config.seed, config.optimizer.accumulate
  crop_steps, where = config.data.crop_steps, placement.of_state(state)
  return jax.jit(
    functools.partial(train_step, model, optimizer, *settings, placement, crop_steps),
    in_shardings=(where, placement.split),
    out_shardings=(where, placement.replicated),
    donate_argnums=0,
  )


def score(
  model: Fractal,
  placement: Placement,
  capacities: tuple[int, ...],
  params: dict,
  batch: Crop,
  rng: jax.Array,
) -> tuple[LevelLoss, ...]:
  """`LevelLoss` of each level without dropout, summed over a batch; jit it with 3 arguments bound.

  Args:
    capacities: patches of each level but the last that the share of a device can expand.
    rng: of the random orders of MAR levels.
  """

  specs = placement.specs(params)

  def share(parts, batch, rng):
    params = whole_params(parts, specs)
    losses = _level_losses(model, params, batch, rng, train=False, capacities=capacities)
    return jax.lax.psum(losses, AXES)

  return placement.on_shares(share, specs, jax.P())(params, batch, rng)


def _rasterised(model: Fractal, placement: Placement, crop_steps: int, clips: Clip) -> Crop:
  codec, halo = model.config.codec, model.config.halo
  return placement.map_shares(lambda share: rasterise(share, codec, crop_steps, halo), clips)


def _losses_and_grads(model: Fractal, placement: Placement, accumulate: int, params, batch, rng):
  """`LevelLoss` of each level and the gradient of their nats, summed over a batch."""

  def nats(params, part, rng):
    losses = _level_losses(model, params, part, rng, train=True)
    return sum(level.nats for level in losses), losses

  def one_part(params, part, rng):
    (_, losses), grads = jax.value_and_grad(nats, has_aux=True)(params, part, rng)
    return losses, grads

  def all_parts(params, batch, rng):
    if accumulate == 1:
      return one_part(params, batch, rng)
    # Not -1 for the rest: it cannot be told of arrays without elements, such as no attributes.
    parts = jax.tree.map(
      lambda x: x.reshape(accumulate, x.shape[0] // accumulate, *x.shape[1:]), batch
    )
    sequence = (parts, jax.random.split(rng, accumulate))
    first, rest = (jax.tree.map(lambda x, s=s: x[s], sequence) for s in (0, slice(1, None)))
    add = lambda total, part: (jax.tree.map(jnp.add, total, one_part(params, *part)), None)  # noqa: E731
    return jax.lax.scan(add, one_part(params, *first), rest)[0]

  specs = placement.specs(params)

  def share(parts, batch, rng):
    losses, grads = all_parts(whole_params(parts, specs), batch, rng)
    return jax.lax.psum(losses, AXES), summed_parts(grads, specs)

  return placement.on_shares(share, specs, (jax.P(), specs))(params, batch, rng)


def _level_losses(model: Fractal, params, batch: Crop, rng, train: bool, capacities=None):
  mask_rng, dropout_rng = jax.random.split(rng)
  rngs = {'mask': mask_rng, 'dropout': dropout_rng}
  return model.apply(params, batch, train, capacities, rngs=rngs)


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
  if codec.has_onsets:
    begins_BxPxT = tokens_BxPxT >= FIRST_ONSET
  else:
    cells_BxPxW = jnp.concatenate([batch.left_PxH, tokens_BxPxT], axis=-1)
    changes_BxPxW = jnp.diff(cells_BxPxW, axis=-1, prepend=codec.outside) != 0
    begins_BxPxT = changes_BxPxW[..., -tokens_BxPxT.shape[-1] :] & (tokens_BxPxT > 0)
  return (begins_BxPxT & batch.valid_T[:, None]).sum()
