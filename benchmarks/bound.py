"""How near a bound is: what notes leave open of their form, and of the attributes.

A model that says the form first is scored by -log p(notes, form), with the form that the notes have
themselves. The other ones, summed up, give the likelihood of the notes alone. Here every bar is
scored with the most probable others, one at a time, and summed up as if it told no other bar.
All hear the attributes: here each of these is changed to all its other values, one at a time.
Prints the bits a note of some excerpts of the valid songs, and how many less they are with the
other forms and with the other attributes.

python -m benchmarks.bound --checkpoint=runs/bars_small --data=data/pop909
"""

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
from fractaljax.model.form import form_of
from fractaljax.model.fractal import Fractal
from fractaljax.model.nats import NEVER
from fractaljax.model.region import whole_roll
from fractaljax.music.attributes import num_ids
from fractaljax.music.crop import Crop
from fractaljax.training.likelihood import needed_capacities
from fractaljax.training.step import num_notes
from fractaljax.training.trained import load

_CHECKPOINT = flags.DEFINE_string('checkpoint', 'runs/bars_small', 'folder of a training run')
_EXCERPTS = flags.DEFINE_integer('excerpts', 8, 'how many, evenly among all', lower_bound=1)
_OTHERS = flags.DEFINE_integer('others', 4, 'other forms of each bar', lower_bound=1)
AT_A_TIME = 4


def probable_forms(model: Fractal, params, crop_1: Crop):
  """The form of an excerpt, (L,), log probabilities of all that its bars might have, (L, K)."""
  region = whole_roll(crop_1, model.config)
  logits_1xLxK = model.apply(params, region, method='form_logits')
  return form_of(region, model.config)[0], jax.nn.log_softmax(logits_1xLxK[0])


def others(own_L, logp_LxK, num: int) -> tuple[np.ndarray, np.ndarray]:
  """Bars, and for each the form of all bars if it has another one: (R,), (R, L)."""
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


def in_batches(score, form_RxL: np.ndarray, ids_RxA: np.ndarray) -> np.ndarray:
  """Nats of a roll with each of the forms and attributes, (R,), AT_A_TIME at a time."""
  num = len(form_RxL)
  # The last ones are scored again to fill the last batch.
  index = np.minimum(np.arange(-(-num // AT_A_TIME) * AT_A_TIME), num - 1).reshape(-1, AT_A_TIME)
  nats = [np.asarray(score(form_RxL[each], ids_RxA[each]), np.float64) for each in index]
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
  @functools.partial(jax.vmap, in_axes=(None, None, 0, 0))
  def score(params, crop_1, form_L, ids_A):
    crop_1 = crop_1._replace(attributes_A=ids_A[None])
    losses = trained.model.apply(params, crop_1, False, capacities, form_L[None])
    return sum(loss.nats for loss in losses)

  forms = jax.jit(probable_forms, static_argnums=0)
  total, less_2, notes = 0.0, np.zeros(2), 0
  for crop_1 in tqdm(batches, unit='excerpt'):
    own_L, logp_LxK = map(np.asarray, forms(trained.model, trained.params, crop_1))
    nats_of = functools.partial(in_batches, functools.partial(score, trained.params, crop_1))
    own_A = crop_1.attributes_A[0]
    own = float(nats_of(own_L[None], own_A[None])[0])
    bar_R, form_RxL = others(own_L, logp_LxK, _OTHERS.value)
    more_R = np.exp(own - nats_of(form_RxL, np.tile(own_A, (len(bar_R), 1))))
    less_2[0] += np.log1p(np.bincount(bar_R, more_R)).sum()
    ids_RxA = other_attributes(own_A, names)
    more_R = np.exp(own - nats_of(np.tile(own_L, (len(ids_RxA), 1)), ids_RxA))
    less_2[1] += np.log1p(more_R.sum())
    total, notes = total + own, notes + int(num_notes(crop_1, config.codec))
  less, less_by_attributes = less_2 / np.log(2) / notes
  setting.report(
    benchmark='bound', step=trained.step, excerpts=len(crops), others=_OTHERS.value,
    bits_per_note=total / np.log(2) / notes, less=less, less_by_attributes=less_by_attributes,
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
