"""The settings of a REMI transformer and its run, and the frozen model made from them."""

import dataclasses

from ml_collections import ConfigDict

from fractaljax.baselines.vocabulary import HALO, Vocabulary
from fractaljax.errors import UserError
from fractaljax.model.config import Level
from fractaljax.music.codec import Codec


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
  """A transformer over words.

  Attributes:
    vocabulary: the words.
    width: channels.
    depth: blocks.
    heads: attention heads; width must be a multiple.
    dropout: rate on the outputs of attention and MLP, in training.
    phrase_bars: period of the bar embedding, in bars.
    dtype: compute type, 'float32' or 'bfloat16'; parameters and logits are float32.
  """

  vocabulary: Vocabulary
  width: int
  depth: int
  heads: int
  dropout: float
  phrase_bars: int
  dtype: str

  def __post_init__(self):
    if self.width % self.heads:
      raise UserError(
        f'config.model.width={self.width}: must be a multiple of its heads ({self.heads})'
      )

  @property
  def level(self) -> Level:
    """The trunk's part of it; what is about patches has no meaning here."""
    return Level(
      patch=(1, 1), generator='ar', scan='time', width=self.width, depth=self.depth,
      heads=self.heads, dropout=self.dropout, mask='uniform', mask_mean=1.0, mask_std=1.0,
      iterations=1,
    )  # fmt: skip


def base() -> ConfigDict:
  """Every key but those of `settle`, with its default: about the size of configs/bars_small.py."""
  config = ConfigDict()
  config.seed = 0

  config.data = ConfigDict()
  config.data.batch_size = 2  # excerpts an update, and at a time in scoring
  config.data.transpose = (0, 0)  # semitones, lowest and highest

  config.model = ConfigDict()
  config.model.low_pitch = 24  # lowest MIDI pitch
  config.model.num_pitches = 72
  config.model.width = 192
  config.model.depth = 6
  config.model.heads = 3
  config.model.dropout = 0.1
  config.model.phrase_bars = 8
  config.model.dtype = 'float32'

  config.optimizer = ConfigDict()
  config.optimizer.learning_rate = 1e-3  # peak
  config.optimizer.warmup_steps = 100  # updates
  config.optimizer.final_share = 0.02  # of the peak, when the minutes are over
  config.optimizer.b1 = 0.9
  config.optimizer.b2 = 0.95
  config.optimizer.weight_decay = 0.05  # on matrices only
  config.optimizer.clip_norm = 1.0
  config.optimizer.ema_decay = 0.99
  config.optimizer.max_skipped = 10  # updates in a row that may not be finite; then the run stops

  config.log_every = 20  # updates
  config.eval_every = 500  # updates; the state is saved and valid excerpts are scored
  config.eval_excerpts = 32  # at most
  config.keep_checkpoints = 2
  return config.lock()


def settle(
  config: ConfigDict, directory: str, in_c: bool, crop_steps: int, minutes: float
) -> ConfigDict:
  """Adds what a run is about.

  Args:
    config: from `base`.
    directory: what `prepare` wrote.
    in_c: whether every song is moved to C major or A minor first.
    crop_steps: steps in an excerpt.
    minutes: to train for, those before a stop included.
  """
  values = config.to_dict()
  values['data'] |= {'directory': directory, 'in_c': in_c, 'crop_steps': crop_steps}
  return ConfigDict(values | {'minutes': minutes})


def build(config: ConfigDict) -> TransformerConfig:
  """The frozen config of the model.

  Raises:
    UserError: a value is out of range.
  """
  model = config.model
  for key in ('width', 'depth', 'heads', 'phrase_bars'):
    if model[key] < 1:
      raise UserError(f'config.model.{key}={model[key]}: must be positive')
  if not 0 <= model.dropout < 1:
    raise UserError(f'config.model.dropout={model.dropout}: must be in [0, 1)')
  if model.dtype not in ('float32', 'bfloat16'):
    raise UserError(f"config.model.dtype={model.dtype}: choose 'float32' or 'bfloat16'")
  if config.data.crop_steps < HALO:  # the longest note of the halo needs a word, too
    raise UserError(f'--steps={config.data.crop_steps}: give {HALO} or more')
  return TransformerConfig(
    Vocabulary(Codec('onset', model.low_pitch, model.num_pitches), config.data.crop_steps),
    model.width, model.depth, model.heads, model.dropout, model.phrase_bars, model.dtype,
  )  # fmt: skip
