"""The sampler as a program of its own: StableHLO with the parameters in it, for any batch."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from fractaljax.errors import UserError
from fractaljax.model.config import ModelConfig
from fractaljax.model.fractal import Fractal
from fractaljax.music.attributes import num_ids
from fractaljax.sampling import known
from fractaljax.sampling.job import numbered_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample_and_tell

PLATFORMS = ('cpu', 'cuda', 'rocm', 'tpu')
# Programs are stored as flatbuffers, whose offsets have 32 bits with a sign.
MAX_BYTES = 2**31 - 2**24


def serialize(model: Fractal, params, dtype: str, num_steps: int, platforms: list[str]) -> bytes:
  """Lowers `sample_and_tell` to StableHLO; `jax.export.deserialize` reads it.

  Args:
    model: the model.
    params: its variables, which go into the program.
    dtype: that they are stored in; the program computes with them as float32.
    num_steps: T, of every roll.
    platforms: that the program can run on, of `PLATFORMS`; none of them has to be here.

  Raises:
    UserError: the parameters are too large, a platform is unknown, or the package flatbuffers is
      missing.
  """
  _require_flatbuffers()
  if not platforms or not set(platforms) <= set(PLATFORMS):
    raise UserError(f'--platforms={",".join(platforms)}: choose of {", ".join(PLATFORMS)}')
  crop, stored = known.nothing(model.config, num_steps), _rounded(params, dtype)

  def draw(tokens_BxPxT, seed, number_B, temperature_L, gate_bias, attributes_BxA=None):
    # As an operation of the program: NumPy would convert at once, and float32 would be stored.
    params = jax.tree.map(lambda x: jax.lax.convert_element_type(x, jnp.float32), stored)
    crop_B = jax.tree.map(lambda x: jnp.broadcast_to(x, (*number_B.shape, *x.shape)), crop)
    crop_B = crop_B._replace(tokens_PxT=tokens_BxPxT)
    if attributes_BxA is not None:
      crop_B = crop_B._replace(attributes_A=attributes_BxA)
    noise = numbered_noise(model.config, seed, number_B, num_steps)
    knobs = make_knobs(model.config, temperature_L, gate_bias)
    return sample_and_tell(model, Plan(), params, crop_B, noise, knobs)

  (batch,) = jax.export.symbolic_shape('B')
  shapes = {}
  for name, takes in inputs(model.config, num_steps).items():
    shape = tuple(batch if n == 'B' else n for n in takes['shape'])
    shapes[name] = jax.ShapeDtypeStruct(shape, takes['dtype'])
  return bytes(jax.export.export(jax.jit(draw), platforms=platforms)(**shapes).serialize())


def inputs(config: ModelConfig, num_steps: int) -> dict[str, dict]:
  """What the program takes, by name: type, shape, what the sampler gives by itself, and meaning.

  B is free.
  """
  codec, num_levels = config.codec, len(config.levels)
  rows = [
    ('tokens_BxPxT', 'int32', ['B', codec.num_pitches, num_steps], codec.unknown,
     f'what is known of each roll; {codec.unknown} where it is to be generated'),
    ('seed', 'uint32', [], 0, 'of everything random'),
    ('number_B', 'uint32', ['B'], None, 'sample i is a function of the seed and its number'),
    ('temperature_L', 'float32', [num_levels], 1.0,
     'of each level; 1 = the model, 0 = the most probable'),
    ('gate_bias', 'float32', [], 0.0, '0 = the model; above 0 denser, below 0 sparser'),
  ]  # fmt: skip
  if config.attributes:
    ids = known.nothing(config, num_steps).attributes_A.tolist()
    names = ', '.join(f'{name} 1..{num_ids(name) - 1}' for name in config.attributes)
    rows.append(('attributes_BxA', 'int32', ['B', len(ids)], ids, f'{names}; 0 = drawn'))
  keys = ('dtype', 'shape', 'default', 'meaning')
  return {name: dict(zip(keys, row, strict=True)) for name, *row in rows}


def _rounded(params, dtype: str):
  params = jax.tree.map(lambda x: np.asarray(x, jnp.dtype(dtype)), params)
  num_bytes = sum(x.nbytes for x in jax.tree.leaves(params))
  if num_bytes > MAX_BYTES:
    raise UserError(
      f'the parameters take {num_bytes / 2**30:.1f} GiB, and --format=stablehlo has room for 2; '
      'give --dtype=bfloat16 or another --format'
    )
  return params


def _require_flatbuffers() -> None:
  try:
    import flatbuffers  # noqa: F401
  except ImportError as error:
    raise UserError(
      'the package flatbuffers is missing; install it: pip install flatbuffers'
    ) from error
