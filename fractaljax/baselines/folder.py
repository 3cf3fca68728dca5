"""The folder of a REMI run: its settings, and the trained model in it."""

import json
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from fractaljax.baselines.config import build
from fractaljax.baselines.step import init_state
from fractaljax.baselines.transformer import Transformer
from fractaljax.errors import UserError
from fractaljax.mesh import data_parallel
from fractaljax.training import run_dir
from fractaljax.training.checkpoint import Checkpoints


def claim(workdir: str, config: ConfigDict) -> None:
  """Writes the settings into the run's folder, or checks that the run in it goes on with them.

  Raises:
    UserError: the folder has a run of another model.
  """
  path = run_dir.folder(workdir) / run_dir.CONFIG
  if path.exists():
    before = read(workdir)
    if build(before) != build(config) or before.data.in_c != config.data.in_c:
      raise UserError(
        f'{workdir} has a run of another config.model, --steps or --in_c; choose another folder'
      )
  half = path.with_suffix('.tmp')
  half.write_text(json.dumps(config.to_dict(), indent=2))
  half.replace(path)


def read(workdir: str) -> ConfigDict:
  """The settings of the run in a folder.

  Raises:
    UserError: there is none, or of another kind.
  """
  path = run_dir.folder(workdir) / run_dir.CONFIG
  try:
    config = ConfigDict(json.loads(path.read_text()))
    build(config)
  except (OSError, ValueError, KeyError, AttributeError) as error:
    raise UserError(
      f'{path} is not of a REMI run ({type(error).__name__}); give the --workdir of one'
    ) from error
  return config


class Trained(NamedTuple):
  """A model with its averaged parameters.

  Attributes:
    config: of the run.
    model: the module.
    params: its variables.
    step: updates that they had.
  """

  config: ConfigDict
  model: Transformer
  params: dict
  step: int


def load(workdir: str, which: str) -> Trained:
  """The newest checkpoint of a run, or its best.

  Raises:
    UserError: the folder has no REMI run, or no checkpoint.
  """
  config = read(workdir)
  model = Transformer(build(config))
  checkpoints = Checkpoints(workdir)
  step = checkpoints.find(which)
  if step is None:
    raise UserError(f'{checkpoints.directory} has no checkpoint; train first')
  shapes = jax.eval_shape(lambda: init_state(config, model).params)
  where = data_parallel(jax.devices()[:1]).replicated
  params = checkpoints.restore_params(step, shapes, where, averaged=True)
  checkpoints.close()
  return Trained(config, model, params, step)
