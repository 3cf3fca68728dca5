"""Drawing any number of samples, a batch at a time, with one compiled program."""

import dataclasses
import functools
import time
from typing import NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from fractaljax.distributed import is_first
from fractaljax.mesh import AXES, Placement
from fractaljax.model.config import ModelConfig
from fractaljax.model.fractal import Fractal
from fractaljax.music.attributes import tempo_of
from fractaljax.music.crop import Crop
from fractaljax.music.notes import Song
from fractaljax.sampling.job import numbered_noise
from fractaljax.sampling.options import Knobs, Plan
from fractaljax.sampling.sampler import sample_and_tell


class Drawn(NamedTuple):
  """Samples and what they took.

  Attributes:
    tokens_BxPxT: the rolls.
    attributes_BxA: ids of what they are said to be like, what was given and what was drawn.
    compile_seconds: to trace and compile the sampler.
    seconds: to draw all samples.
  """

  tokens_BxPxT: np.ndarray
  attributes_BxA: np.ndarray
  compile_seconds: float
  seconds: float


def draw(
  model: Fractal,
  params,
  plan: Plan,
  knobs: Knobs,
  crop: Crop,
  num: int,
  batch_size: int,
  seed: int,
  placement: Placement,
) -> Drawn:
  """Draws `num` samples of one known roll; sample i is a function of (seed, i).

  Args:
    model, params, plan, knobs: see `sampler.sample`.
    crop: one roll, without a batch axis; cells to be generated hold the codec's `unknown`.
    num: samples.
    batch_size: at a time, at most; rounded up to a multiple of the devices.
    seed: of everything random.
    placement: of the devices, each of which draws its share.
  """
  began = time.perf_counter()
  each = placement.at_least(min(batch_size, num))
  crop_B = placement.spread(jax.tree.map(lambda x: np.repeat(x[None], each, axis=0), crop))
  numbers = [placement.spread(np.arange(start, start + each)) for start in range(0, num, each)]
  program, seed = make_drawing(model, plan, placement), np.uint32(seed % 2**32)
  program = program.lower(params, crop_B, numbers[0], knobs, seed).compile()
  compiled = time.perf_counter()
  batches = [
    placement.gather(program(params, crop_B, number_B, knobs, seed))
    for number_B in tqdm(numbers, unit='batch', desc='sampling', disable=not is_first())
  ]
  seconds = time.perf_counter() - compiled
  tokens, attributes = (np.concatenate(each)[:num] for each in zip(*batches, strict=True))
  return Drawn(tokens, attributes, compiled - began, seconds)


def as_songs(tokens_BxPxT, attributes_BxA, config: ModelConfig) -> list[Song]:
  """Samples as songs in 4/4, at the tempo that they are said to have, or else that of any song."""
  songs = []
  for tokens_PxT, ids_A in zip(tokens_BxPxT, attributes_BxA, strict=True):
    song = Song(config.codec.decode(tokens_PxT), tokens_PxT.shape[1])
    tempo_bpm = tempo_of(ids_A, config.attributes)
    songs.append(song if tempo_bpm is None else dataclasses.replace(song, tempo_bpm=tempo_bpm))
  return songs


@functools.cache
def make_drawing(model: Fractal, plan: Plan, placement: Placement):
  """The jitted sampler: (params, crop of B, numbers (B,), knobs, seed) to the first two of `Drawn`.

  B is a multiple of the devices. Each draws its share and waits for no other: how long a sample
  takes depends on its notes.
  """

  def share(params, crop: Crop, number_B, knobs: Knobs, seed):
    noise = numbered_noise(model.config, seed, number_B, crop.tokens_PxT.shape[-1])
    return sample_and_tell(model, plan, params, crop, noise, knobs)

  split = jax.P(AXES)
  specs = (jax.P(), split, split, jax.P(), jax.P())
  return jax.jit(
    jax.shard_map(share, mesh=placement.mesh, in_specs=specs, out_specs=split, check_vma=False)
  )
