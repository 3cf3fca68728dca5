"""The prior of the attributes: what a roll is like as a whole, decided before anything else.

A song keeps its range and its dynamics. A model that hears none of them has to guess them from
what it wrote so far, and begins with a mixture of all songs, which it then goes on with. So the
attributes are drawn first, and every level hears them. What is scored is rolls and attributes
together: -log p(roll, attributes), which is more than -log p(roll) by what the roll leaves open.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.initializers import ones, zeros

from fractaljax.model.config import ModelConfig
from fractaljax.model.hint import SCALE
from fractaljax.model.nats import NEVER
from fractaljax.music.attributes import num_ids


class Prior(nn.Module):
  """Logits of each attribute, (N, A, K), by the others that are known; id 0 is impossible.

  A table for every pair of attributes, learned from zero; and for each attribute, by how many of
  the others are known, a bias and how much counts what they say: attributes say the same in part,
  and what is drawn first, by none, has to be as frequent as it is. In training the order is random,
  so that any of them can be drawn when any others are given (Uria et al. 2014, "A Deep and
  Tractable Density Estimator").
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
    num, most = len(num_A), num_A.max()
    table_AxKxAxK = self.param('embedding', zeros, (num, most, num, most))
    bias_AxAxK = self.param('bias', zeros, (num, num, most))
    # Weight decay lets others count less, which is what they need where songs are few.
    share_AxA = self.param('share', ones, (num, num))
    here = np.arange(num), known_NxAxA.sum(axis=2)
    # Each given one's say on all of them.
    say_NxAxAxK = jnp.asarray(table_AxKxAxK)[np.arange(num), ids_NxA].swapaxes(1, 2)
    all_NxAxK = (known_NxAxA[..., None] * say_NxAxAxK).sum(axis=2)
    share_NxAx1 = jnp.asarray(share_AxA)[here][..., None]
    logits_NxAxK = jnp.asarray(bias_AxAxK)[here] + share_NxAx1 * all_NxAxK
    id_K = np.arange(most)
    return jnp.where((id_K > 0) & (id_K < num_A[:, None]), SCALE * logits_NxAxK, NEVER)


def before(place_NxA):
  """Which attributes come before each, (N, A, A), by their places in an order."""
  return place_NxA[:, None] < place_NxA[:, :, None]
