"""A small model of the built-in corpus, in C: music from a bare laptop in minutes.

Command:   make demo
           (or python -m fractaljax.main --config=configs/demo.py --workdir=runs/demo)
Hardware:  2 CPU cores of an AMD EPYC, 6 minutes
Result:    <= 2.77 bits a note on valid songs (3.63 without a form); 8 samples of 512 steps beside
           them: notes a bar 13.9 (songs 13.9), notes in the best key 96.7 % (98.5 %),
           self-similarity at 4 bars 0.30 (0.30; 0.07 without a form) (python -m benchmarks.samples
           --checkpoint=runs/demo --data=runs/demo/corpus_1000_0 --num=8)
"""

from ml_collections import ConfigDict

from fractaljax.config import base


def get_config() -> ConfigDict:
  config = base()
  config.num_steps = 900
  config.data.corpus_songs = 1_000
  config.data.in_c = True
  config.data.transpose = (0, 0)
  config.data.crop_steps = 256
  config.data.batch_size = 2
  config.model.widths = (128, 128, 96, 64)
  config.model.depths = (2, 3, 1, 1)
  config.model.heads = (4, 4, 3, 2)
  config.model.dropout = 0.0
  config.model.repeats = 15  # bars
  config.model.densities = (1, 9, 13, 17, 21, 25, 31)  # notes of a bar
  config.optimizer.learning_rate = 2e-3
  config.optimizer.ema_decay = 0.99
  config.log_every = 25
  config.eval_every = 900
  config.checkpoint_every = 300
  config.eval_crops = 16
  config.eval_temperatures = (1.0,)
  return config
