"""The prior of the attributes: what a roll is like as a whole, decided before anything else.

A song keeps its range and its dynamics. A model that hears none of them has to guess them from
what it wrote so far, and begins with a mixture of all songs, which it then goes on with. So the
attributes are drawn first, and every level hears them. What is scored is rolls and attributes
together: -log p(roll, attributes), which is more than -log p(roll) by what the roll leaves open.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from fractaljax.model.config import ModelConfig
from fractaljax.model.hint import SCALE
from fractaljax.model.nats import NEVER
from fractaljax.music.attributes import num_ids


class Prior(nn.Module):
  """Logits of each attribute, (N, A, K), by the others that are known; id 0 is impossible.

  A table for every pair of attributes, learned from zero. In training the order is random, so that
  any of them can be drawn when any others are given (Uria et al. 2014, "A Deep and Tractable
  Density Estimator").
  """

  config: ModelConfig

  @nn.compact
  def __call__(self, ids_NxA, known_NxAxA):
    """Logits of the attributes of N rolls.

    Args:
      ids_NxA: their ids; 0 = not given.
      known_NxAxA: of each attribute, which others it may depend on.
    """
    num_A = np.array([num_ids(name) for name in self.config.attributes])
    shape = len(num_A), num_A.max()
    table_AxKxAxK = self.param('embedding', nn.initializers.zeros, (*shape, *shape))
    bias_AxK = self.param('bias', nn.initializers.zeros, shape)
    # Each given one's say on all of them.
    say_NxAxAxK = jnp.asarray(table_AxKxAxK)[np.arange(len(num_A)), ids_NxA].swapaxes(1, 2)
    logits_NxAxK = bias_AxK + (known_NxAxA[..., None] * say_NxAxAxK).sum(axis=2)
    id_K = np.arange(shape[1])
    return jnp.where((id_K > 0) & (id_K < num_A[:, None]), SCALE * logits_NxAxK, NEVER)


def before(place_NxA):
  """Which attributes come before each, (N, A, A), by their places in an order."""
  return place_NxA[:, None] < place_NxA[:, :, None]
