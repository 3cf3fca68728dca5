"""Seconds of a sample of 128 x 512, and how much the cache and the gates save.

Both models are square and AR. The first (64, 64, 32, head 16) is trained briefly, so that its rolls
are as full as the songs'. The second (configs/small.py) is compared with decoding without a cache,
in two ways: a teacher-forced forward of the roll for each patch of each level that is decoded; and,
the least that a decoder without a cache must do, a forward of that patch's own region alone. A few
forwards are timed and multiplied by the number of patches.

python -m benchmarks.sampling --data=data/pop909
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from tqdm import tqdm

from benchmarks import setting
from configs import small
from fractaljax import command
from fractaljax.model.children import children
from fractaljax.model.patches import make_grid
from fractaljax.model.region import whole_roll
from fractaljax.music.crop import stack
from fractaljax.sampling import known
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample
from fractaljax.training.likelihood import needed_capacities
from fractaljax.training.optimizer import make_optimizer

_STEPS = flags.DEFINE_integer('steps', 512, 'length of the sample')
_UPDATES = flags.DEFINE_integer('updates', 250, 'training steps before', lower_bound=1)
_REPEATS = flags.DEFINE_integer('repeats', 5, 'timed samples', lower_bound=1)


def tiny_config():
  config = small.get_config()
  config.model.widths, config.model.depths, config.model.heads = (64, 64, 32), (2, 2, 1), (4, 4, 2)
  config.model.head_width, config.model.dropout = 16, 0.0
  config.data.batch_size = 4
  config.optimizer.learning_rate = 2e-3
  return config


def trained(config, what: str):
  """The model and its parameters after a short training."""
  model, optimizer = setting.build(config), make_optimizer(config.optimizer, _UPDATES.value)
  batches = setting.batches(config, _UPDATES.value)
  state = setting.initial_state(model, optimizer)
  step = setting.update(config, model, optimizer)
  for batch in tqdm(batches, desc=f'training {what}'):
    state, _ = step(state, batch)
  return model, state.params


def time_samples(model, params):
  """Compile seconds, seconds of each sample, and the rolls."""
  crop = stack([known.nothing(model.config, _STEPS.value)])
  program, rolls, times = jax.jit(sample, static_argnums=(0, 1)), [], []
  began = time.perf_counter()
  noise = make_noise(model.config, jax.random.split(jax.random.key(0), 1), _STEPS.value)
  compiled = program.lower(
    model, Plan(chunk=1), params, crop, noise, make_knobs(model.config)
  ).compile()
  compile_seconds = time.perf_counter() - began
  for seed in range(_REPEATS.value + 1):
    noise = make_noise(model.config, jax.random.split(jax.random.key(seed), 1), _STEPS.value)
    taken, roll = setting.seconds(compiled, params, crop, noise, make_knobs(model.config))
    times.append(taken)
    rolls.append(np.asarray(roll)[0])
  return compile_seconds, times[1:], rolls[1:]


def uncached_seconds(model, params, roll_PxT) -> tuple[float, float]:
  """Time to decode a roll with a forward for each patch: of the whole roll, of its region alone."""
  config = model.config
  song_free = known.nothing(config, roll_PxT.shape[1])
  crop = stack([song_free._replace(tokens_PxT=roll_PxT)])
  whole = jax.jit(model.apply, static_argnums=(2, 3))
  capacities = needed_capacities(config, [crop])
  jax.block_until_ready(whole(params, crop, False, capacities))
  whole_seconds = float(
    np.median([setting.seconds(whole, params, crop, False, capacities)[0] for _ in range(3)])
  )
  region, total, num_patches = whole_roll(crop, config), 0.0, 0
  sounding_PxT = (roll_PxT > 0) & (roll_PxT < config.codec.num_values)
  regions = 1
  for index, level in enumerate(config.levels):
    grid = make_grid(region.size, level.patch, level.scan)
    forward = jax.jit(
      lambda params, region, index=index: model.apply(
        params, index, region, region.canvas_NxQxW, method='predict'
      )
    )
    jax.block_until_ready(forward(params, region))
    times = [setting.seconds(forward, params, region)[0] for _ in range(5)]
    num_patches += regions * len(grid)
    total += regions * len(grid) * float(np.median(times))
    if index < len(config.levels) - 1:
      p, t = level.patch
      cells = sounding_PxT.reshape(roll_PxT.shape[0] // p, p, -1, t)
      regions = int(cells.any(axis=(1, 3)).sum())
      _, cond = forward(params, region)
      cond_CxD = cond.reshape(-1, cond.shape[-1])[:1]
      first = jnp.zeros(1, jnp.int32)
      region = children(region, grid, region.canvas_NxQxW, first, cond_CxD, config, level)
  return num_patches * whole_seconds, total


def main(_):
  model, params = trained(tiny_config(), '64, 64, 32')
  compile_seconds, times, rolls = time_samples(model, params)
  filled = [_filled(roll) for roll in rolls]
  setting.report(
    benchmark='sampling', widths=[64, 64, 32], steps=_STEPS.value, batch=1,
    compile_seconds=compile_seconds, seconds=float(np.median(times)), slowest=max(times),
    patches_16x16=float(np.mean([f[0] for f in filled])),
    patches_4x4=float(np.mean([f[1] for f in filled])),
  )  # fmt: skip
  model, params = trained(small.get_config(), 'small')
  compile_seconds, times, rolls = time_samples(model, params)
  cached = float(np.median(times))
  middle = int(np.argsort(times)[len(times) // 2])
  by_roll, by_region = uncached_seconds(model, params, rolls[middle])
  setting.report(
    benchmark='cache', config='small', steps=_STEPS.value, compile_seconds=compile_seconds,
    seconds=cached, seconds_by_roll=by_roll, seconds_by_region=by_region,
    speedup_over_roll=by_roll / cached, speedup_over_region=by_region / cached,
  )  # fmt: skip


def _filled(roll_PxT) -> tuple[float, float]:
  """Share of the 16x16 and of the 4x4 patches with a note in them."""
  return tuple(
    float((roll_PxT.reshape(128 // n, n, -1, n) > 0).any(axis=(1, 3)).mean()) for n in (16, 4)
  )


if __name__ == '__main__':
  command.run(main)
