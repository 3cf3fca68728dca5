"""The experiment config: its keys with their defaults, and the frozen model made from it."""

from ml_collections import ConfigDict

from fractaljax.errors import UserError
from fractaljax.model.config import Level, ModelConfig
from fractaljax.music.codec import Codec


def base() -> ConfigDict:
  """Every key there is, with its default. A file in configs/ changes what it is about."""
  config = ConfigDict()
  config.seed = 0
  config.num_steps = 10_000  # updates in all
  config.fsdp = 1  # devices that share a copy of the parameters; the batch goes over all of them

  config.data = ConfigDict()
  config.data.directory = ''  # what `prepare` wrote; '' = the built-in corpus
  config.data.corpus_songs = 2_000  # size of the built-in corpus
  config.data.batch_size = 8  # crops an update, over all devices
  config.data.crop_steps = 512  # steps (16ths) in a crop
  config.data.in_c = False  # move every song to C major or A minor first
  config.data.damaged = 'refuse'  # shards that are missing or not as written: 'refuse' or 'skip'
  config.data.workers = 0  # processes that cut the crops; 0 = a thread
  config.data.beginnings = 0.0  # share of the crops that begin where their song does; samples do
  config.data.transpose = (-5, 6)  # semitones, lowest and highest

  config.model = _base_model()

  config.optimizer = ConfigDict()
  config.optimizer.learning_rate = 1e-3  # peak
  config.optimizer.warmup_steps = 100
  config.optimizer.final_share = 0.02  # of the peak, at the last step
  config.optimizer.b1 = 0.9
  config.optimizer.b2 = 0.95
  config.optimizer.weight_decay = 0.05  # on matrices only
  config.optimizer.clip_norm = 16.0  # outliers alone: if all are, hard songs count too little
  config.optimizer.accumulate = 1  # parts that a batch is taken in, one after another
  config.optimizer.ema_decay = 0.999
  config.optimizer.max_skipped = 10  # updates in a row that may not be finite; then the run stops

  config.log_every = 50  # updates
  config.checkpoint_every = 1_000
  config.keep_checkpoints = 3
  config.eval_every = 1_000
  config.eval_crops = 64  # crops of each split that are scored at an evaluation
  config.eval_samples = 4  # sampled rolls of crop_steps at each temperature
  config.eval_temperatures = (0.0, 0.5, 1.0)
  config.eval_sound = False  # let TensorBoard play a sample at each temperature
  return config.lock()


def _base_model() -> ConfigDict:
  model = ConfigDict()
  model.codec = 'onset'
  model.low_pitch = 0  # MIDI pitch of the lowest row
  model.num_pitches = 128
  model.patches = ((128, 16), (128, 1), (16, 1), (1, 1))
  model.generators = ('ar', 'ar', 'ar', 'ar')
  model.scan = 'time'
  model.widths = (256, 256, 128, 64)
  model.depths = (4, 4, 2, 1)
  model.heads = (8, 8, 4, 2)
  model.dropout = 0.1
  model.capacities = (1.0, 1.0, 0.35)
  model.gate = True
  model.span = 0  # steps that the first level looks back; 0 = all
  model.halo = 16  # steps
  model.halo_pitches = 0  # above and below
  model.chord_pitches = 0  # below, at the same step
  model.echoes = ()  # steps back at which what was there is seen again, such as 64: four bars
  model.matches = 0  # echoes of what followed the halos most like a patch's own
  model.repeats = 0  # first patches back, at most, that a patch may be said to repeat
  model.densities = ()  # notes of a first patch from which on it counts as denser, as 1, 9, 17
  model.returns = False  # whether how much comes again of the echoes is decided before any note
  model.chords = False  # whether the chords of first patches are decided before any note
  model.rhythms = False  # whether it is decided before any note at which steps notes begin
  model.tops = ()  # pitches from which on a first patch counts as higher, as 72, 84
  model.hide = 0.0  # share of the cells that training hides from the levels
  model.head_width = 64
  model.head_depth = 1
  model.qk_norm = True
  model.phrase_bars = 8
  model.num_phrases = 16  # that are told apart, from the song's beginning
  model.mask = 'normal'  # share of patches that a MAR level hides in training
  model.mask_mean = 1.0
  model.mask_std = 0.25
  model.iterations = (16, 16, 16, 16)  # of MAR sampling
  model.attributes = ()
  model.cond_drop = 0.1
  model.dtype = 'float32'
  model.remat = False  # compute blocks twice in training, to save memory
  return model


def set_square(model: ConfigDict):
  """Sets the seed's hierarchy: 16x16, 4x4, single cells.

  Widths, depths and heads, of which each level has one, are the config's to set.
  """
  model.patches = ((16, 16), (4, 4), (1, 1))
  model.generators = ('mar', 'mar', 'mar')
  model.capacities = (0.5, 0.22)
  model.iterations = (64, 16, 16)


