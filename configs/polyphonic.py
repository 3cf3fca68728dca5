"""The polyphonic benchmarks of Boulanger-Lewandowski et al. (ICML 2012): 88 keys, on or off.

An exact, time-causal model: steps, registers of 11 keys, keys. Every key sees the 16 steps before
it, an octave around, and the keys below it at its own step, one octave or three, by interval.

Command:   python benchmarks/polyphonic.py --dataset=nottingham
           (or --config=configs/polyphonic.py:nottingham with fractaljax.main, on prepared songs)
Hardware:  one core of an AMD EPYC, 14 to 26 minutes
Result:    nats a step of the valid sequences: JSB 5.15, Nottingham 1.81, MuseData 5.32,
           Piano-midi 6.36, after 1,200 to 2,500 updates; see RESULTS.md
"""

from ml_collections import ConfigDict

from fractaljax.config import base
from fractaljax.errors import UserError

EVALUATIONS = 12  # in a run
# Updates at most, steps in a crop, dropout, hidden cells, semitones: more of these for fewer songs;
# then the pitches below a key that it sees at its own step.
DATASETS = {
  'jsb': (1_600, 64, 0.2, 0.15, (-5, 6), 36),
  'nottingham': (8_000, 128, 0.05, 0.0, (0, 0), 12),
  'musedata': (8_000, 128, 0.0, 0.0, (0, 0), 12),
  'piano_midi': (3_000, 128, 0.1, 0.05, (-5, 6), 12),
}


def get_config(dataset: str = 'jsb') -> ConfigDict:
  if dataset not in DATASETS:
    raise UserError(f'no benchmark {dataset!r} in configs/polyphonic.py; one of {list(DATASETS)}')
  config = base()
  config.num_steps, crop_steps, dropout, hide, semitones, chord_pitches = DATASETS[dataset]
  config.data.transpose = semitones
  config.data.crop_steps, config.data.batch_size = crop_steps, 512 // crop_steps
  model = config.model
  model.dropout, model.hide = dropout, hide
  model.codec, model.low_pitch, model.num_pitches = 'binary', 21, 88
  model.patches = ((88, 1), (11, 1), (1, 1))
  model.generators = ('ar', 'ar', 'ar')
  model.widths, model.depths, model.heads = (160, 96, 64), (3, 2, 1), (5, 3, 2)
  model.capacities = (1.0, 0.36)  # of 8 octaves of a step; 0.28 to 0.33 are occupied on average
  model.iterations = (1, 1, 1)
  model.span = crop_steps
  model.halo, model.halo_pitches, model.chord_pitches = 16, 12, chord_pitches
  config.optimizer.learning_rate = 3e-3
  config.optimizer.ema_decay = 0.998
  config.eval_crops = 64
  config.eval_temperatures = ()
  config.eval_every = config.checkpoint_every = config.num_steps // EVALUATIONS
  return config
