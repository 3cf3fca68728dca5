"""Samples of crops of which each is another one."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from fractaljax.data import pipeline
from fractaljax.music.crop import Crop
from fractaljax.sampling.draw import make_drawing
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.training.trained import Trained


def draw_each(trained: Trained, crops: Sequence[Crop], batch_size: int) -> np.ndarray:
  """One sample of each crop, at temperature 1: their tokens, `batch_size` of them at a time."""
  placement, knobs = trained.placement, make_knobs(trained.model.config)
  program = make_drawing(trained.model, Plan(), placement)
  each, rolls = placement.at_least(min(batch_size, len(crops))), []
  for batch in tqdm(pipeline.batched(crops, each), desc='sampling', unit='batch'):
    number_B = placement.spread(each * len(rolls) + np.arange(each))
    tokens_BxPxT, _ = program(
      trained.params, placement.spread(batch), number_B, knobs, np.uint32(0)
    )
    rolls.append(placement.gather(tokens_BxPxT))
  return np.concatenate(rolls)[: len(crops)]
