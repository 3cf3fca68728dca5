"""Seconds that training stands still for a checkpoint, and their share of the training time.

python -m benchmarks.checkpoint --config=configs/small.py --data=data/pop909
"""

import tempfile

import jax
import numpy as np
from absl import flags
from ml_collections import config_flags

from benchmarks import setting
from fractaljax import command
from fractaljax.mesh import data_parallel
from fractaljax.model.trunk import num_parameters
from fractaljax.training.checkpoint import Checkpoints
from fractaljax.training.optimizer import make_optimizer

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/small.py', 'what to train')
_SAVES = flags.DEFINE_integer('saves', 5, 'timed saves', lower_bound=1)
STEPS_A_SAVE = 3


def main(_):
  config = _CONFIG.value
  batches = setting.batches(config, STEPS_A_SAVE)
  model, optimizer = setting.build(config), make_optimizer(config.optimizer, config.num_steps)
  state = setting.initial_state(model, optimizer)
  step = setting.update(config, model, optimizer)
  placement = data_parallel(jax.devices()[:1])
  steps, stalls, behind = [], [], []
  with tempfile.TemporaryDirectory() as folder:
    checkpoints = Checkpoints(folder, config)
    for _ in range(_SAVES.value + 1):
      for batch in batches:
        taken, (state, _) = setting.seconds(step, state, batch)
        steps.append(taken)
      stalls.append(setting.seconds(checkpoints.save, state, {})[0])
      behind.append(setting.seconds(checkpoints.wait)[0])
    seconds_to_find, number = setting.seconds(checkpoints.find)
    shapes = jax.eval_shape(lambda: state)
    seconds_to_restore, _ = setting.seconds(
      checkpoints.restore, number, shapes, placement.of_state(shapes)
    )
    checkpoints.close()
  # The first step and the first save warm up.
  step_seconds, stall = float(np.median(steps[1:])), float(np.median(stalls[1:]))
  setting.report(
    benchmark='checkpoint',
    parameters=num_parameters(state.params),
    step_seconds=step_seconds,
    stall_seconds=stall,
    stall_seconds_most=max(stalls[1:]),
    stall_share=stall / (config.checkpoint_every * step_seconds),
    seconds_in_the_background=float(np.median(behind[1:])),
    seconds_to_check=seconds_to_find,
    seconds_to_restore=seconds_to_restore,
  )


if __name__ == '__main__':
  command.run(main)
