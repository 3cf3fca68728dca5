"""What each part of the model is worth: the same training with one part changed.

Trains every variant on the same crops of one polyphonic benchmark for the same number of updates,
and scores the valid sequences whole. One JSON line a variant, with the FLOPs (XLA's count) and the
CPU seconds of an update.

python -m benchmarks.ablation --dataset=jsb --data=runs/jsb/songs --updates=400
"""

from unittest import mock

import jax
from absl import flags

from benchmarks import setting, variant
from configs import polyphonic
from fractaljax import command
from fractaljax.data.records import Songs
from fractaljax.model import split
from fractaljax.model.rope import rope_table
from fractaljax.model.trunk import num_parameters

VARIANTS = {
  'as it is': {},
  'no gate': {'gate': False},
  'no matches': {'matches': 0},
  'chords of an octave': {'chord_pitches': 12},
  'no halo': {'halo': 0, 'halo_pitches': 0, 'matches': 0},
  'halo without the pitches around': {'halo_pitches': 0},
  'halo of 8 steps': {'halo': 8},
  'halo of 32 steps': {'halo': 32},
  'two levels: steps, keys': {
    'patches': ((88, 1), (1, 1)), 'generators': ('ar', 'ar'), 'capacities': (1.0,),
    'widths': (160, 64), 'depths': (3, 2), 'heads': (5, 2), 'iterations': (1, 1),
  },
  'four levels: bars of 4 steps first': {
    'patches': ((88, 4), (88, 1), (11, 1), (1, 1)), 'generators': ('ar',) * 4,
    'capacities': (1.0, 1.0, 0.36), 'widths': (160, 160, 96, 64), 'depths': (2, 2, 2, 1),
    'heads': (5, 5, 3, 2), 'iterations': (1,) * 4,
  },
  'no QK-norm': {'qk_norm': False},
  'learned positions alone, no RoPE': {},
  'span of 16 steps': {'span': 16},
}  # fmt: skip
_DATASET = flags.DEFINE_enum('dataset', 'jsb', list(polyphonic.DATASETS), 'which')
_UPDATES = flags.DEFINE_integer('updates', 400, 'of each variant', lower_bound=10)
_SEED = flags.DEFINE_integer('seed', 0, 'of parameters, crops and dropout')
_VARIANTS = flags.DEFINE_multi_string('variant', list(VARIANTS), 'by name; all by default')


def unrotated(*args, **kwargs):
  """In place of `rope_table`: no position turns anything."""
  rope = rope_table(*args, **kwargs)
  return rope._replace(cos_LxF=rope.cos_LxF * 0 + 1, sin_LxF=rope.sin_LxF * 0)


def run(name: str):
  """Trains and scores a variant; prints its line."""
  config = polyphonic.get_config(_DATASET.value)
  config.model.update(VARIANTS[name])
  config.optimizer.ema_decay, config.seed = 0.99, _SEED.value
  trained, cost = variant.train(config, name, _UPDATES.value)
  found = trained.score(Songs(setting.DATA.value, 'valid'))
  setting.report(
    benchmark='ablation', dataset=_DATASET.value, variant=name, valid=found.nats_per_step,
    by_level=[round(nats / found.num_steps, 4) for nats in found.nats_by_level],
    **cost._asdict(), parameters=num_parameters(trained.params), seed=config.seed,
  )  # fmt: skip


def main(_):
  for name in _VARIANTS.value:
    rope = unrotated if 'no RoPE' in name else rope_table
    jax.clear_caches()  # Programs with and without RoPE are of equal models.
    with mock.patch.object(split, 'rope_table', rope):
      run(name)


if __name__ == '__main__':
  command.run(main)
