"""The seed's 128 x 512 model: square patches 16, 4, 1, all masked, at the seed's sizes.

Widths 512, 256, 128 and a value head of 64; 12, 3, 2 blocks and 1 hidden layer.

Prepare the songs first:
           python -m fractaljax.prepare --input=POP909 --output=data/pop909
Command:   python -m fractaljax.main --config=configs/w512.py --workdir=runs/w512 \
             --config.data.directory=data/pop909
Hardware:  one GPU; any number of devices that divides the batch of 32
Result:    not trained yet
"""

from ml_collections import ConfigDict

from fractaljax.config import base, set_square


def get_config() -> ConfigDict:
  config = base()
  set_square(config.model)
  config.num_steps = 50_000
  config.data.crop_steps = 512
  config.data.batch_size = 32
  config.model.widths = (512, 256, 128)
  config.model.depths = (12, 3, 2)
  config.model.heads = (8, 4, 2)
  config.model.head_width = 64
  config.model.dtype = 'bfloat16'
  config.optimizer.learning_rate = 4e-4
  config.optimizer.warmup_steps = 1_000
  return config
