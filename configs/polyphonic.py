"""The polyphonic benchmarks of Boulanger-Lewandowski et al. (ICML 2012): 88 keys, on or off.

An exact, time-causal model: steps, registers of 11 keys, keys. Every key sees the 16 steps before
it, an octave around, the three octaves below at its own step, and what followed the two passages
most like the one before it, all by interval.

Command:   python benchmarks/polyphonic.py --dataset=nottingham
           (or --config=configs/polyphonic.py:nottingham with fractaljax.main, on prepared songs)
Hardware:  one core of an AMD EPYC, 23 to 72 minutes
Result:    nats a step of the valid sequences: JSB 4.76, Nottingham 1.02, MuseData 4.17,
           Piano-midi 4.84, after 1,500 to 2,800 updates (the first two by an earlier model of
           1.76M parameters, these have 2.26M); see RESULTS.md
"""

from ml_collections import ConfigDict

from fractaljax.config import base
from fractaljax.errors import UserError

EVALUATIONS = 12  # in a run
# What songs differ in: where there are fewer, they are varied and hidden more. Crops are as long as
# songs repeat themselves, for matches. Updates are at most.
DATASETS = {
  'jsb': dict(
    updates=1_500, crop_steps=64, transpose=(-5, 6), dropout=0.2, hide=0.1, weight_decay=0.5
  ),
  'nottingham': dict(
    updates=2_500, crop_steps=256, transpose=(0, 0), dropout=0.05, hide=0.0, weight_decay=0.05
  ),
  'musedata': dict(
    updates=2_800, crop_steps=512, transpose=(0, 0), dropout=0.0, hide=0.0, weight_decay=0.05
  ),
  'piano_midi': dict(
    updates=2_400, crop_steps=512, transpose=(-5, 6), dropout=0.1, hide=0.05, weight_decay=0.05
  ),
}  # fmt: skip


def get_config(dataset: str = 'jsb') -> ConfigDict:
  if dataset not in DATASETS:
    raise UserError(f'no benchmark {dataset!r} in configs/polyphonic.py; one of {list(DATASETS)}')
  songs = DATASETS[dataset]
  config = base()
  config.num_steps, config.data.crop_steps = songs['updates'], songs['crop_steps']
  config.data.batch_size = 512 // songs['crop_steps']
  config.data.transpose = songs['transpose']
  model = config.model
  model.dropout, model.hide = songs['dropout'], songs['hide']
  model.codec, model.low_pitch, model.num_pitches = 'binary', 21, 88
  model.patches = ((88, 1), (11, 1), (1, 1))
  model.generators = ('ar', 'ar', 'ar')
  model.widths, model.depths, model.heads = (160, 96, 64), (3, 2, 1), (5, 3, 2)
  model.capacities = (1.0, 0.36)  # of 8 registers a step; 0.28 to 0.33 are occupied on average
  model.iterations = (1, 1, 1)
  model.span = songs['crop_steps']
  model.halo, model.halo_pitches, model.chord_pitches, model.matches = 16, 12, 36, 2
  config.optimizer.learning_rate = 3e-3
  config.optimizer.clip_norm = 1.0
  if config.data.batch_size == 1:  # gradients of single crops, of norms of 5 to 30, differ more
    config.optimizer.b2, config.optimizer.clip_norm = 0.99, 64.0
  config.optimizer.weight_decay = songs['weight_decay']
  config.optimizer.ema_decay = 0.998
  config.eval_crops = 64
  config.eval_temperatures = ()
  config.eval_every = config.checkpoint_every = config.num_steps // EVALUATIONS
  return config
