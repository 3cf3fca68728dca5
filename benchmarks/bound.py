"""How near a bound is: what notes leave open of all that is said before them.

A model that says the form first is scored by -log p(notes, form), with the form that the notes have
themselves. The other ones, summed up, give the likelihood of the notes alone. Here every bar is
scored with the most probable others, one at a time, and summed up as if it told no other bar; and
so it is with what is said to return (the reprise), with chords (the harmony) and with the two
halves of rhythms (the pulse, the offbeats). All hear the attributes: here each of these is changed
to all its other values, one at a time. Prints the bits a
note of some excerpts of the valid songs, and how many less they are with the others of each.

python -m benchmarks.bound --checkpoint=runs/bars_small --data=data/pop909
"""

import collections
import functools

import jax
import numpy as np
from absl import flags
from tqdm import tqdm

from benchmarks import setting
from fractaljax import command
from fractaljax.data import pipeline
from fractaljax.data.in_c import read_songs
from fractaljax.errors import UserError
from fractaljax.mesh import data_parallel
from fractaljax.model.fractal import Fractal
from fractaljax.model.nats import NEVER
from fractaljax.model.region import whole_roll
from fractaljax.model.said import said_of
from fractaljax.music.attributes import num_ids
from fractaljax.music.crop import Crop
from fractaljax.training.likelihood import needed_capacities
from fractaljax.training.step import num_notes
from fractaljax.training.trained import load

_CHECKPOINT = flags.DEFINE_string('checkpoint', 'runs/bars_small', 'folder of a training run')
_EXCERPTS = flags.DEFINE_integer('excerpts', 8, 'how many, evenly among all', lower_bound=1)
_OTHERS = flags.DEFINE_integer(
  'others', 4, 'other forms, returns and so on of a bar', lower_bound=1
)
AT_A_TIME = 4
ATTRIBUTES = 'attributes'


def probable(model: Fractal, params, crop_1: Crop):
  """What is said of the bars of an excerpt, (L,) each, and log probabilities of all, (L, K)."""
  region = whole_roll(crop_1, model.config)
  own = {name: id_1xL[0] for name, id_1xL in said_of(region, model.config).items()}
  logits = {name: model.apply(params, name, region, method='bar_logits')[0] for name in own}
  return own, jax.tree.map(jax.nn.log_softmax, logits)


def others(own_L, logp_LxK, num: int) -> tuple[np.ndarray, np.ndarray]:
  """Bars, and for each the ids of all bars if it has another one: (R,), (R, L)."""
  bars, rows = [], []
  for bar, logp_K in enumerate(logp_LxK):
    # Of a bar with few before it there are fewer others.
    possible = [k for k in np.argsort(-logp_K) if logp_K[k] > NEVER / 2 and k != own_L[bar]]
    for k in possible[:num]:
      bars.append(bar)
      rows.append(np.where(np.arange(len(own_L)) == bar, k, own_L))
  return np.array(bars), np.array(rows)


def other_attributes(own_A, names: tuple[str, ...]) -> np.ndarray:
  """The ids of all attributes, one of them another one: (R, A)."""
  changes = [(a, i) for a, name in enumerate(names) for i in range(1, num_ids(name))]
  changes = [(a, i) for a, i in changes if 0 < own_A[a] != i]
  rows = [np.where(np.arange(len(own_A)) == a, i, own_A) for a, i in changes]
  return np.array(rows, int).reshape(-1, len(own_A))


def instead(own: dict[str, np.ndarray], part: str, ids_RxX: np.ndarray) -> dict[str, np.ndarray]:
  """What is said of a roll with each of these in the place of one part of it."""
  num = len(ids_RxX)
  return {name: ids_RxX if name == part else np.tile(x_X, (num, 1)) for name, x_X in own.items()}


def in_batches(score, said: dict[str, np.ndarray]) -> np.ndarray:
  """Nats of a roll of which this or that is said, (R,), AT_A_TIME at a time."""
  num = len(said[ATTRIBUTES])
  # The last ones are scored again to fill the last batch.
  index = np.minimum(np.arange(-(-num // AT_A_TIME) * AT_A_TIME), num - 1).reshape(-1, AT_A_TIME)
  nats = [
    np.asarray(score({name: x_RxX[each] for name, x_RxX in said.items()}), np.float64)
    for each in index
  ]
  return np.concatenate([np.zeros(0), *nats])[:num]


def main(_):
  trained = load(_CHECKPOINT.value, data_parallel(jax.devices()[:1]))
  config = trained.model.config
  if not config.repeats:
    raise UserError(f'--checkpoint={_CHECKPOINT.value}: the model says no form')
  names = config.attributes
  songs = read_songs(setting.DATA.value, 'valid', trained.config.data.in_c)
  inputs = config.codec, trained.config.data.crop_steps, config.halo, names
  crops = [crop for crop in pipeline.windows(songs, *inputs) if crop.valid_T.all()]
  crops = crops[:: max(len(crops) // _EXCERPTS.value, 1)][: _EXCERPTS.value]
  batches = list(pipeline.batched(crops, 1))
  capacities = needed_capacities(config, batches)

  @jax.jit
  @functools.partial(jax.vmap, in_axes=(None, None, 0))
  def score(params, crop_1, said):
    crop_1 = crop_1._replace(attributes_A=said[ATTRIBUTES][None])
    of_bars = {name: said[name][None] for name in said if name != ATTRIBUTES}
    losses = trained.model.apply(params, crop_1, False, capacities, of_bars)
    return sum(loss.nats for loss in losses)

  all_of = jax.jit(probable, static_argnums=0)
  total, notes, less = 0.0, 0, collections.Counter()
  for crop_1 in tqdm(batches, unit='excerpt'):
    own, logps = jax.tree.map(np.asarray, all_of(trained.model, trained.params, crop_1))
    own[ATTRIBUTES] = crop_1.attributes_A[0]
    nats_of = functools.partial(in_batches, functools.partial(score, trained.params, crop_1))
    nats = float(nats_of({name: x_X[None] for name, x_X in own.items()})[0])
    for part, logp_LxK in logps.items():
      bar_R, ids_RxL = others(own[part], logp_LxK, _OTHERS.value)
      more_R = np.exp(nats - nats_of(instead(own, part, ids_RxL)))
      less[part] += np.log1p(np.bincount(bar_R, more_R)).sum()
    ids_RxA = other_attributes(own[ATTRIBUTES], names)
    more_R = np.exp(nats - nats_of(instead(own, ATTRIBUTES, ids_RxA)))
    less[ATTRIBUTES] += np.log1p(more_R.sum())
    total, notes = total + nats, notes + int(num_notes(crop_1, config.codec))
  bits = 1 / np.log(2) / notes
  setting.report(
    benchmark='bound', step=trained.step, excerpts=len(crops), others=_OTHERS.value,
    bits_per_note=total * bits, less={part: nats * bits for part, nats in less.items()},
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
