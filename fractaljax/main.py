"""Trains a model: python -m fractaljax.main --config=configs/demo.py --workdir=runs/demo."""

import os

from absl import flags
from ml_collections import config_flags

from fractaljax import command, distributed
from fractaljax.errors import UserError
from fractaljax.training.interrupt import Interrupt

_CONFIG = config_flags.DEFINE_config_file('config', None, 'experiment, a file of configs/')
_WORKDIR = flags.DEFINE_string('workdir', None, 'folder of the run; goes on from what is there')
flags.mark_flags_as_required(['config', 'workdir'])


def main(_):
  path, _, _ = config_flags.get_config_filename(flags.FLAGS['config']).partition(':')
  if not os.path.isfile(path):
    raise UserError(f'--config={path} is not a file; see those in configs/')
  with Interrupt() as interrupt:
    # Not above: --help and a wrong flag should not wait for JAX.
    from fractaljax.training.loop import train

    distributed.start(stop_together=True)
    interrupt.pass_on()
    train(_CONFIG.value, _WORKDIR.value, interrupt=interrupt)


if __name__ == '__main__':
  command.run(main)
