"""The musical hierarchy at a size for two CPU cores: bars, steps, registers, pitches.

Time-causal. Songs say first what they are like, which bars repeat which, how dense each is, how
high it goes, how much of the bars 4 and 8 before returns and what chord it has, so that the
likelihood is a bound. Prepare the songs first:
           python -m fractaljax.prepare --input=POP909 --output=data/pop909
Command:   python -m fractaljax.main --config=configs/bars_small.py --workdir=runs/bars_small \
             --config.data.directory=data/pop909
Hardware:  two cores of an AMD EPYC; 83 minutes in three sittings, some beside tests
Result:    POP909 in C, <= 7.29 bits a note on the valid songs (when and what 3.39, how long 1.04,
           how loud 2.87); 200 samples of 512 steps beside their first 32 bars: notes a bar 19.5
           (songs 18.6), notes a second 6.07 (6.05), velocity std 13.4 (14.8), pitch std 9.9
           (10.0), notes in the best key 98.1 % (97.6 %), self-similarity at 8 bars 0.20 (0.19), at
           4 bars 0.17 (0.21)
           (python -m benchmarks.samples --checkpoint=runs/bars_small --data=data/pop909)
"""

from ml_collections import ConfigDict

from fractaljax.config import base


def get_config() -> ConfigDict:
  config = base()
  config.num_steps = 8_000
  config.data.in_c = True
  config.data.transpose = (0, 0)
  config.data.batch_size = 1
  config.data.beginnings = 0.3
  # Six octaves from C1: 0.07 % of the notes lie outside. A register is an octave.
  config.model.low_pitch, config.model.num_pitches = 24, 72
  config.model.patches = ((72, 16), (72, 1), (12, 1), (1, 1))
  config.model.capacities = (1.0, 1.0, 0.52)
  config.model.widths = (160, 160, 96, 64)
  config.model.depths = (2, 4, 2, 1)
  config.model.heads = (5, 5, 3, 2)
  config.model.dropout = 0.1
  config.model.halo_pitches, config.model.chord_pitches = 12, 36
  config.model.echoes, config.model.matches = (64, 128), 1  # 4 and 8 bars before
  config.model.repeats = 31  # bars
  config.model.densities = (1, 9, 13, 17, 21, 25, 31)  # notes of a bar
  config.model.tops = (68, 72, 75, 78, 82, 86, 90)  # the highest of them
  config.model.returns = config.model.chords = True
  config.model.attributes = (
    'tempo', 'density', 'loudness', 'dynamics', 'top', 'sixteenths', 'chromaticism',
    'repetition',
  )  # fmt: skip
  config.optimizer.learning_rate = 2e-3
  config.optimizer.b2 = 0.99  # an update is of one crop, and rare values are many updates apart
  config.optimizer.ema_decay = 0.998
  config.eval_every = 2_000
  return config
