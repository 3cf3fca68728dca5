"""The frozen description of a model: what every module is built from."""

import dataclasses

from fractaljax.errors import UserError
from fractaljax.model.checks import check_model
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
    matches: echoes more, not of a fixed age: what followed the halos most like a patch's own, at
      the same place of a first patch, two of these or more before. Each first patch has its own,
      and so has, within it, each shorter patch of all pitches.
    repeats: first patches (bars) back, at most, at which a first patch may be said to repeat one.
      What all of them repeat, the form, is decided before any note, see `fractaljax.model.form`,
      and the one that is repeated is an echo more. 0 switches it off.
    densities: numbers of notes of a first patch (bar), at each of which it counts as denser; a part
      of the form, see `fractaljax.model.density`. () switches it off. In codecs without onsets,
      numbers of cells that sound.
    tops: pitches (MIDI), at each of which a first patch (bar) that comes up to it counts as higher;
      a part of the form, see `fractaljax.model.top`. () switches it off.
    returns: whether it is said, after the form and before any note, how much first patches (bars)
      have in common with their echoes, see `fractaljax.model.returns`.
    chords: whether the chords of first patches (bars) are decided after these and before any
      note, see `fractaljax.model.chord`.
    rhythms: whether the steps of first patches (bars) at which notes begin are decided after all
      these and before any note, see `fractaljax.model.rhythm`.
    hide: share of the cells which training lets no level see, at random, when it reads them;
      echoes stay whole, and so does what is counted.
    head_width: channels of the value head.
    head_depth: its hidden layers.
    qk_norm: RMS-normalise queries and keys.
    phrase_bars: bars of a phrase: the period of the bar embedding.
    num_phrases: phrases since a song's beginning that are told apart; any after them is as the last
      of them. With 1 the model does not know how far into a song it is.
    attributes: names of the global attributes of a song, which are decided first and which every
      level hears, see `fractaljax.model.prior`.
    cond_drop: probability that training hides the attributes of a roll, all of them: guidance needs
      to know what is said without.
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
  densities: tuple[int, ...]
  tops: tuple[int, ...]
  returns: bool
  chords: bool
  rhythms: bool
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
    check_model(self)

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

  @property
  def has_limits(self) -> bool:
    """Whether something is said of bars with which some notes cannot be."""
    return bool(self.densities or self.tops or self.rhythms)

  def is_whole(self, patch: tuple[int, int]) -> bool:
    """Whether a patch spans all pitches, and there are none around it."""
    return patch[0] == self.codec.num_pitches

  def check_steps(self, num_steps: int, name: str):
    """Raises UserError unless the first patch divides `num_steps`, called `name` in the message."""
    step = self.levels[0].patch[1]
    if num_steps <= 0 or num_steps % step:
      near = max(step, num_steps // step * step)
      raise UserError(
        f'{name}={num_steps} is not a multiple of {step}, the steps of the first patch; try {near}'
      )
