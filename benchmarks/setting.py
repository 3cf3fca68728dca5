"""What the benchmarks share: batches of real songs, the name of the machine, the JSON line."""

import functools
import itertools
import json
import platform
import time
from pathlib import Path

import jax
from absl import flags
from ml_collections import ConfigDict

from fractaljax.config import build_model
from fractaljax.data import pipeline
from fractaljax.data.records import Songs
from fractaljax.model.fractal import Fractal
from fractaljax.music.crop import Crop
from fractaljax.training.optimizer import make_optimizer
from fractaljax.training.state import Parts, State, init_state, train_step

DATA = flags.DEFINE_string('data', 'data/pop909', 'songs that prepare wrote')


def batches(config: ConfigDict, num: int) -> list[Crop]:
  """The first training batches of a config, of the songs at --data."""
  model = build_model(config.model)
  stream = pipeline.training_batches(
    Songs(DATA.value, 'train'), model.codec, config.data.batch_size, config.data.crop_steps,
    model.halo, config.data.transpose, model.attributes, config.seed,
  )  # fmt: skip
  return list(itertools.islice(stream, num))


def build(config: ConfigDict) -> Fractal:
  """The config's model."""
  return Fractal(build_model(config.model))


def initial_state(model: Fractal, optimizer, batch: Crop) -> State:
  """A fresh state."""
  return jax.jit(functools.partial(init_state, model, optimizer, seed=0))(batch)


def prepare_step(config: ConfigDict, batch):
  """The compiled step, its first state, and the seconds that compilation took."""
  model, optimizer = build(config), make_optimizer(config.optimizer, config.num_steps)
  state = initial_state(model, optimizer, batch)
  step = functools.partial(train_step, model, optimizer, config.optimizer.ema_decay, 0, Parts())
  began = time.perf_counter()
  compiled = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
  return compiled, state, time.perf_counter() - began


def seconds(function, *args) -> tuple[float, object]:
  """What a call takes until its result is there, and the result."""
  began = time.perf_counter()
  result = jax.block_until_ready(function(*args))
  return time.perf_counter() - began, result


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
