"""Learning curves: python -m fractaljax.curves --workdir=runs/demo --output=curves.png."""

from absl import flags

from fractaljax import command
from fractaljax.errors import UserError

_WORKDIR = flags.DEFINE_multi_string('workdir', None, 'folder of a run; any number of them')
_OUTPUT = flags.DEFINE_string('output', None, 'picture, by its ending .png, .svg or .pdf')
flags.mark_flags_as_required(['workdir', 'output'])


def main(_):
  # Not above: --help and a wrong flag should not wait for JAX.
  from fractaljax.training.curves import read_metrics, save_curves

  runs = {workdir: read_metrics(workdir) for workdir in _WORKDIR.value}
  try:
    save_curves(runs, _OUTPUT.value)
  except (OSError, ValueError) as error:
    reason = getattr(error, 'strerror', None) or error
    raise UserError(f'--output={_OUTPUT.value} cannot be written: {reason}') from error
  print(_OUTPUT.value)


if __name__ == '__main__':
  command.run(main)
