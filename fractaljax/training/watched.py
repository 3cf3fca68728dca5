"""A training step that tells what it really applies: taken from what runs, not from the config."""

from collections import defaultdict

import flax.linen as nn
import jax
import numpy as np
import optax

from fractaljax.data.stream import Stream

NUM_CROPS = 32  # the newest crops that are looked at


class WatchedStep:
  """The training step, watched for dropout, weight decay and crops.

  When the step is traced, the dropout layers that it runs through are noted; a program that is
  compiled runs as it would anyway.

  Args:
    step: the function of a state and a batch.
    optimizer, schedule: in it, and its learning rate.
    params: of the model.
    batches: that it is given.
  """

  def __init__(self, step, optimizer, schedule: optax.Schedule, params, batches: Stream):
    self._step, self._batches = step, batches
    self._decay = measured_decay(optimizer, schedule, params)
    self._rates: dict[str, dict[tuple, float]] = defaultdict(dict)

  def __call__(self, state, batch):
    with nn.intercept_methods(self._note):
      return self._step(state, batch)

  def applied(self) -> dict[str, float]:
    """What was applied by now.

    Returns:
      dropout/i: mean rate of the dropout layers of level i, 0 for one that is not alive;
      decayed_share: of the parameters, those that weight decay shrinks;
      weight_decay: by how much, in units of the learning rate;
      epochs: how often each song was used; and of the newest crops: transposed (share),
      semitones (mean distance that they were moved), crop_steps (mean length without padding).
    """
    rates = {f'dropout/{level}': np.mean([*of.values()]) for level, of in self._rates.items()}
    found = rates | self._decay | self._crops()
    return {f'applied/{name}': float(value) for name, value in found.items()}

  def _note(self, call, arguments, options, context):
    layer = context.module
    if isinstance(layer, nn.Dropout):
      level = layer.path[0].removeprefix('splits_')
      self._rates[level][layer.path] = 0.0 if layer.deterministic else layer.rate
    return call(*arguments, **options)

  def _crops(self) -> dict[str, float]:
    drawn = self._batches.newest(NUM_CROPS)
    if not drawn:
      return {}
    shift_C = np.array([crop.semitones for crop in drawn])
    return {
      'epochs': self._batches.epochs,
      'transposed': np.mean(shift_C != 0),
      'semitones': np.mean(np.abs(shift_C)),
      'crop_steps': np.mean([crop.num_steps for crop in drawn]),
    }


def measured_decay(
  optimizer: optax.GradientTransformation, schedule: optax.Schedule, params
) -> dict[str, float]:
  """What an update without any gradient does to the parameters: it only lets them decay.

  It is tried on a one for each array, whatever its size.
  """
  ones = jax.tree.map(lambda p: np.ones((1,) * p.ndim, np.float32), params)
  # Not the first update, in which the learning rate is 0 when there is a warm-up.
  state = optax.tree.set(optimizer.init(ones), count=np.int32(1))
  updates, _ = optimizer.update(jax.tree.map(np.zeros_like, ones), state, ones)
  shrinks = [-float(np.sum(u)) for u in jax.tree.leaves(jax.device_get(updates))]
  sizes = [int(np.prod(p.shape)) for p in jax.tree.leaves(params)]
  decayed = sum(size for size, shrink in zip(sizes, shrinks, strict=True) if shrink)
  rate = float(schedule(1))
  return {
    'decayed_share': decayed / sum(sizes),
    'weight_decay': max(shrinks) / rate if rate else 0.0,
  }
