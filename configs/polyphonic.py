"""The polyphonic benchmarks of Boulanger-Lewandowski et al. (ICML 2012): 88 keys, on or off.

An exact, time-causal model: steps, octaves of 11 keys, keys. Every key sees the 16 steps before it
and the keys below it at its own step, an octave around, by interval.

Command:   python benchmarks/polyphonic.py --dataset=jsb
           (or --config=configs/polyphonic.py:jsb with fractaljax.main, on prepared songs)
"""

from ml_collections import ConfigDict

from fractaljax.config import base

# Updates at most, steps in a crop, dropout
EVALUATIONS = 12
DATASETS = {
  'jsb': (4_000, 64, 0.2),
  'nottingham': (6_000, 128, 0.1),
  'musedata': (6_000, 128, 0.05),
  'piano_midi': (6_000, 128, 0.1),
}


def get_config(dataset: str = 'jsb') -> ConfigDict:
  config = base()
  config.num_steps, config.data.crop_steps, config.model.dropout = DATASETS[dataset]
  config.data.batch_size = 512 // config.data.crop_steps
  config.data.transpose = (0, 0)
  model = config.model
  model.codec, model.low_pitch, model.num_pitches = 'binary', 21, 88
  model.patches = ((88, 1), (11, 1), (1, 1))
  model.generators = ('ar', 'ar', 'ar')
  model.widths, model.depths, model.heads = (160, 96, 64), (3, 2, 1), (5, 3, 2)
  model.capacities = (1.0, 0.5)
  model.iterations = (1, 1, 1)
  model.span = config.data.crop_steps
  model.halo, model.halo_pitches = 16, 12
  config.optimizer.learning_rate = 2e-3
  config.optimizer.ema_decay = 0.998
  config.eval_crops = 64
  config.eval_temperatures = ()
  config.eval_every = config.checkpoint_every = config.num_steps // EVALUATIONS
  return config
