"""Drawing any number of samples, a batch at a time, with one compiled program."""

import time
from typing import NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from fractaljax.model.fractal import Fractal
from fractaljax.music.crop import Crop
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Knobs, Plan
from fractaljax.sampling.sampler import sample


class Drawn(NamedTuple):
  """Samples and what they took.

  Attributes:
    tokens_BxPxT: the rolls.
    compile_seconds: to trace and compile the sampler.
    seconds: to draw all samples.
  """

  tokens_BxPxT: np.ndarray
  compile_seconds: float
  seconds: float


def draw(
  model: Fractal, params, plan: Plan, knobs: Knobs, crop: Crop, num: int, batch_size: int, seed: int
) -> Drawn:
  """Draws `num` samples of one known roll; sample i is a function of (seed, i).

  Args:
    model, params, plan, knobs: see `sampler.sample`.
    crop: one roll, without a batch axis; cells to be generated hold the codec's `unknown`.
    num: samples.
    batch_size: at a time, at most.
    seed: of everything random.
  """
  batch_size = min(batch_size, num)
  num_steps = crop.tokens_PxT.shape[-1]
  crop_B = jax.tree.map(lambda x: np.repeat(x[None], batch_size, axis=0), crop)
  keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(seed), i))
  noise_of = jax.jit(lambda start: make_noise(
    model.config, keys(start + np.arange(batch_size)), num_steps
  ))  # fmt: skip

  began = time.perf_counter()
  lowered = jax.jit(sample, static_argnums=(0, 1)).lower(
    model, plan, params, crop_B, noise_of(0), knobs
  )
  program = lowered.compile()
  compiled = time.perf_counter()
  rolls = []
  for start in tqdm(range(0, num, batch_size), unit='batch', desc='sampling'):
    rolls.append(np.asarray(program(params, crop_B, noise_of(start), knobs)))
  seconds = time.perf_counter() - compiled
  return Drawn(np.concatenate(rolls)[:num], compiled - began, seconds)
