"""A trained model, read from the folder of its run."""

from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from fractaljax.config import build_model
from fractaljax.data import pipeline
from fractaljax.errors import UserError
from fractaljax.model.fractal import Fractal
from fractaljax.training.checkpoint import Checkpoints
from fractaljax.training.mesh import Placement


class Trained(NamedTuple):
  """A model with its averaged parameters.

  Attributes:
    config: of the run.
    model: the module.
    params: its variables.
    step: updates that they had.
  """

  config: ConfigDict
  model: Fractal
  params: dict
  step: int


def load(workdir: str, placement: Placement, which: str = 'latest') -> Trained:
  """The newest checkpoint of a run, or its best: 'latest' or 'best'.

  Raises:
    UserError: the folder has no run, no checkpoint, or one that does not fit its config.
  """
  checkpoints = Checkpoints(workdir)
  step = checkpoints.find(which)
  if step is None:
    raise UserError(f'{checkpoints.directory} has no checkpoint; let the run reach its first one')
  config = checkpoints.read_config(step)
  model = Fractal(build_model(config.model))
  codec, halo, attributes = model.config.codec, model.config.halo, model.config.attributes
  example = pipeline.empty_batch(codec, config.data.crop_steps, halo, attributes)
  rngs = {name: jax.random.key(0) for name in ('params', 'mask')}
  shapes = jax.eval_shape(lambda: model.init(rngs, example, train=False))
  params = checkpoints.restore_params(step, shapes, placement.replicated)
  checkpoints.close()
  return Trained(config, model, params, step)
