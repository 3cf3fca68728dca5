"""Seconds to trace and compile the training step of every config, on one device.

python -m benchmarks.compile_time --data=data/pop909
"""

import importlib
import time
from pathlib import Path

from absl import flags

from benchmarks import setting
from fractaljax import command
from fractaljax.training.optimizer import make_optimizer

_CONFIGS = flags.DEFINE_list(
  'configs', sorted(p.stem for p in Path('configs').glob('*.py')), 'files of configs/'
)


def main(_):
  for name in _CONFIGS.value:
    config = importlib.import_module(f'configs.{name}').get_config()
    model, optimizer = setting.build(config), make_optimizer(config.optimizer, config.num_steps)
    batch, state = setting.batches(config, 1)[0], setting.state_shapes(model, optimizer)
    began = time.perf_counter()
    lowered = setting.update(config, model, optimizer).lower(state, batch)
    traced = time.perf_counter()
    compiled = lowered.compile()
    setting.report(
      benchmark='compile_time',
      config=name,
      trace_seconds=traced - began,
      compile_seconds=time.perf_counter() - traced,
      gflop=compiled.cost_analysis().get('flops', 0) / 1e9,
    )


if __name__ == '__main__':
  command.run(main)
