"""Returns: how much of what its echoes hold comes again in a patch of the first level, a bar.

Songs come back a little also where they repeat nothing: the left hand of four bars before, under
another melody. Each of its notes is then as likely as not, and a sample that has strayed a little
has fewer of them from bar to bar. So it is said before any note, after the form, how much a bar has
in common with each of its echoes, such as the bars 4 and 8 before, see `fractaljax.model.reprise`;
every level is told, in the place of how alike the music before both is.

A bar's return is one id, of a bin for each echo.
"""

import jax.numpy as jnp
import numpy as np

from fractaljax.model import repeat
from fractaljax.model.config import ModelConfig
from fractaljax.model.density import bin_of

# Eighths of their notes in common, from which on a bin begins; the first begins with none.
EDGES = 1, 2, 4, 6
NUM_BINS = len(EDGES) + 1


def num_ids(config: ModelConfig) -> int:
  return NUM_BINS ** len(config.echoes)


def lags(config: ModelConfig) -> tuple[int, ...]:
  """How many bars before lies that of each echo."""
  return tuple(steps // config.levels[0].patch[1] for steps in config.echoes)


def id_of(bin_xE):
  """The id of a return with these bins."""
  return (bin_xE * NUM_BINS ** np.arange(bin_xE.shape[-1])).sum(axis=-1)


def bins_of(id_x, config: ModelConfig):
  """The bin of each echo, (..., E)."""
  return id_x[..., None] // NUM_BINS ** np.arange(len(config.echoes)) % NUM_BINS


def eighths_of(id_x, config: ModelConfig):
  """Eighths that a bar has in common with each echo: at least, and less than; two (..., E)."""
  bin_xE = bins_of(id_x, config)
  return jnp.asarray((0, *EDGES))[bin_xE], jnp.asarray((*EDGES, repeat.EIGHTHS[-1] + 1))[bin_xE]


def of_rolls(tokens_NxPxT, config: ModelConfig):
  """The returns of the bars of rolls, (N, L), by those notes that are known.

  The first bin where there is no bar so far before, or no note in either.
  """
  steps, lag_E = config.levels[0].patch[1], np.array(lags(config))
  shape = repeat.overlaps(tokens_NxPxT, steps, max(config.repeats, *lag_E), config.codec)
  both_NxLxE, either_NxLxE = (x_NxLxK[..., lag_E] for x_NxLxK in shape)
  return id_of(bin_of(8 * both_NxLxE // jnp.maximum(either_NxLxE, 1), EDGES))
