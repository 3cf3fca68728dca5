"""Returns: how much of what its echoes hold comes again in a patch of the first level, a bar.

Songs come back a little also where they repeat nothing: the left hand of four bars before, under
another melody. Each of its notes is then as likely as not, and a sample that has strayed a little
has fewer of them from bar to bar. So it is said before any note, after the form, how much a bar has
in common with each of its echoes, such as the bars 4 and 8 before, see `fractaljax.model.reprise`;
every level is told, in the place of how alike the music before both is.

A bar's return is one id, of the eighths of their notes that it has in common with each echo.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from fractaljax.model import repeat
from fractaljax.model.config import ModelConfig
from fractaljax.model.repeat import NUM_EIGHTHS


def num_ids(config: ModelConfig) -> int:
  return NUM_EIGHTHS ** len(config.echoes)


def lags(config: ModelConfig) -> tuple[int, ...]:
  """How many bars before lies that of each echo."""
  return tuple(steps // config.levels[0].patch[1] for steps in config.echoes)


def id_of(eighths_xE):
  """The id of a return of so much of each echo."""
  return (eighths_xE * NUM_EIGHTHS ** np.arange(eighths_xE.shape[-1])).sum(axis=-1)


def eighths_of(id_x, config: ModelConfig):
  """How many eighths of their notes a bar and each echo have in common, (..., E)."""
  return id_x[..., None] // NUM_EIGHTHS ** np.arange(len(config.echoes)) % NUM_EIGHTHS


def overlaps(tokens_NxPxT, config: ModelConfig):
  """`repeat.overlaps` as far back as a bar can repeat one or has an echo."""
  steps, most = config.levels[0].patch[1], max((config.repeats, *lags(config)))
  return repeat.overlaps(tokens_NxPxT, steps, most, config.codec)


def of_rolls(tokens_NxPxT, config: ModelConfig):
  """The returns of the bars of rolls, (N, L), by those notes that are known.

  Nothing where there is no bar so far before, or no note in either.
  """
  lag_E = np.array(lags(config))
  both_NxLxE, either_NxLxE = (x_NxLxK[..., lag_E] for x_NxLxK in overlaps(tokens_NxPxT, config))
  return id_of(8 * both_NxLxE // jnp.maximum(either_NxLxE, 1))


class ReturnsEmbed(nn.Module):
  """What returns in bars as vectors, (N, L, D): a sum over the echoes, since most ids are rare."""

  config: ModelConfig
  width: int
  embedding_init: nn.initializers.Initializer

  @nn.compact
  def __call__(self, id_NxL):
    num_echoes = len(self.config.echoes)
    table = nn.Embed(num_echoes * NUM_EIGHTHS, self.width, embedding_init=self.embedding_init)
    row_NxLxE = np.arange(num_echoes) * NUM_EIGHTHS + eighths_of(id_NxL, self.config)
    return table(row_NxLxE).sum(axis=2)
