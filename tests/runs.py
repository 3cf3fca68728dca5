"""A config so small that a whole run takes seconds, and a run's folder without the run."""

import os
import re

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

import models
from fractaljax.config import base, build_model
from fractaljax.training import run_dir
from fractaljax.training.checkpoint import Checkpoints
from fractaljax.training.state import State


def tiny_config(**changes) -> ConfigDict:
  """Three levels, an AR, a MAR and an AR one; 64 pitches, crops of 32 steps, 8 songs."""
  config = base()
  config.seed = 1_700_000_000_000  # a time, which has more than 32 bits
  config.num_steps = 6
  config.data.corpus_songs = 8
  config.data.batch_size = 4
  config.data.crop_steps = 32
  model = config.model
  model.low_pitch, model.num_pitches = 32, 64
  model.patches = ((64, 8), (8, 1), (1, 1))
  model.generators = ('ar', 'mar', 'ar')
  model.widths, model.depths, model.heads = (16, 16, 16), (1, 1, 1), (2, 2, 2)
  model.iterations = (4, 4, 4)
  model.capacities = (1.0, 1.0)
  model.halo, model.halo_pitches, model.chord_pitches, model.head_width = 4, 2, 3, 8
  model.attributes = ('tempo',)
  config.optimizer.warmup_steps = 2
  config.log_every = 2
  config.checkpoint_every = 3
  config.eval_every = 6
  config.eval_crops, config.eval_samples, config.eval_temperatures = 4, 2, (1.0,)
  config.update_from_flattened_dict(changes)
  return config


def exact_config(**changes) -> ConfigDict:
  """Two AR levels without dropout and with room for all: nothing depends on who computes what."""
  exact = {
    'model.patches': ((64, 1), (1, 1)), 'model.generators': ('ar', 'ar'), 'model.widths': (16, 16),
    'model.depths': (1, 1), 'model.heads': (2, 2), 'model.iterations': (1, 1),
    'model.capacities': (1.0,), 'model.dropout': 0.0, 'model.attributes': (),
  }  # fmt: skip
  return tiny_config(**exact | changes)


def write_run(workdir, config: ConfigDict, step: int = 3):
  """A run's folder as training leaves it: an average of no symmetry, and last values 1 below it."""
  average = models.random_params(build_model(config.model), scale=0.2)
  last = jax.tree.map(lambda x: x - 1, average)
  workdir.mkdir()
  run_dir.claim(str(workdir), config)
  checkpoints = Checkpoints(str(workdir), config)
  checkpoints.save(State(jnp.int32(step), last, average, ()), {})
  checkpoints.close()


def xla_flags(num_devices: int) -> str:
  """XLA_FLAGS of these tests, for a process that simulates so many devices."""
  return re.sub(r'device_count=\d+', f'device_count={num_devices}', os.environ['XLA_FLAGS'])
