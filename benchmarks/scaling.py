"""What more devices cost: weak scaling, and the bytes that travel in a step.

Simulated devices share the cores of this machine, so n of them cannot be faster than one after
another: the overhead is the time of n devices with n shares over n times that of one with one.

python -m benchmarks.scaling --config=configs/small.py --data=data/pop909 --devices=8
"""

import os
import re

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict, config_flags

from benchmarks import setting
from fractaljax import command
from fractaljax.mesh import make_placement
from fractaljax.training.optimizer import make_optimizer

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/small.py', 'what to train')
_DEVICES = flags.DEFINE_integer('devices', 8, 'simulated devices, at most; 0 = the real ones')
_SHARE = flags.DEFINE_integer('share', 1, 'crops of a device', lower_bound=1)
_STEPS = flags.DEFINE_integer('steps', 4, 'timed steps', lower_bound=1)

COLLECTIVES = 'all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute'
BYTES = {'f32': 4, 's32': 4, 'u32': 4, 'bf16': 2, 'pred': 1, 'f64': 8, 's64': 8}


def travelling_bytes(program) -> dict[str, int]:
  """Bytes of what each kind of collective gives out on a device, from the program's text."""
  total = {}
  for types, kind in re.findall(rf'= (.*?) ({COLLECTIVES})(?:-start)?\(', program.as_text()):
    for dtype, shape in re.findall(r'(\w+)\[([\d,]*)\]', types):
      size = int(np.prod([int(n) for n in shape.split(',') if n]))
      total[kind] = total.get(kind, 0) + size * BYTES[dtype]
  return total


def measure(config: ConfigDict, num_devices: int, num_fsdp: int) -> dict:
  """Seconds of a step on a mesh, what travels, and what a device keeps of the state."""
  config.data.batch_size = _SHARE.value * num_devices
  batches = setting.batches(config, _STEPS.value + 1)
  model, optimizer = setting.build(config), make_optimizer(config.optimizer, config.num_steps)
  placement = make_placement(jax.devices()[:num_devices], num_fsdp)
  state = setting.initial_state(model, optimizer)
  step = setting.update(config, model, optimizer, placement)
  state = jax.device_put(state, placement.of_state(state))
  program = step.lower(state, placement.place(batches[0])).compile()
  seconds, state = setting.median_update(program, state, [placement.place(b) for b in batches])
  return {
    'seconds': seconds,
    'travelling': travelling_bytes(program),
    'parameter_bytes': sum(x.nbytes for x in jax.tree.leaves(state.params)),
    'kept_bytes': sum(x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(state)),
  }


def main(_):
  if _DEVICES.value:
    flag = f'--xla_force_host_platform_device_count={_DEVICES.value}'
    os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} {flag}'
  most = jax.device_count()
  shapes = [(n, 1) for n in (1, 2, 4, 8, 16) if n <= most]
  shapes += [(most, fsdp) for fsdp in (4, most) if most % fsdp == 0 and fsdp > 1]
  alone = None
  for num_devices, num_fsdp in shapes:
    found = measure(_CONFIG.value, num_devices, num_fsdp)
    alone = alone or found['seconds']
    in_turn = alone * (num_devices if _DEVICES.value else 1)
    travelling = found.pop('travelling')
    setting.report(
      benchmark='scaling', data=num_devices // num_fsdp, fsdp=num_fsdp, **found,
      overhead=found['seconds'] / in_turn - 1, **travelling,
      travelling_to_parameters=sum(travelling.values()) / found['parameter_bytes'],
    )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
