"""Fractal generative models of piano rolls, in JAX."""


def load(directory: str, devices=None):
  """Opens a training run or an export of it, on any number of devices.

  Args:
    directory: of the run, or of an export with weights.
    devices: `jax.Device`s to lie on; all by default.

  Returns:
    a `fractaljax.training.trained.Trained`, which samples and scores.

  Raises:
    UserError: the folder has neither, or what is there is damaged or of another version.
  """
  # Not above: the commands import this package, and --help should not wait for JAX.
  import jax

  from fractaljax.exporting import opening
  from fractaljax.mesh import data_parallel

  return opening.load(directory, data_parallel(devices or jax.devices()))
