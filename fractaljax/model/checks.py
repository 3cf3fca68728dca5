"""What a model's config must be, so that there is a model of it."""

from fractaljax.errors import UserError
from fractaljax.music.attributes import num_ids

# Of a first patch whose rhythm is said: a half of them has 2^8 rhythms.
MOST_STEPS = 16


def _require(condition: bool, key: str, value, remedy: str):
  if not condition:
    raise UserError(f'config.model.{key}={value}: {remedy}')


def check_model(config):
  """Raises UserError where a `ModelConfig` is no model, with the key and the remedy."""
  num_pitches = config.codec.num_pitches
  _require(len(config.levels) > 0, 'patches', (), 'give at least one')
  outer = (num_pitches, None)
  for i, level in enumerate(config.levels):
    _check_level(level, outer, i)
    outer = level.patch
  _require(outer == (1, 1), f'patches[{i}]', outer, 'the last patch must be one cell, (1, 1)')
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
  _require(
    len(set(config.attributes)) == len(config.attributes),
    'attributes',
    config.attributes,
    'give each once',
  )


def _check_context(config):
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
  is_bars = first.upwards and config.is_whole(first.patch) and len(config.levels) > 1
  _require(
    config.repeats == 0 or (config.repeats > 0 and is_bars),
    'repeats',
    config.repeats,
    'must be 0 (off), or a number with more levels than one, of which the first is AR in time and '
    'has patches of all pitches',
  )
  _require(
    not config.returns or (config.repeats > 0 and _are_bars(config.echoes, first.patch[1])),
    'returns',
    config.returns,
    'must be False, or with a form that they follow and echoes of whole first patches; set '
    f'config.model.repeats, and config.model.echoes to 1 to 4 multiples of {first.patch[1]}',
  )
  _require(
    not config.chords or config.repeats > 0,
    'chords',
    config.chords,
    'must be False, or with a form that they follow; set config.model.repeats',
  )
  steps = first.patch[1]
  _require(
    not config.rhythms or (config.repeats > 0 and steps % 2 == 0 and steps <= MOST_STEPS),
    'rhythms',
    config.rhythms,
    'must be False, or with a form that they follow and an even number of steps, up to '
    f'{MOST_STEPS}, in the first patch, not {steps}; set config.model.repeats',
  )
  edges = config.densities
  _require(
    not edges or (edges[0] > 0 and sorted(set(edges)) == list(edges) and config.repeats > 0),
    'densities',
    edges,
    'must be () (off), or rising numbers of notes from 1 with a form that they are part of; set '
    'config.model.repeats',
  )
  edges, lowest = config.tops, config.codec.low
  is_inside = all(lowest < pitch < lowest + config.codec.num_pitches for pitch in edges)
  _require(
    not edges or (is_inside and sorted(set(edges)) == list(edges) and config.repeats > 0),
    'tops',
    edges,
    f'must be () (off), or rising pitches within {lowest + 1} .. '
    f'{lowest + config.codec.num_pitches - 1} with a form that they are part of; set '
    'config.model.repeats',
  )


def _are_bars(echoes, steps: int) -> bool:
  return 0 < len(echoes) <= 4 and all(echo % steps == 0 for echo in echoes)


def _check_level(level, outer, i: int):
  patch_p, patch_t = level.patch
  outer_p, outer_t = outer
  _require(
    min(level.patch) > 0 and outer_p % patch_p == 0 and (outer_t or patch_t) % patch_t == 0,
    f'patches[{i}]',
    level.patch,
    f'must divide what it splits, {outer_p} pitches' + (f' x {outer_t} steps' if outer_t else ''),
  )
  _require(level.generator in ('ar', 'mar'), f'generators[{i}]', level.generator, "'ar' or 'mar'")
  _require(level.scan in ('time', 'pitch'), 'scan', level.scan, "'time' or 'pitch'")
  _require(level.mask in ('normal', 'uniform'), 'mask', level.mask, "'normal' or 'uniform'")
  for key, value in (
    (f'widths[{i}]', level.width),
    (f'depths[{i}]', level.depth),
    (f'heads[{i}]', level.heads),
    (f'iterations[{i}]', level.iterations),
    ('mask_std', level.mask_std),
  ):
    _require(value > 0, key, value, 'must be positive')
  _require(
    level.width % level.heads == 0,
    f'widths[{i}]',
    level.width,
    f'must be a multiple of its heads ({level.heads})',
  )
  _require(0 <= level.dropout < 1, 'dropout', level.dropout, 'must be in [0, 1)')
  _require(0 <= level.mask_mean <= 1, 'mask_mean', level.mask_mean, 'must be in [0, 1]')
