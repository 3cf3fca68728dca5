"""How near a bound is: what notes leave open of their form, their chords and the attributes.

A model that says the form first is scored by -log p(notes, form), with the form that the notes have
themselves. The other ones, summed up, give the likelihood of the notes alone. Here every bar is
scored with the most probable others, one at a time, and summed up as if it told no other bar; and
so it is with the most probable other chords. All hear the attributes: here each of these is changed
to all its other values, one at a time. Prints the bits a note of some excerpts of the valid songs,
and how many less they are with the other forms, chords and attributes.

python -m benchmarks.bound --checkpoint=runs/bars_small --data=data/pop909
"""

import functools

import jax
import jax.numpy as jnp
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
_OTHERS = flags.DEFINE_integer('others', 4, 'other forms and chords of a bar', lower_bound=1)
AT_A_TIME = 4


def probable(model: Fractal, params, crop_1: Crop):
  """The form of an excerpt and its chords, two (L,), and log probabilities of all, two (L, K).

  Without a harmony there are no chords, and none could be others.
  """
  region = whole_roll(crop_1, model.config)
  own = [form_of(region, model.config)[0], jnp.zeros(region.repeat_NxL.shape[1], int)]
  logits = [model.apply(params, region, method='form_logits')[0], jnp.zeros((len(own[1]), 1))]
  if model.config.chords:
    own[1] = region.chord_NxL[0]
    logits[1] = model.apply(params, region, method='harmony_logits')[0]
  return own, [jax.nn.log_softmax(logits_LxK) for logits_LxK in logits]


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


def instead(own: list[np.ndarray], part: int, ids_RxX: np.ndarray) -> list[np.ndarray]:
  """What is said of a roll with each of these in the place of one part of it."""
  return [ids_RxX if i == part else np.tile(x_X, (len(ids_RxX), 1)) for i, x_X in enumerate(own)]


def in_batches(score, form_RxL, chord_RxL, ids_RxA) -> np.ndarray:
  """Nats of a roll with each of these forms, chords and attributes, (R,), AT_A_TIME at a time."""
  num = len(form_RxL)
  # The last ones are scored again to fill the last batch.
  index = np.minimum(np.arange(-(-num // AT_A_TIME) * AT_A_TIME), num - 1).reshape(-1, AT_A_TIME)
  nats = [
    np.asarray(score(form_RxL[each], chord_RxL[each], ids_RxA[each]), np.float64) for each in index
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
  @functools.partial(jax.vmap, in_axes=(None, None, 0, 0, 0))
  def score(params, crop_1, form_L, chord_L, ids_A):
    crop_1 = crop_1._replace(attributes_A=ids_A[None])
    chord_1xL = chord_L[None] if config.chords else None
    losses = trained.model.apply(params, crop_1, False, capacities, form_L[None], chord_1xL)
    return sum(loss.nats for loss in losses)

  all_of = jax.jit(probable, static_argnums=0)
  total, less_3, notes = 0.0, np.zeros(3), 0
  for crop_1 in tqdm(batches, unit='excerpt'):
    own, logps = jax.tree.map(np.asarray, all_of(trained.model, trained.params, crop_1))
    own = [*own, crop_1.attributes_A[0]]
    nats_of = functools.partial(in_batches, functools.partial(score, trained.params, crop_1))
    nats = float(nats_of(*(x_X[None] for x_X in own))[0])
    for part, logp_LxK in enumerate(logps):
      bar_R, ids_RxL = others(own[part], logp_LxK, _OTHERS.value)
      more_R = np.exp(nats - nats_of(*instead(own, part, ids_RxL)))
      less_3[part] += np.log1p(np.bincount(bar_R, more_R)).sum()
    more_R = np.exp(nats - nats_of(*instead(own, 2, other_attributes(own[2], names))))
    less_3[2] += np.log1p(more_R.sum())
    total, notes = total + nats, notes + int(num_notes(crop_1, config.codec))
  less, less_by_chords, less_by_attributes = less_3 / np.log(2) / notes
  setting.report(
    benchmark='bound', step=trained.step, excerpts=len(crops), others=_OTHERS.value,
    bits_per_note=total / np.log(2) / notes, less=less, less_by_chords=less_by_chords,
    less_by_attributes=less_by_attributes,
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
