"""Seconds to trace and compile the training step of every config, on one device.

python -m benchmarks.compile_time --data=data/pop909
"""

import functools
import importlib
import time
from pathlib import Path

import jax
from absl import flags

from benchmarks import setting
from fractaljax import command
from fractaljax.data.pipeline import empty_batch
from fractaljax.training.optimizer import make_optimizer
from fractaljax.training.state import init_state

_CONFIGS = flags.DEFINE_list(
  'configs', sorted(p.stem for p in Path('configs').glob('*.py')), 'files of configs/'
)


def main(_):
  for name in _CONFIGS.value:
    config = importlib.import_module(f'configs.{name}').get_config()
    model, optimizer = setting.build(config), make_optimizer(config.optimizer, config.num_steps)
    c = model.config
    one = empty_batch(c.codec, config.data.crop_steps, c.halo, c.attributes)
    batch = jax.tree.map(
      lambda x, n=config.data.batch_size: jax.ShapeDtypeStruct((n, *x.shape[1:]), x.dtype), one
    )
    state = jax.eval_shape(functools.partial(init_state, model, optimizer, seed=0), one)
    began = time.perf_counter()
    lowered = setting.update(model, optimizer).lower(state, batch)
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
