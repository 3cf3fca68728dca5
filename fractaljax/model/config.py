"""The frozen description of a model: what every module is built from."""

import dataclasses

from fractaljax.errors import UserError
from fractaljax.music.attributes import num_ids
from fractaljax.music.codec import Codec


@dataclasses.dataclass(frozen=True)
class Level:
  """One split: a region of the previous level's patch size becomes a grid of this level's patches.

  Attributes:
    patch: size of this level's patches, (pitches, steps).
    generator: 'ar', patches one after another, or 'mar', patches in random order.
    scan: order of the patches of an AR level: 'time', all pitches of a column before the next
      column, or 'pitch', all columns of a row before the next row.
    width: channels of the trunk.
    depth: transformer blocks.
    heads: attention heads; width must be a multiple.
    dropout: rate on the outputs of attention and MLP, in training.
    mask: distribution of the MAR mask ratio in training, 'normal' (truncated) or 'uniform'.
    mask_mean: mean of the normal before truncation.
    mask_std: its standard deviation.
    iterations: MAR sampling iterations a region; more than there are patches means one each.
  """

  patch: tuple[int, int]
  generator: str
  scan: str
  width: int
  depth: int
  heads: int
  dropout: float
  mask: str
  mask_mean: float
  mask_std: float
  iterations: int

  @property
  def causal(self) -> bool:
    return self.generator == 'ar'

  @property
  def upwards(self) -> bool:
    """Whether the patches below one, in the same column, come before it."""
    return self.causal and self.scan == 'time'


