"""The prior of the attributes alone: how its likelihood depends on what Adam remembers.

The attributes of the training songs, one song an update, in any order, as a run of `bars_small`
trains them, with the rest of its optimizer; averaged as there. Prints for each b2 the bits a
training song and a valid song, and of each attribute the mean bin of 4,000 draws, beside that of
the training songs.

python -m benchmarks.prior --data=data/pop909
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags
from ml_collections import ConfigDict
from tqdm import tqdm

from benchmarks import setting
from configs import bars_small
from fractaljax import command
from fractaljax.config import build_model
from fractaljax.data.in_c import read_songs
from fractaljax.model.config import ModelConfig
from fractaljax.model.fractal import Fractal
from fractaljax.model.nats import value_nats
from fractaljax.model.prior import Prior, before
from fractaljax.music.attributes import attribute_ids
from fractaljax.music.notes import Song
from fractaljax.sampling.decision import Decoder
from fractaljax.sampling.job import numbered_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.whole import decide_attributes
from fractaljax.training.optimizer import make_optimizer

_B2 = flags.DEFINE_multi_float('b2', [0.95, 0.99, 0.999, 0.9999], "Adam's, each in turn")
NUM_DRAWS = 4_000


def attributes_of(songs: Sequence[Song], config: ModelConfig) -> np.ndarray:
  """The ids of the attributes of songs, (S, A)."""
  return np.array([attribute_ids(song, config.attributes) for song in songs])


def nats(prior: Prior, params, ids_NxA, place_NxA):
  """Of each song, (N,), its attributes decided in the order of their places."""
  logits_NxAxK = prior.apply(params, ids_NxA, before(place_NxA))
  nats_NxA = value_nats(jax.nn.log_softmax(logits_NxAxK), ids_NxA)
  return jnp.where(ids_NxA > 0, nats_NxA, 0.0).sum(axis=1)


def train(prior: Prior, ids_SxA, options: ConfigDict, num_steps: int):
  """Averaged parameters after so many updates of a song each."""
  optimizer, rng = make_optimizer(options, num_steps), jax.random.key(0)

  def update(i, state):
    params, opt_state, ema = state
    song_rng, order_rng = jax.random.split(jax.random.fold_in(rng, i))
    ids_1xA = jax.random.choice(song_rng, jnp.asarray(ids_SxA), (1,))
    place_1xA = jax.random.uniform(order_rng, ids_1xA.shape)
    gradient = jax.grad(lambda params: nats(prior, params, ids_1xA, place_1xA).sum())(params)
    updates, opt_state = optimizer.update(gradient, opt_state, params)
    params = optax.apply_updates(params, updates)
    return params, opt_state, optax.incremental_update(params, ema, 1 - options.ema_decay)

  first = prior.init(rng, ids_SxA[:1], before(jnp.zeros((1, ids_SxA.shape[1]))))
  return jax.lax.fori_loop(0, num_steps, update, (first, optimizer.init(first), first))[2]


def draw(config: ModelConfig, params):
  """Attributes as the sampler draws them, (NUM_DRAWS, A)."""
  decoder = Decoder(
    Fractal(config), {'params': {'prior': params['params']}}, make_knobs(config), Plan()
  )
  noise = numbered_noise(config, 0, np.arange(NUM_DRAWS), config.levels[0].patch[1])
  none_NxA = jnp.zeros((NUM_DRAWS, len(config.attributes)), jnp.int32)
  return decide_attributes(decoder, none_NxA, noise, draw=True)[0]


def mean_bins(ids_NxA) -> list[float]:
  return [round(float(mean), 2) for mean in ids_NxA.mean(axis=0)]


def main(_):
  config = bars_small.get_config()
  model, options = build_model(config.model), config.optimizer
  songs, valid = (
    attributes_of(read_songs(setting.DATA.value, split, config.data.in_c), model)
    for split in ('train', 'valid')
  )
  prior, place_1xA = Prior(model), np.arange(len(model.attributes))[None]
  runs = []
  for b2 in tqdm(_B2.value, unit='run'):
    options.b2 = b2
    params = train(prior, songs, options, config.num_steps)
    bits = [
      round(float(nats(prior, params, ids_NxA, place_1xA).mean() / np.log(2)), 3)
      for ids_NxA in (songs, valid)
    ]
    runs.append({'b2': b2, 'bits': bits, 'drawn': mean_bins(draw(model, params))})
  setting.report(
    benchmark='prior', updates=config.num_steps, attributes=list(model.attributes), runs=runs,
    songs=mean_bins(songs),
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
