"""A job: regions that one level is to fill, with all that is decided beforehand."""

from typing import NamedTuple

import jax

from fractaljax.model import patches
from fractaljax.model.children import children
from fractaljax.model.config import ModelConfig
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region


class Noise(NamedTuple):
  """All the chance in a sample: one uniform number for every decision there could be.

  It belongs to the place of the decision, so a sample does not depend on its neighbours in a
  batch, nor on how occupied patches are gathered into chunks.

  Attributes:
    choice: for each level from this one on, float32 (N, rows, cols) for the patches of the region.
    order: the same, for the random orders of MAR levels, and for the forms of first patches.
    attributes: (N, A), of whole rolls; None below them.
    chords: the same of their first patches, (N, L).
    returns: the same.
    rhythms: (N, L, 2), for both halves.
    seed: (N, 2), the keys of whole rolls, for what is drawn again; None below them.
  """

  choice: tuple[jax.Array, ...]
  order: tuple[jax.Array, ...]
  attributes: jax.Array | None
  chords: jax.Array | None
  returns: jax.Array | None
  rhythms: jax.Array | None
  seed: jax.Array | None


class Job(NamedTuple):
  """N regions to be filled.

  Attributes:
    region: what is known; cells to be generated are `unknown`. Guided, its `cond` has 2 N rows,
      of those who hear the attributes and of those who do not.
    noise: see `Noise`.
    scale_N: guidance scale.
    target_NxPxT: tokens to score instead of drawing, or None.
    lean_NxS: added to the log odds of the notes of the echoes of `due.said_echoes`; None for the
      model as it is, see `fractaljax.sampling.retry`.
  """

  region: Region
  noise: Noise
  scale_N: jax.Array
  target_NxPxT: jax.Array | None
  lean_NxS: jax.Array | None = None

  def with_canvas(self, canvas_NxQxW) -> 'Job':
    return self._replace(region=self.region.replace(canvas_NxQxW=canvas_NxQxW))


def make_noise(config: ModelConfig, keys_B: jax.Array, num_steps: int) -> Noise:
  """Noise for whole rolls, one key a roll."""

  def field(key, number, patch):
    shape = (config.codec.num_pitches // patch[0], num_steps // patch[1])
    return jax.random.uniform(jax.random.fold_in(key, number), shape)

  fields = [
    jax.vmap(lambda key, n=n, level=level: field(key, n, level.patch))(keys_B)
    for n, level in enumerate(2 * config.levels)
  ]
  half = len(config.levels)
  num_bars = num_steps // config.levels[0].patch[1]
  shapes = (len(config.attributes),), (num_bars,), (num_bars,), (num_bars, 2)
  whole = (
    jax.vmap(lambda key, n=n, shape=shape: jax.random.uniform(jax.random.fold_in(key, n), shape))(
      keys_B
    )
    for n, shape in enumerate(shapes, 2 * half)
  )
  seed_Bx2 = jax.random.key_data(keys_B)
  return Noise(tuple(fields[:half]), tuple(fields[half:]), *whole, seed_Bx2)


def numbered_noise(config: ModelConfig, seed, number_B, num_steps: int) -> Noise:
  """Noise for the samples of a seed with these numbers."""
  keys_B = jax.vmap(lambda number: jax.random.fold_in(jax.random.key(seed), number))(number_B)
  return make_noise(config, keys_B, num_steps)


def child_job(job: Job, config: ModelConfig, index: int, grid: Grid, seen, flat_C, cond) -> Job:
  """The patches `flat_C` of level `index`, as a job for the next level."""
  n_C, row_C, col_C = grid.corners(flat_C)

  def noise(fields):
    cuts = []
    for x_NxRxC, level in zip(fields[1:], config.levels[index + 1 :], strict=True):
      (p, t), (child_p, child_t) = grid.patch, level.patch
      size = (p // child_p, t // child_t)
      cuts.append(patches.cut(x_NxRxC, n_C, row_C // child_p, col_C // child_t, size))
    return tuple(cuts)

  target = job.target_NxPxT
  return Job(
    children(job.region, grid, seen, flat_C, cond, config, config.levels[index]),
    Noise(noise(job.noise.choice), noise(job.noise.order), *[None] * 5),
    job.scale_N[n_C],
    None if target is None else patches.cut(target, n_C, row_C, col_C, grid.patch),
    None if job.lean_NxS is None else job.lean_NxS[n_C],
  )
