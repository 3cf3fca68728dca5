"""What the benchmarks share: batches of real songs, the name of the machine, the JSON line."""

import functools
import itertools
import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict

from fractaljax.config import build_model
from fractaljax.data import pipeline
from fractaljax.data.records import Songs
from fractaljax.data.stream import Stream
from fractaljax.mesh import Placement, data_parallel
from fractaljax.model.fractal import Fractal
from fractaljax.music.clip import Clip
from fractaljax.music.notes import Song
from fractaljax.training.optimizer import make_optimizer
from fractaljax.training.state import State, init_state
from fractaljax.training.step import jit_step

DATA = flags.DEFINE_string('data', 'data/pop909', 'songs that prepare wrote')


def batches(config: ConfigDict, num: int) -> list[Clip]:
  """The first training batches of a config, of the songs at --data."""
  return list(itertools.islice(stream(config, Songs(DATA.value, 'train')), num))


def stream(config: ConfigDict, songs: Sequence[Song]) -> Stream:
  """The training batches of a config, of these songs."""
  model, data = build_model(config.model), config.data
  return pipeline.training_batches(
    songs, model.codec, data.batch_size, data.crop_steps, model.halo, data.transpose,
    model.attributes, config.seed, workers=data.workers, beginnings=data.beginnings,
  )  # fmt: skip


def build(config: ConfigDict) -> Fractal:
  """The config's model."""
  return Fractal(build_model(config.model))


def initial_state(model: Fractal, optimizer, seed: int = 0) -> State:
  """A fresh state on one device."""
  placement = data_parallel(jax.devices()[:1])
  return jax.jit(_initial(model, optimizer, seed), out_shardings=placement.replicated)()


def state_shapes(model: Fractal, optimizer) -> State:
  """Those of a state; nothing is computed."""
  return jax.eval_shape(_initial(model, optimizer))


def _initial(model: Fractal, optimizer, seed: int = 0):
  config = model.config
  one_patch = config.levels[0].patch[1]
  example = pipeline.empty_batch(config.codec, one_patch, config.halo, config.attributes)
  return functools.partial(init_state, model, optimizer, example, seed=seed)


def update(config: ConfigDict, model: Fractal, optimizer, placement: Placement | None = None):
  """The jitted training step of a config, on one device if nothing else is said."""
  placement = placement or data_parallel(jax.devices()[:1])
  return jit_step(config, model, optimizer, placement, state_shapes(model, optimizer))


def prepare_step(config: ConfigDict, batch: Clip):
  """The compiled step, its first state, and the seconds that compilation took."""
  model, optimizer = build(config), make_optimizer(config.optimizer, config.num_steps)
  state = initial_state(model, optimizer)
  began = time.perf_counter()
  compiled = update(config, model, optimizer).lower(state, batch).compile()
  return compiled, state, time.perf_counter() - began


def compiled_update(config: ConfigDict, batch: Clip):
  """The compiled step of a config for batches like this one; nothing is computed."""
  model, optimizer = build(config), make_optimizer(config.optimizer, config.num_steps)
  state = state_shapes(model, optimizer)
  return update(config, model, optimizer).lower(state, batch).compile()


def memory_bytes(program) -> int:
  """What a compiled program has in memory at its peak, by XLA's own count."""
  found = program.memory_analysis()
  arguments = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
  return arguments + found.temp_size_in_bytes


def peak_flops(dtype: str) -> float:
  """FLOPs a second of the best of a few large matrix products on this device."""
  size = 4096 if jax.devices()[0].platform == 'cpu' else 16384
  a = jax.numpy.ones((size, size), dtype)
  product = jax.jit(lambda a: a @ a)
  return 2 * size**3 / min(seconds(product, a)[0] for _ in range(4))


def seconds(function, *args) -> tuple[float, object]:
  """What a call takes until its result is there, and the result."""
  began = time.perf_counter()
  result = jax.block_until_ready(function(*args))
  return time.perf_counter() - began, result


def median_update(program, state: State, batches: Sequence) -> tuple[float, State]:
  """Seconds of an update, the median over all batches but the first, and the last state."""
  times = []
  for batch in batches:
    taken, (state, _) = seconds(program, state, batch)
    times.append(taken)
  return float(np.median(times[1:])), state


def report(**figures) -> None:
  """Prints the figures and the machine as one JSON line."""
  rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in figures.items()}
  print(json.dumps(rounded | {'device': _device(), 'jax': jax.__version__}), flush=True)


def _device() -> str:
  device = jax.devices()[0]
  if device.platform != 'cpu':
    return f'{jax.device_count()} x {device.device_kind}'
  cpuinfo = Path('/proc/cpuinfo')
  lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
  names = [line.split(':')[1].strip() for line in lines if line.startswith('model name')]
  return f'{len(names)} cores of {names[0]}' if names else platform.processor()
