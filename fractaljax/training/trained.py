"""A trained model, read from the folder of its run."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
from ml_collections import ConfigDict
from tqdm import tqdm

from fractaljax.config import build_model
from fractaljax.data import pipeline
from fractaljax.distributed import is_first
from fractaljax.errors import UserError
from fractaljax.mesh import Placement
from fractaljax.model.fractal import Fractal
from fractaljax.music.crop import Crop
from fractaljax.music.notes import Song
from fractaljax.sampling import known
from fractaljax.sampling.draw import as_songs, draw
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.training.checkpoint import Checkpoints
from fractaljax.training.likelihood import Likelihood, needed_capacities, score_batches


class Trained(NamedTuple):
  """A model with its parameters, averaged as a rule.

  Attributes:
    config: of the run.
    model: the module.
    params: its variables.
    step: updates that they had.
    placement: of the devices that they lie on.
  """

  config: ConfigDict
  model: Fractal
  params: dict
  step: int
  placement: Placement

  def sample(
    self,
    num: int = 1,
    num_steps: int = 512,
    seed: int = 0,
    temperature: float | tuple[float, ...] = 1.0,
    crop: Crop | None = None,
    tries: int = 1,
  ) -> list[Song]:
    """Draws songs, at the tempo that they are said to have where the model says one.

    Args:
      num: samples; sample i is a function of the seed and i.
      num_steps: their length, without a crop.
      seed: of everything random.
      temperature: 1 = the model, 0 = the most probable; one number, or one for each level.
      crop: what is known, see `fractaljax.sampling.known`; nothing by default.
      tries: times a bar is drawn, at most, until its notes are as was said of it; 1 = the model.

    Raises:
      UserError: the first patch does not divide the steps.
    """
    config = self.model.config
    crop = known.nothing(config, num_steps) if crop is None else crop
    knobs = make_knobs(config, temperature)
    plan = Plan(tries=tries)
    drawn = draw(self.model, self.params, plan, knobs, crop, num, 8, seed, self.placement)
    return as_songs(drawn.tokens_BxPxT, drawn.attributes_BxA, config)

  def score(
    self,
    songs: Sequence[Song],
    seed: int = 0,
    batch_size: int = 8,
    num_steps: int | None = None,
  ) -> Likelihood:
    """Scores songs, every occupied patch expanded; see `score_batches`.

    A model with a `span` is given whole songs, so that what came before is carried on to their
    ends; another one the windows that tile them.

    Args:
      songs: the songs.
      seed: of the random orders of masked levels.
      batch_size: windows at a time, if it is given these; rounded up to a multiple of the devices.
      num_steps: length of a window; None for that of the crops of training.

    Raises:
      UserError: the first patch does not divide the steps.
    """
    config, num_steps = self.model.config, num_steps or self.config.data.crop_steps
    config.check_steps(num_steps, 'steps')
    each, devices = self.placement.at_least(batch_size), self.placement.num_devices
    inputs = config.halo, config.attributes

    def batches(what: str):
      if config.span:
        found = pipeline.whole_songs(songs, config.codec, num_steps, devices, *inputs)
      else:
        found = pipeline.batched(pipeline.windows(songs, config.codec, num_steps, *inputs), each)
      return tqdm(found, unit='batch', desc=what, disable=not is_first())

    capacities = needed_capacities(config, batches('counting'), self.placement.num_devices)
    return score_batches(
      self.model, self.params, batches('scoring'), capacities, seed, self.placement
    )


def load(
  workdir: str, placement: Placement, which: str = 'latest', averaged: bool = True
) -> Trained:
  """The newest checkpoint of a run, or its best.

  Args:
    workdir: the run's folder.
    placement: of the devices.
    which: 'latest', or 'best': the likeliest on the valid songs.
    averaged: the average of the parameters over the updates, or their last values.

  Raises:
    UserError: the folder has no run, no checkpoint, or one that does not fit its config.
  """
  checkpoints = Checkpoints(workdir)
  step = checkpoints.find(which)
  if step is None:
    raise UserError(f'{checkpoints.directory} has no checkpoint; let the run reach its first one')
  config = checkpoints.read_config(step)
  model = Fractal(build_model(config.model))
  shapes = parameter_shapes(config, model)
  params = checkpoints.restore_params(step, shapes, placement.replicated, averaged)
  checkpoints.close()
  return Trained(config, model, params, step, placement)


def parameter_shapes(config: ConfigDict, model: Fractal):
  """Shapes of the model's variables; nothing is computed."""
  codec, halo, attributes = model.config.codec, model.config.halo, model.config.attributes
  example = pipeline.empty_batch(codec, config.data.crop_steps, halo, attributes)
  rngs = {name: jax.random.key(0) for name in ('params', 'mask')}
  return jax.eval_shape(lambda: model.init(rngs, example, train=False))
