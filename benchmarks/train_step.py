"""Seconds of a training step, with the occupancy gate and without it, in turns.

python -m benchmarks.train_step --config=configs/small.py --data=data/pop909
"""

import numpy as np
from absl import flags
from ml_collections import config_flags

from benchmarks import setting
from fractaljax import command
from fractaljax.model.trunk import num_parameters

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/small.py', 'what to train')
_STEPS = flags.DEFINE_integer('steps', 20, 'timed steps of each', lower_bound=1)
_DENSE = flags.DEFINE_bool('dense', True, 'time the model without the gate as well')


def main(_):
  config = _CONFIG.value
  batches = setting.batches(config, _STEPS.value + 1)
  names = ('gate', 'dense') if _DENSE.value else ('gate',)
  steps, states, compile_seconds, times = {}, {}, {}, {name: [] for name in names}
  for name in names:
    config.model.gate = name == 'gate'
    steps[name], states[name], compile_seconds[name] = setting.prepare_step(config, batches[0])
  for number, batch in enumerate(batches):
    for name in names:
      taken, (states[name], metrics) = setting.seconds(steps[name], states[name], batch)
      if number:  # the first one warms up
        times[name].append(taken)
      overflow = {k: float(v) for k, v in metrics.items() if k.startswith('overflow')}
      if name == 'gate' and max(overflow.values()) > 0.05:
        print(f'batch {number}: patches left out: {overflow}')
  figures = {f'seconds_{name}': float(np.median(times[name])) for name in names}
  figures |= {f'compile_seconds_{name}': compile_seconds[name] for name in names}
  if _DENSE.value:
    ratios = np.array(times['dense']) / np.array(times['gate'])
    figures['speedup_of_gate'] = float(np.median(ratios))
  setting.report(
    benchmark='train_step',
    parameters=num_parameters(states['gate'].params),
    batch=config.data.batch_size,
    crop_steps=config.data.crop_steps,
    gflop=steps['gate'].cost_analysis().get('flops', 0) / 1e9,
    **figures,
  )


if __name__ == '__main__':
  command.run(main)
