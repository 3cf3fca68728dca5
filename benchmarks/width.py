"""Training steps a second and peak memory against width and batch.

All levels of a config are scaled so that the first has the width in question.

python -m benchmarks.width --config=configs/small.py --data=data/pop909
"""

import itertools

from absl import flags
from ml_collections import ConfigDict, config_flags

from benchmarks import setting
from fractaljax import command

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/small.py', 'what to train')
_WIDTHS = flags.DEFINE_list('widths', '128,256,512,1024', 'of the first level')
_BATCHES = flags.DEFINE_list('batches', '1,2,4', 'crops a step')
_STEPS = flags.DEFINE_integer('steps', 4, 'timed steps', lower_bound=1)


def scaled(config: ConfigDict, width: int, batch_size: int) -> ConfigDict:
  """The config with another width of the first level, the others in proportion."""
  config = config.copy_and_resolve_references()
  first = config.model.widths[0]
  config.model.widths = tuple(w * width // first for w in config.model.widths)
  config.data.batch_size = batch_size
  return config


def main(_):
  for width, batch_size in itertools.product(map(int, _WIDTHS.value), map(int, _BATCHES.value)):
    config = scaled(_CONFIG.value, width, batch_size)
    batches = setting.batches(config, _STEPS.value + 1)
    program, state, _ = setting.prepare_step(config, batches[0])
    seconds, _ = setting.median_update(program, state, batches)
    setting.report(
      benchmark='width', width=width, batch=batch_size, steps_per_second=1 / seconds,
      crops_per_second=batch_size / seconds, gbytes=setting.memory_bytes(program) / 1e9,
      gflop=program.cost_analysis()['flops'] / 1e9,
    )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