@dataclasses.dataclass(frozen=True)
class ModelConfig:
  """A fractal model.

  Attributes:
    codec: token codec; its pitches are the rows of the roll.
    levels: from the coarsest to single cells.
    capacities: for every level but the last, the share of all its patches in a roll that training
      can expand. Occupied patches beyond it are dropped at random and the rest reweighted.
    gate: whether empty patches cost one bit and nothing below (False: the dense model).
    span: steps that attention of the first level goes back; 0 = all. Songs of any length are then
      scored and sampled with as much behind every step as in training.
    halo: steps before a patch that it is told of; 0 switches it off.
    halo_pitches: pitches above and below the patch that its halo takes in. The single cells see
      their surroundings by interval, so what is learned at one pitch holds at all.
    chord_pitches: pitches below a patch, at its own time, that it is told of where they come before
      it in the scan; by interval, too.
    echoes: steps back, at each of which every level but the first is told what was at the same
      pitches, and just around: music repeats, and a repeat need not be remembered. What an echo
      holds, how like the present the music before it was, and which of its notes came again in
      this bar and in this step, is added to the logits, too.
    matches: echoes more, not of a fixed age: what followed the halos most like a patch's own. Each
      first patch has its own, and so has, within it, each shorter patch of all pitches.
    repeats: first patches (bars) back, at most, at which a first patch may be said to repeat one.
      That is decided before what is in it, and the one that is repeated is an echo more, see
      `fractaljax.model.repeat`. 0 switches it off.
    hide: share of the cells which training lets no level see, at random, when it reads them;
      echoes stay whole.
    head_width: channels of the value head.
    head_depth: its hidden layers.
    qk_norm: RMS-normalise queries and keys.
    phrase_bars: bars of a phrase: the period of the bar embedding.
    num_phrases: phrases since a song's beginning that are told apart; any after them is as the last
      of them. With 1 the model does not know how far into a song it is.
    attributes: names of the global attributes of a song, which are decided first and which every
      level hears, see `fractaljax.model.prior`.
    cond_drop: probability that training hides an attribute.
    dtype: compute type, 'float32' or 'bfloat16'; parameters and logits are float32.
    remat: whether training computes the inside of each block twice, to keep less in memory.
  """

  codec: Codec
  levels: tuple[Level, ...]
  capacities: tuple[float, ...]
  gate: bool
  span: int
  halo: int
  halo_pitches: int
  chord_pitches: int
  echoes: tuple[int, ...]
  matches: int
  repeats: int
  hide: float
  head_width: int
  head_depth: int
  qk_norm: bool
  phrase_bars: int
  num_phrases: int
  attributes: tuple[str, ...]
  cond_drop: float
  dtype: str
  remat: bool

  def __post_init__(self):
    _check_model(self)

  @property
  def margin(self) -> int:
    """Pitches above and below a region that its canvas has."""
    return max(self.halo_pitches, self.chord_pitches)

  @property
  def num_echoes(self) -> int:
    return self.num_aged + self.matches

  @property
  def num_aged(self) -> int:
    """Echoes that have one age throughout a first patch."""
    return len(self.echoes) + (self.repeats > 0)

  @property
  def exact(self) -> bool:
    """Whether the likelihood is exact and not a bound: every level AR, and only notes are said."""
    is_causal = all(level.causal for level in self.levels)
    return is_causal and not self.repeats and not self.attributes

  def check_steps(self, num_steps: int, name: str):
    """Raises UserError unless the first patch divides `num_steps`, called `name` in the message."""
    step = self.levels[0].patch[1]
    if num_steps <= 0 or num_steps % step:
      near = max(step, num_steps // step * step)
      raise UserError(
        f'{name}={num_steps} is not a multiple of {step}, the steps of the first patch; try {near}'
      )


def _require(condition: bool, key: str, value, remedy: str):
  if not condition:
    raise UserError(f'config.model.{key}={value}: {remedy}')


def _check_model(config: ModelConfig):
  num_pitches = config.codec.num_pitches
  _require(len(config.levels) > 0, 'levels', config.levels, 'give at least one level')
  outer = (num_pitches, None)
  for i, level in enumerate(config.levels):
    _check_level(level, outer, f'levels[{i}]')
    outer = level.patch
  _require(outer == (1, 1), f'levels[{i}].patch', outer, 'the last patch must be one cell, (1, 1)')
  _require(
    len(config.capacities) == len(config.levels) - 1 and all(0 < c <= 1 for c in config.capacities),
    'capacities',
    config.capacities,
    'give one share in (0, 1] for every level but the last',
  )
  _check_context(config)
  _require(0 <= config.hide < 1, 'hide', config.hide, 'must be in [0, 1)')
  _require(config.head_width > 0, 'head_width', config.head_width, 'must be positive')
  _require(config.head_depth >= 0, 'head_depth', config.head_depth, 'must be 0 or more')
  for name in ('phrase_bars', 'num_phrases'):
    _require(getattr(config, name) > 0, name, getattr(config, name), 'must be positive')
  _require(0 <= config.cond_drop <= 1, 'cond_drop', config.cond_drop, 'must be in [0, 1]')
  known_types = ('float32', 'bfloat16')
  _require(config.dtype in known_types, 'dtype', config.dtype, f'choose one of {known_types}')
  for name in config.attributes:
    num_ids(name)


def _check_context(config: ModelConfig):
  """What patches are told of their surroundings, none of which may come after them."""
  first = config.levels[0]
  by_pitch = any(level.causal and level.scan == 'pitch' for level in config.levels)
  first_by_pitch = first.causal and not first.upwards
  _require(
    config.span == 0 or (first.upwards and config.span > 0 and config.span % first.patch[1] == 0),
    'span',
    config.span,
    'must be 0 (off), or steps that the first patch divides and a first level that is AR in time',
  )
  _require(config.halo >= 0, 'halo', config.halo, 'must be 0 (off) or a number of steps')
  for name in ('halo_pitches', 'chord_pitches'):
    _require(getattr(config, name) >= 0, name, getattr(config, name), 'must not be negative')
  _require(
    config.halo_pitches == 0 or not by_pitch,
    'halo_pitches',
    config.halo_pitches,
    "must be 0 where an AR level scans by 'pitch': the rows above come later there",
  )
  _require(
    not config.echoes or (min(config.echoes) > first.patch[1] and not first_by_pitch),
    'echoes',
    config.echoes,
    f'must each go back more than the first patch, {first.patch[1]} steps, and the first level '
    "must not be AR by 'pitch'",
  )
  _require(
    config.matches == 0 or (config.matches > 0 and config.halo > 0 and not first_by_pitch),
    'matches',
    config.matches,
    "must be 0 (off), or a number with a halo to match and a first level that is not AR by 'pitch'",
  )
  is_bars = first.upwards and first.patch[0] == config.codec.num_pitches and len(config.levels) > 1
  _require(
    config.repeats == 0 or (config.repeats > 0 and is_bars),
    'repeats',
    config.repeats,
    'must be 0 (off), or a number with more levels than one, of which the first is AR in time and '
    'has patches of all pitches',
  )


def _check_level(level: Level, outer, key: str):
  patch_p, patch_t = level.patch
  outer_p, outer_t = outer
  _require(
    min(level.patch) > 0 and outer_p % patch_p == 0 and (outer_t or patch_t) % patch_t == 0,
    f'{key}.patch',
    level.patch,
    f'must divide what it splits, {outer_p} pitches' + (f' x {outer_t} steps' if outer_t else ''),
  )
  _require(level.generator in ('ar', 'mar'), f'{key}.generator', level.generator, "'ar' or 'mar'")
  _require(level.scan in ('time', 'pitch'), f'{key}.scan', level.scan, "'time' or 'pitch'")
  _require(level.mask in ('normal', 'uniform'), f'{key}.mask', level.mask, "'normal' or 'uniform'")
  for name in ('width', 'depth', 'heads', 'iterations', 'mask_std'):
    _require(getattr(level, name) > 0, f'{key}.{name}', getattr(level, name), 'must be positive')
  _require(
    level.width % level.heads == 0,
    f'{key}.width',
    level.width,
    f'must be a multiple of its heads ({level.heads})',
  )
  _require(0 <= level.dropout < 1, f'{key}.dropout', level.dropout, 'must be in [0, 1)')
  _require(0 <= level.mask_mean <= 1, f'{key}.mask_mean', level.mask_mean, 'must be in [0, 1]')
