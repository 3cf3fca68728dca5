"""The musical hierarchy, for a GPU: bars, steps, registers, pitches. Time-causal; a bound.

Prepare the songs first:
           python -m fractaljax.prepare --input=POP909 --output=data/pop909
Command:   python -m fractaljax.main --config=configs/bars.py --workdir=runs/bars \
             --config.data.directory=data/pop909
Hardware:  one GPU; any number of devices that divides the batch of 32
Result:    not trained yet; the same hierarchy at a smaller size is configs/bars_small.py
"""

from ml_collections import ConfigDict

from fractaljax.config import base


def get_config() -> ConfigDict:
  config = base()
  config.num_steps = 30_000
  config.data.batch_size = 32
  config.data.beginnings = 0.3
  config.model.widths = (512, 512, 256, 128)
  config.model.depths = (4, 8, 3, 2)
  config.model.heads = (8, 8, 4, 4)
  config.model.halo_pitches, config.model.chord_pitches = 12, 36
  config.model.echoes, config.model.matches = (64, 128), 1  # 4 and 8 bars before
  config.model.repeats = 31  # bars
  config.model.densities = (1, 9, 13, 17, 21, 25, 31)  # notes of a bar
  config.model.tops = (68, 72, 75, 78, 82, 86, 90)  # the highest of them
  config.model.returns = config.model.chords = True
  config.model.attributes = (
    'key', 'density', 'loudness', 'dynamics', 'top', 'sixteenths', 'chromaticism',
    'repetition',
  )  # fmt: skip
  config.model.dtype = 'bfloat16'
  config.optimizer.learning_rate = 6e-4
  config.optimizer.warmup_steps = 1_000
  return config