def build_model(model: ConfigDict) -> ModelConfig:
  """The frozen config that every module is built from.

  Raises:
    UserError: a value is out of range; the message names the key.
  """
  if not all(isinstance(patch, tuple) and len(patch) == 2 for patch in model.patches):
    raise UserError(
      f'config.model.patches={model.patches}: give (pitches, steps) of each level, as ((72, 16), '
      '(1, 1))'
    )
  num_levels = len(model.patches)
  for key in ('generators', 'widths', 'depths', 'heads', 'iterations'):
    if len(model[key]) != num_levels:
      raise UserError(
        f'config.model.{key}={model[key]} has {len(model[key])} entries and config.model.patches '
        f'has {num_levels}; give one for each level'
      )
  per_level = zip(
    model.patches, model.generators, model.widths, model.depths, model.heads, model.iterations,
    strict=True,
  )  # fmt: skip
  levels = tuple(
    Level(
      patch=tuple(patch),
      generator=generator,
      scan=model.scan,
      width=width,
      depth=depth,
      heads=heads,
      dropout=model.dropout,
      mask=model.mask,
      mask_mean=model.mask_mean,
      mask_std=model.mask_std,
      iterations=iterations,
    )
    for patch, generator, width, depth, heads, iterations in per_level
  )
  return ModelConfig(
    codec=Codec(model.codec, model.low_pitch, model.num_pitches),
    levels=levels,
    capacities=tuple(model.capacities),
    gate=model.gate,
    span=model.span,
    halo=model.halo,
    halo_pitches=model.halo_pitches,
    chord_pitches=model.chord_pitches,
    echoes=tuple(model.echoes),
    matches=model.matches,
    repeats=model.repeats,
    densities=tuple(model.densities),
    tops=tuple(model.tops),
    returns=model.returns,
    chords=model.chords,
    rhythms=model.rhythms,
    hide=model.hide,
    head_width=model.head_width,
    head_depth=model.head_depth,
    qk_norm=model.qk_norm,
    phrase_bars=model.phrase_bars,
    num_phrases=model.num_phrases,
    attributes=tuple(model.attributes),
    cond_drop=model.cond_drop,
    dtype=model.dtype,
    remat=model.remat,
  )


POSITIVE = (
  'num_steps', 'log_every', 'checkpoint_every', 'keep_checkpoints', 'eval_every', 'eval_crops',
  'eval_excerpts', 'eval_samples', 'data.corpus_songs', 'data.batch_size', 'data.crop_steps',
  'optimizer.accumulate', 'optimizer.learning_rate', 'optimizer.clip_norm', 'optimizer.max_skipped',
)  # fmt: skip
SHARES = ('data.beginnings', 'optimizer.final_share', 'optimizer.ema_decay')
BELOW_ONE = ('optimizer.b1', 'optimizer.b2')  # with 1, Adam divides 0 by 0
NOT_NEGATIVE = ('seed', 'data.workers', 'optimizer.warmup_steps', 'optimizer.weight_decay')


def check_ranges(config: ConfigDict):
  """Raises UserError where a number of a run is out of range, with its key and what would do."""
  rules = (
    (POSITIVE, lambda v: v > 0, 'must be positive'),
    (SHARES, lambda v: 0 <= v <= 1, 'must be in [0, 1]'),
    (BELOW_ONE, lambda v: 0 <= v < 1, 'must be in [0, 1)'),
    (NOT_NEGATIVE, lambda v: v >= 0, 'must not be negative'),
  )
  flat = dict(config) | {f'{a}.{b}': config[a][b] for a in ('data', 'optimizer') for b in config[a]}
  for keys, holds, remedy in rules:
    for key in keys:
      if key in flat and not holds(flat[key]):
        raise UserError(f'config.{key}={flat[key]}: {remedy}')
  if len(config.data.transpose) != 2 or config.data.transpose[0] > config.data.transpose[1]:
    raise UserError(f'config.data.transpose={config.data.transpose}: give (lowest, highest)')


def check(config: ConfigDict, num_devices: int) -> ModelConfig:
  """Checks every value and returns the model's frozen config.

  Raises:
    UserError: a value is out of range; the message names the key and what would do.
  """
  check_ranges(config)
  if any(t < 0 for t in config.eval_temperatures):
    raise UserError(f'config.eval_temperatures={config.eval_temperatures}: must not be negative')
  if config.data.damaged not in ('refuse', 'skip'):
    raise UserError(f"config.data.damaged={config.data.damaged}: must be 'refuse' or 'skip'")
  parts = num_devices * config.optimizer.accumulate
  if config.data.batch_size % parts:
    raise UserError(
      f'config.data.batch_size={config.data.batch_size}: must be a multiple of {parts}, the number '
      f'of devices ({num_devices}) times config.optimizer.accumulate'
    )
  model = build_model(config.model)
  model.check_steps(config.data.crop_steps, 'config.data.crop_steps')
  return model
