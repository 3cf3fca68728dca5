"""What is known before sampling: nothing, the beginning of a song, or all but a passage of it."""

import numpy as np

from fractaljax.errors import UserError
from fractaljax.model.config import ModelConfig
from fractaljax.music.attributes import attribute_ids
from fractaljax.music.crop import Crop, cut
from fractaljax.music.excerpt import excerpts
from fractaljax.music.notes import Song


def nothing(config: ModelConfig, num_steps: int, metre: tuple[int, int] = (4, 4)) -> Crop:
  """A roll of which every cell is to be generated, with no attribute given."""
  song = Song(np.zeros((0, 4), np.int32), num_steps, metre)
  crop = _known(config, song, num_steps, np.zeros(num_steps, bool))
  return crop._replace(attributes_A=np.zeros_like(crop.attributes_A))


def beginning(config: ModelConfig, song: Song, prompt_steps: int, num_steps: int) -> Crop:
  """The first steps of a song, all if it has no more, to be continued.

  The attributes are those of just these steps.

  Raises:
    UserError: the prompt is empty, or as long as what is asked for.
  """
  if not 0 < prompt_steps < num_steps:
    raise UserError(f'--prompt_steps={prompt_steps}: must be between 0 and --steps={num_steps}')
  prompt_steps = min(prompt_steps, song.num_steps)
  crop = _known(config, song, num_steps, np.arange(num_steps) < prompt_steps)
  return crop._replace(attributes_A=of_beginning(config, song, prompt_steps))


def of_beginning(config: ModelConfig, song: Song, num_steps: int) -> np.ndarray:
  """Ids of the attributes of the first steps of a song, ids_A, for more that is to be like them."""
  return attribute_ids(excerpts([song], num_steps)[0], config.attributes)


def all_but(config: ModelConfig, song: Song, hole: tuple[int, int]) -> Crop:
  """A song but for the steps hole[0] .. hole[1] - 1, to be repainted.

  Raises:
    UserError: the hole is empty or reaches beyond the song; or the model's first level is AR, which
      cannot see what comes after the hole.
  """
  first, end = hole
  if not 0 <= first < end <= song.num_steps:
    raise UserError(
      f'--inpaint_steps={first}:{end}: give FIRST:END within the {song.num_steps} steps of the song'
    )
  if config.levels[0].causal:
    raise UserError(
      '--inpaint needs a model that sees both sides of the passage, and the first level of this '
      "one is 'ar'; train one with config.model.generators[0]='mar', or use --prompt"
    )
  patch_steps = config.levels[0].patch[1]
  step_T = np.arange(-(-song.num_steps // patch_steps) * patch_steps)
  return _known(config, song, len(step_T), (step_T < first) | (step_T >= end))


def _known(config: ModelConfig, song: Song, num_steps: int, known_T: np.ndarray) -> Crop:
  config.check_steps(num_steps, '--steps')
  codec = config.codec
  crop = cut(song, codec, 0, num_steps, config.halo, attributes=config.attributes)
  tokens_PxT = np.where(known_T, crop.tokens_PxT, codec.unknown).astype(np.int32)
  return crop._replace(tokens_PxT=tokens_PxT, valid_T=np.ones(num_steps, bool))
