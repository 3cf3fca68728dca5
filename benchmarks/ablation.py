"""What each part of the model is worth: the same training with one part changed.

Trains every variant on the same crops of one polyphonic benchmark for the same number of updates,
and scores the valid sequences whole. One JSON line a variant, with the CPU seconds of an update.

python -m benchmarks.ablation --dataset=jsb --updates=400
"""

import functools
import itertools
import time
from unittest import mock

import jax
import numpy as np
from absl import flags
from tqdm import tqdm

from benchmarks import setting
from configs import polyphonic
from fractaljax import command
from fractaljax.data import pipeline
from fractaljax.data.records import Songs
from fractaljax.mesh import data_parallel
from fractaljax.model import split
from fractaljax.model.rope import rope_table
from fractaljax.model.trunk import num_parameters
from fractaljax.training.likelihood import needed_capacities, score_batches
from fractaljax.training.optimizer import make_optimizer

VARIANTS = {
  'as it is': {},
  'no gate': {'gate': False},
  'no halo': {'halo': 0, 'halo_pitches': 0},
  'halo without the pitches around': {'halo_pitches': 0},
  'halo of 8 steps': {'halo': 8},
  'halo of 32 steps': {'halo': 32},
  'two levels: steps, keys': {
    'patches': ((88, 1), (1, 1)), 'generators': ('ar', 'ar'), 'capacities': (1.0,),
    'widths': (160, 64), 'depths': (3, 2), 'heads': (5, 2), 'iterations': (1, 1),
  },
  'four levels: bars of 4 steps first': {
    'patches': ((88, 4), (88, 1), (11, 1), (1, 1)), 'generators': ('ar',) * 4,
    'capacities': (1.0, 1.0, 0.5), 'widths': (160, 160, 96, 64), 'depths': (2, 2, 2, 1),
    'heads': (5, 5, 3, 2), 'iterations': (1,) * 4,
  },
  'no QK-norm': {'qk_norm': False},
  'learned positions alone, no RoPE': {},
  'span of 16 steps': {'span': 16},
}  # fmt: skip
_DATASET = flags.DEFINE_enum('dataset', 'jsb', list(polyphonic.DATASETS), 'which')
_UPDATES = flags.DEFINE_integer('updates', 400, 'of each variant', lower_bound=10)
_VARIANTS = flags.DEFINE_multi_string('variant', list(VARIANTS), 'by name; all by default')


def unrotated(*args, **kwargs):
  """In place of `rope_table`: no position turns anything."""
  rope = rope_table(*args, **kwargs)
  return rope._replace(cos_LxF=rope.cos_LxF * 0 + 1, sin_LxF=rope.sin_LxF * 0)


def run(name: str):
  """Trains and scores a variant; prints its line."""
  config = polyphonic.get_config(_DATASET.value)
  config.model.update(VARIANTS[name])
  config.optimizer.ema_decay = 0.99
  model, placement = setting.build(config), data_parallel(jax.devices()[:1])
  optimizer = make_optimizer(config.optimizer, _UPDATES.value)
  data, c = config.data, model.config
  stream = pipeline.training_batches(
    Songs(setting.DATA.value, 'train'), c.codec, data.batch_size, data.crop_steps, c.halo,
    data.transpose, c.attributes, config.seed,
  )  # fmt: skip
  first = next(stream)
  state = setting.initial_state(model, optimizer, first)
  program = (
    setting.update(model, optimizer, config.optimizer.ema_decay).lower(state, first).compile()
  )
  spent = []
  for batch in tqdm(itertools.islice(stream, _UPDATES.value), name, total=_UPDATES.value):
    began = time.process_time()
    state, _ = jax.block_until_ready(program(state, batch))
    spent.append(time.process_time() - began)
  valid = Songs(setting.DATA.value, 'valid')
  batches = functools.partial(
    pipeline.whole_songs, valid, c.codec, data.crop_steps, 1, c.halo, c.attributes
  )
  found = score_batches(
    model, state.ema, batches(), needed_capacities(c, batches()), config.seed, placement
  )
  setting.report(
    benchmark='ablation', dataset=_DATASET.value, variant=name, valid=found.nats_per_step,
    by_level=[round(nats / found.num_steps, 4) for nats in found.nats_by_level],
    updates=_UPDATES.value, cpu_seconds=float(np.median(spent)),
    parameters=num_parameters(state.params), seed=config.seed,
  )  # fmt: skip


def main(_):
  for name in _VARIANTS.value:
    rope = unrotated if 'no RoPE' in name else rope_table
    with mock.patch.object(split, 'rope_table', rope):
      run(name)


if __name__ == '__main__':
  command.run(main)
