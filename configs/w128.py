"""The seed's 128 x 128 model: that of w512 on crops of 8 bars.

Prepare the songs first:
           python -m fractaljax.prepare --input=POP909 --output=data/pop909
Command:   python -m fractaljax.main --config=configs/w128.py --workdir=runs/w128 \
             --config.data.directory=data/pop909
Hardware:  one GPU; any number of devices that divides the batch of 64
Result:    not trained yet
"""

from ml_collections import ConfigDict

from configs import w512


def get_config() -> ConfigDict:
  config = w512.get_config()
  config.data.crop_steps = 128
  config.data.batch_size = 64
  return config
