"""Small models that the tests share: tiny grids that can be enumerated."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model import density, returns
from fractaljax.model.children import children
from fractaljax.model.chord import NUM_CHORDS
from fractaljax.model.config import Level, ModelConfig
from fractaljax.model.echoes import block_size
from fractaljax.model.form import num_parts
from fractaljax.model.fractal import Fractal
from fractaljax.model.hint import SCALE
from fractaljax.model.memory import Memory
from fractaljax.model.patches import make_grid
from fractaljax.model.region import Region
from fractaljax.model.repeat import num_repeats
from fractaljax.model.trust import NUM_TRUSTS
from fractaljax.music.codec import Codec
from fractaljax.music.crop import NUM_PHASES, Crop
from fractaljax.sampling.job import Noise, make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import score

# One program: on their own, each of its operations would be compiled for itself.
children_of = jax.jit(children, static_argnames=('grid', 'config', 'level'))

HIERARCHIES = {
  'square': ((2, 2), (1, 1)),
  'musical': ((2, 2), (2, 1), (1, 1)),
}


def level(patch, generator='ar', **changes) -> Level:
  values = dict(
    patch=patch, generator=generator, scan='time', width=16, depth=1, heads=2, dropout=0.0,
    mask='uniform', mask_mean=1.0, mask_std=0.25, iterations=64,
  )  # fmt: skip
  return Level(**{**values, **changes})


def tiny(patches=((2, 2), (1, 1)), generators=None, num_pitches=2, codec='binary', **changes):
  """A model of a roll of few pitches, with room for every patch."""
  generators = generators or ('ar',) * len(patches)
  shared = {key: changes.pop(key) for key in ('scan', 'iterations', 'dropout') if key in changes}
  levels = tuple(level(p, g, **shared) for p, g in zip(patches, generators, strict=True))
  values = dict(
    codec=Codec(codec, 60, num_pitches), levels=levels, capacities=(1.0,) * (len(levels) - 1),
    gate=True, span=0, halo=2, halo_pitches=1, chord_pitches=2, echoes=(), matches=0, repeats=0,
    densities=(), tops=(), returns=False, chords=False, rhythms=False, hide=0.0, head_width=16,
    head_depth=1, qk_norm=True, phrase_bars=4, num_phrases=3, attributes=(), cond_drop=0.1,
    dtype='float32', remat=False,
  )  # fmt: skip
  return ModelConfig(**{**values, **changes})


def as_crop(tokens_BxPxT, halo: int, codec: Codec, num_attributes: int = 0) -> Crop:
  """Whole rolls as a batch: nothing before them, nothing padded, bars of 16 steps."""
  tokens_BxPxT = np.asarray(tokens_BxPxT, np.int32)
  batch, num_pitches, num_steps = tokens_BxPxT.shape
  step_BxT = np.broadcast_to(np.arange(num_steps, dtype=np.int32), (batch, num_steps))
  return Crop(
    tokens_BxPxT,
    np.full((batch, num_pitches, halo), codec.outside, np.int32),
    np.ones((batch, num_steps), bool),
    step_BxT % 16,
    step_BxT // 16,
    np.zeros((batch, num_attributes), np.int32),
  )


def all_rolls(num_pitches: int, num_steps: int, num_values: int = 2) -> np.ndarray:
  """Every roll there is, one a row: (V ** (P * T), P, T)."""
  cells = itertools.product(range(num_values), repeat=num_pitches * num_steps)
  return np.array(list(cells), np.int32).reshape(-1, num_pitches, num_steps)


def shake(params, seed: int = 0, scale: float = 0.5):
  """Adds noise to every parameter, so that nothing is zero or symmetric by initialisation."""
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(seed), len(leaves))
  noisy = [p + scale * jax.random.normal(k, p.shape) for p, k in zip(leaves, keys, strict=True)]
  return jax.tree.unflatten(tree, [jnp.asarray(p) for p in noisy])


@functools.cache
def shapes_of_params(config: ModelConfig):
  """The tree of the parameters; nothing is compiled."""
  rolls = np.zeros((1, config.codec.num_pitches, config.levels[0].patch[1]))
  crop = as_crop(rolls, config.halo, config.codec, len(config.attributes))
  rngs = {name: jax.random.key(0) for name in ('params', 'mask')}
  return jax.eval_shape(lambda: Fractal(config).init(rngs, crop, False))


def random_params(config: ModelConfig, seed: int = 0, scale: float = 0.5):
  """Parameters of no symmetry, around 1 in norms and 0 elsewhere."""
  rng = np.random.default_rng(seed)

  def draw(path, leaf):
    names = [key.key for key in path]
    middle = 1.0 if 'scale' in names else 0.0
    spread = scale / SCALE if {'hint', 'left', 'by_row', 'by_step'} & set(names) else scale
    return np.asarray(middle + spread * rng.standard_normal(leaf.shape), np.float32)

  return jax.tree_util.tree_map_with_path(draw, shapes_of_params(config))


def random_region(config: ModelConfig, index: int, num_steps: int = 0, num: int = 3) -> Region:
  """Regions of a level with every kind of token in them, at random places and times.

  Those of the first level have `num_steps`, others those of their patch.
  """
  pitches = config.codec.num_pitches
  size = config.levels[index - 1].patch if index else (pitches, num_steps)
  rng, margin = np.random.default_rng(index), config.margin
  canvas_shape = (num, size[0] + 2 * margin, config.halo + size[1])
  width = config.levels[index - 1].width if index else 0
  echo_shape = (num, config.num_echoes, *block_size(size, config.halo))
  memory = None
  if index:
    memory = Memory(
      jnp.asarray(rng.integers(0, config.codec.num_values + 2, echo_shape), jnp.int32),
      jnp.asarray(rng.integers(0, NUM_TRUSTS, echo_shape[:2]), jnp.int32),
      jnp.asarray(rng.integers(0, 4, (*echo_shape[:2], 4)), jnp.int32),
      jnp.asarray(rng.integers(0, 3, (*echo_shape[:2], 4)), jnp.int32),
      jnp.asarray(rng.integers(0, 9, (*echo_shape[:2], 4)), jnp.int32),
      None,
    )
  repeat_NxL = return_NxL = density_NxL = top_NxL = chord_NxL = rhythm_NxL = None
  count_N = high_N = begun_N = None
  num_bars = 1 if index else num_steps // config.levels[0].patch[1]
  if config.repeats and not index:
    repeat_NxL = jnp.asarray(rng.integers(0, num_repeats(config.repeats), (num, num_bars)))
  if config.returns and not index:
    return_NxL = jnp.asarray(rng.integers(0, returns.num_ids(config), (num, num_bars)))
  if config.densities:
    density_NxL = jnp.asarray(rng.integers(0, density.num_bins(config), (num, num_bars)))
    count_N = jnp.asarray(rng.integers(0, config.densities[-1], num)) if index else None
  if config.tops:
    top_NxL = jnp.asarray(rng.integers(0, len(config.tops) + 1, (num, num_bars)))
    high_N = jnp.asarray(rng.integers(0, 2, num)) if index else None
  if config.chords:
    chord_NxL = jnp.asarray(rng.integers(0, NUM_CHORDS, (num, num_bars)))
  if config.rhythms:
    # Every other one without a note: gates of others of the first level are certain.
    rhythms = rng.integers(0, 2 ** config.levels[0].patch[1], (num, num_bars))
    rhythm_NxL = jnp.asarray(rhythms * rng.integers(0, 2, (num, num_bars)))
    begun_N = jnp.asarray(rng.integers(0, 2, num)) if index else None
  return Region(
    jnp.asarray(rng.integers(0, config.codec.num_values + 2, canvas_shape), jnp.int32),
    jnp.ones((num, size[1]), bool),
    jnp.asarray(rng.integers(0, NUM_PHASES, (num, size[1])), jnp.int32),
    jnp.asarray(rng.integers(0, 9, (num, size[1])), jnp.int32),
    jnp.asarray(rng.integers(0, pitches // size[0], num) * size[0], jnp.int32),
    jnp.zeros(num, jnp.int32),
    jnp.zeros((num, len(config.attributes)), jnp.int32),
    jnp.asarray(rng.standard_normal((num, width)), jnp.float32),
    memory,
    repeat_NxL,
    return_NxL,
    density_NxL,
    top_NxL,
    chord_NxL,
    rhythm_NxL,
    count_N,
    high_N,
    begun_N,
    margin,
  )


def same_noise(config: ModelConfig, num: int, num_steps: int, seed: int = 0) -> Noise:
  """The same chance for each of `num` rolls."""
  noise = make_noise(config, jax.random.key(seed)[None], num_steps)
  return jax.tree.map(lambda x: np.repeat(np.asarray(x), num, axis=0), noise)


def log_probability(config: ModelConfig, params, crop: Crop, noise=None, **plan) -> np.ndarray:
  """Log probability of each whole roll, for MAR levels in one random order that all share."""
  noise = same_noise(config, *crop.valid_T.shape) if noise is None else noise
  plan, knobs = Plan(**{'chunk': 64, **plan}), make_knobs(config)
  score_all = jax.jit(score, static_argnums=(0, 1))
  return np.asarray(score_all(Fractal(config), plan, params, crop, noise, knobs))


def teacher_forced_nats(config: ModelConfig, params, crop: Crop) -> np.ndarray:
  """-log probability of each roll by the forward of training, for models without MAR levels."""

  def one(params, crop):
    crop_1 = jax.tree.map(lambda x: x[None], crop)
    return sum(loss.nats for loss in Fractal(config).apply(params, crop_1, False))

  return np.asarray(jax.jit(jax.vmap(one, (None, 0)))(params, crop))


def joint_probability(config: ModelConfig, params, num_steps: int):
  """The probabilities of all rolls (R, P, T) with all forms that there are, ids (Z, L): (R, Z)."""
  codec = config.codec
  rolls_RxPxT = all_rolls(codec.num_pitches, num_steps, codec.num_values)
  crop, steps = as_crop(rolls_RxPxT, config.halo, codec), config.levels[0].patch[1]

  def one(params, crop, form_L):
    crop_1 = jax.tree.map(lambda x: x[None], crop)
    losses = Fractal(config).apply(params, crop_1, False, said={'form': form_L[None]})
    return -sum(loss.nats for loss in losses)

  score = jax.jit(jax.vmap(jax.vmap(one, (None, None, 0)), (None, 0, None)))
  repeats_L = [num_repeats(min(bar, config.repeats)) for bar in range(num_steps // steps)]
  _, num_densities, num_tops = num_parts(config)
  ids = [range(num * num_densities * num_tops) for num in repeats_L]
  form_ZxL = np.array(list(itertools.product(*ids)))
  prob_RxZ = np.exp(np.asarray(score(params, crop, form_ZxL), np.float64))
  return rolls_RxPxT, form_ZxL, prob_RxZ


def all_children(region, config, level):
  """The patches of a level as regions, in order, and their grid."""
  grid = make_grid(region.size, level.patch, level.scan)
  flat_C = jnp.arange(len(region.row_N) * len(grid))
  cond_Cx1 = jnp.zeros((len(flat_C), 1))
  seen_NxQxW = region.canvas_NxQxW
  return children_of(region, grid, seen_NxQxW, flat_C, cond_Cx1, config, level), grid
