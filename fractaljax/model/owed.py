"""Owed: what a bar has still to bring of the one that it repeats, as a vector and as logits.

The form says how much of a bar comes again. How much of it has come already is something else than
how much is left to come: a bar that is told of the first alone loses a note here and there, and
nothing makes up for it.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.initializers import zeros

from fractaljax.model import density
from fractaljax.model.config import ModelConfig
from fractaljax.model.hint import SCALE
from fractaljax.model.patches import Grid
from fractaljax.model.region import Region
from fractaljax.model.repeat import EIGHTHS, eighths_of
from fractaljax.music.codec import NUM_KINDS

# Of the notes that are left of the other bar, how many eighths have to come again; or none is left.
NUM_SHARES = 8 + 2
# Notes that have to come and that the other bar has not, at least.
NEW = 1, 2, 3, 4, 6, 9
NUM_NEW = len(NEW) + 1


class Owed(nn.Module):
  """Tables by what a bar still owes, learned from zero.

  Of the logits there are two, both by what the bar that is repeated has at the patch: of the notes
  that have to come again, and of the others by the step of the bar.
  """

  config: ModelConfig
  width: int
  num_out: int

  def setup(self):
    num_steps = self.config.levels[0].patch[1]
    self.vector = nn.Embed(NUM_SHARES * NUM_NEW, self.width, embedding_init=zeros)
    self.again = nn.Embed(NUM_SHARES * NUM_KINDS, self.num_out, embedding_init=zeros)
    self.new = nn.Embed(NUM_NEW * NUM_KINDS * num_steps, self.num_out, embedding_init=zeros)

  def __call__(self, id_NxL):
    """Vectors, (N, L, D)."""
    return self.vector(id_NxL).astype(self.config.dtype)

  def logits(self, id_NxL, kind_NxL, step_NxL):
    """Logits to be added, (N, L, G), of patches where the other bar has these kinds."""
    num_steps = self.config.levels[0].patch[1]
    share_NxL, new_NxL = id_NxL // NUM_NEW, id_NxL % NUM_NEW
    hint_NxLxG = self.again(share_NxL * NUM_KINDS + kind_NxL)
    hint_NxLxG += self.new((new_NxL * NUM_KINDS + kind_NxL) * num_steps + step_NxL)
    return SCALE * hint_NxLxG


def ids(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """Of each patch what its bar still owes, as one of NUM_SHARES and one of NUM_NEW, (N, L)."""
  owed_NxLx3 = before(region, seen_NxQxW, grid, config)
  left_NxL, again_NxL, new_NxL = (owed_NxLx3[..., k] for k in range(3))
  eighths_NxL = jnp.clip(8 * again_NxL // jnp.maximum(left_NxL, 1), 0, 8)
  share_NxL = jnp.where(left_NxL > 0, eighths_NxL, NUM_SHARES - 1)
  return share_NxL * NUM_NEW + density.bin_of(new_NxL, NEW)


def of_bars(repeat_N, there_NxPxT, density_N, config: ModelConfig):
  """What bars owe as they begin, (N, 3), by what is said of them.

  The notes of the bar that is repeated; how many of these come again; how many others come.

  Args:
    repeat_N: what each repeats, see `fractaljax.model.repeat`.
    there_NxPxT: the bar that is repeated.
    density_N: see `fractaljax.model.density`; None if nothing is said of it: as many notes again.
    config: the model.
  """
  there_N = config.codec.is_note(there_NxPxT).sum(axis=(1, 2))
  num_N, sixteenths_N = there_N, jnp.minimum(2 * eighths_of(repeat_N) + 1, 2 * EIGHTHS[-1])
  if density_N is not None:
    # Two bars with such a share in common do not differ more than that in their notes.
    fewest_N, most_N = -(-there_N * sixteenths_N // 16), there_N * 16 // sixteenths_N
    num_N = jnp.clip(jnp.asarray(middles(config))[density_N], fewest_N, most_N)
  # both / (here + there - both) is the share; rounded.
  whole_N = 16 + sixteenths_N
  both_N = ((num_N + there_N) * sixteenths_N + whole_N // 2) // whole_N
  return jnp.stack([there_N, both_N, num_N - both_N], axis=1)


def middles(config: ModelConfig) -> np.ndarray:
  """A number of notes for each density: the middle of those that it has, of the last the least."""
  edges = np.array((0, *config.densities))
  return np.append((edges[:-1] + edges[1:] - 1) // 2, edges[-1])


def before(region: Region, seen_NxQxW, grid: Grid, config: ModelConfig):
  """What is owed before each patch in the scan, (N, L, 3), see `of_bars`.

  Cells that are unknown owe what they did.
  """
  codec, here_NxPxT = config.codec, region.inner(seen_NxQxW)
  is_here_NxPxT = codec.is_note(here_NxPxT)
  is_there_NxPxT = codec.is_note(region.there_NxExPxT[:, config.repeated])
  came = (
    is_there_NxPxT & (here_NxPxT != codec.unknown),
    is_there_NxPxT & is_here_NxPxT,
    is_here_NxPxT & ~is_there_NxPxT,
  )
  came_NxLx3 = jnp.stack([density.num_before(x_NxPxT, grid) for x_NxPxT in came], axis=-1)
  return region.owed_Nx3[:, None] - came_NxLx3


def kinds(region: Region, grid: Grid, config: ModelConfig):
  """What the bar that is repeated has at each patch, (N, L): of several cells, the most of any."""
  kind_NxPxT = jnp.asarray(config.codec.kinds())[region.there_NxExPxT[:, config.repeated]]
  return grid.split(kind_NxPxT).max(axis=(2, 3))
