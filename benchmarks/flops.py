"""FLOPs, memory and model FLOPs utilisation (MFU) of the training step of every config.

FLOPs and bytes are XLA's own count of the compiled step. The MFU is FLOPs over seconds over what a
large matrix product reaches on the same device in the same number type. Where a config's batch
would take too long, a smaller one is timed; FLOPs and bytes are those of the whole batch too.

python -m benchmarks.flops --data=data/pop909                     # on an accelerator
python -m benchmarks.flops --data=data/pop909 --batch_size=1 --dtype=float32 --steps=2  # on a CPU
"""

import importlib
from pathlib import Path

from absl import flags

from benchmarks import setting
from fractaljax import command
from fractaljax.model.trunk import num_parameters

_CONFIGS = flags.DEFINE_list(
  'configs', sorted(p.stem for p in Path('configs').glob('*.py')), 'files of configs/'
)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', None, 'crops of a timed step, at most')
_DTYPE = flags.DEFINE_enum(
  'dtype', None, ['float32', 'bfloat16'], "instead of the config's: CPUs are slow in bfloat16"
)
_STEPS = flags.DEFINE_integer('steps', 5, 'timed steps', lower_bound=1)


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
    program, state, _ = setting.prepare_step(config, batches[0])
    flops = program.cost_analysis()['flops']
    seconds, state = setting.median_update(program, state, batches)
    peak = setting.peak_flops(config.model.dtype)
    setting.report(
      benchmark='flops', config=name, dtype=config.model.dtype,
      parameters=num_parameters(state.params), crop_steps=config.data.crop_steps, **figures,
      timed_batch=config.data.batch_size, seconds=seconds,
      achieved_gflops=flops / seconds / 1e9, peak_gflops=peak / 1e9, mfu=flops / seconds / peak,
    )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
