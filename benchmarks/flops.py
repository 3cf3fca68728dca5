"""FLOPs, memory and model FLOPs utilisation (MFU) of the training step of every config.

FLOPs and bytes are XLA's own count of the compiled step. The MFU is FLOPs over seconds over what a
large matrix product reaches on the same device in the same number type. Where a config's batch
would take too long, a smaller one is timed; FLOPs and bytes are those of the whole batch too.

python -m benchmarks.flops --data=data/pop909                     # on an accelerator
python -m benchmarks.flops --data=data/pop909 --batch_size=1 --dtype=float32 --steps=2  # on a CPU
"""

import importlib
from pathlib import Path

import jax
import numpy as np
from absl import flags

from benchmarks import setting
from fractaljax import command
from fractaljax.model.trunk import num_parameters
from fractaljax.training.optimizer import make_optimizer

_CONFIGS = flags.DEFINE_list(
  'configs', sorted(p.stem for p in Path('configs').glob('*.py')), 'files of configs/'
)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', None, 'crops of a timed step, at most')
_DTYPE = flags.DEFINE_enum(
  'dtype', None, ['float32', 'bfloat16'], "instead of the config's: CPUs are slow in bfloat16"
)
_STEPS = flags.DEFINE_integer('steps', 5, 'timed steps', lower_bound=1)


def timed(config, batches) -> tuple[float, float]:
  """FLOPs of a step and its seconds, the median."""
  program = setting.compiled_update(config, batches[0])
  state = setting.initial_state(
    setting.build(config), make_optimizer(config.optimizer, config.num_steps), batches[0]
  )
  times = []
  for batch in batches:
    taken, (state, _) = setting.seconds(program, state, batch)
    times.append(taken)
  return program.cost_analysis()['flops'], float(np.median(times[1:]))


def main(_):
  for name in _CONFIGS.value:
    config = importlib.import_module(f'configs.{name}').get_config()
    config.model.dtype = _DTYPE.value or config.model.dtype
    whole = setting.batches(config, 1)[0]
    program = setting.compiled_update(config, whole)
    figures = {
      'gflop': program.cost_analysis()['flops'] / 1e9,
      'gbytes': setting.memory_bytes(program) / 1e9,
      'batch': config.data.batch_size,
    }
    config.data.batch_size = min(config.data.batch_size, _BATCH_SIZE.value or 10**9)
    batches = setting.batches(config, _STEPS.value + 1)
    flops, seconds = timed(config, batches)
    peak = setting.peak_flops(config.model.dtype)
    params = jax.eval_shape(
      lambda batch, c=config: setting.build(c).init(
        {name: jax.random.key(0) for name in ('params', 'mask')}, batch, train=False
      ),
      batches[0],
    )
    setting.report(
      benchmark='flops', config=name, dtype=config.model.dtype,
      parameters=num_parameters(params), crop_steps=config.data.crop_steps, **figures,
      timed_batch=config.data.batch_size, seconds=seconds,
      achieved_gflops=flops / seconds / 1e9, peak_gflops=peak / 1e9, mfu=flops / seconds / peak,
    )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
