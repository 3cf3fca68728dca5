"""A trained model from wherever it lies: the folder of its run, or an export of it."""

import os
from pathlib import Path

from fractaljax.config import build_model
from fractaljax.errors import UserError
from fractaljax.exporting import description, weights
from fractaljax.mesh import Placement
from fractaljax.model.fractal import Fractal
from fractaljax.training import run_dir, trained
from fractaljax.training.trained import Trained, parameter_shapes


def load(directory: str, placement: Placement, which: str = 'latest') -> Trained:
  """Opens a checkpoint of a run, 'latest' or 'best', or an export, which has only one.

  Raises:
    UserError: the folder has neither, or what is there is damaged or of another version; or 'best'
      is asked for of an export.
  """
  if not is_export(directory):
    return trained.load(directory, placement, which)
  if which != 'latest':
    raise UserError(f'--which={which}: {directory} is an export, of one checkpoint; leave it out')
  folder = Path(directory)
  about = description.read(folder)
  if about['kind'] == 'stablehlo':
    raise UserError(
      f'{folder} has a program and no model: run {folder / "run.py"}, or export with --format=orbax'
    )
  config = run_dir.read_config(directory)
  model = Fractal(build_model(config.model))
  shapes = parameter_shapes(config, model)
  params = weights.read(folder, about['kind'], shapes, placement.replicated)
  return Trained(config, model, params, about['step'], placement)


def is_export(directory: str) -> bool:
  """Whether a folder has an export in it, damaged perhaps."""
  names = (description.NAME, weights.ORBAX, weights.SAFETENSORS)
  return any(os.path.exists(os.path.join(directory, name)) for name in names)
