"""Variants of a small model of POP909, trained for as many FLOPs each.

Prints bits per note of the valid songs and their parts: when and what, how long, how loud; a bound
(<=) where a level is masked. Songs are scored in windows as long as the crops of training.

python -m benchmarks.pop909 --data=data/pop909 --gflop=20000
"""

from absl import flags

from benchmarks import setting, variant
from configs import bars_small
from fractaljax import command
from fractaljax.data.in_c import read_songs
from fractaljax.model.trunk import num_parameters

# Forms are of bars, which must be patches of an AR level.
NO_FORM = {
  'model.repeats': 0,
  'model.densities': (),
  'model.tops': (),
  'model.returns': False,
  'model.chords': False,
}
# Three levels of 12x16, 4x4 and 1x1; about as many parameters as bars_small has without form.
SQUARE = NO_FORM | {
  'model.patches': ((12, 16), (4, 4), (1, 1)),
  'model.capacities': (0.7, 0.35),
  'model.widths': (192, 160, 96),
  'model.depths': (4, 3, 2),
  'model.heads': (6, 5, 3),
  'model.iterations': (16, 16, 16),
}
VARIANTS = {
  'musical, ar': {},
  'musical, ar, no echoes, matches, form': NO_FORM | {'model.echoes': (), 'model.matches': 0},
  'musical, ar, no form': NO_FORM,
  'musical, ar, no densities': {'model.densities': ()},
  'musical, ar, no tops': {'model.tops': ()},
  'musical, ar, no returns': {'model.returns': False},
  'musical, ar, no chords': {'model.chords': False},
  'musical, ar, rhythms': {'model.rhythms': True},
  'musical, ar, no matches': {'model.matches': 0},
  'musical, ar, no pitches around': {'model.halo_pitches': 0, 'model.chord_pitches': 0},
  'musical, ar, no gate': {'model.gate': False},
  'musical, ar, crops of 128': {'data.crop_steps': 128, 'data.batch_size': 4},
  'musical, mar': NO_FORM | {'model.generators': ('mar',) * 4},
  'musical, ar above, mar below': {'model.generators': ('ar', 'ar', 'mar', 'mar')},
  'square, ar': SQUARE | {'model.generators': ('ar',) * 3},
  'square, mar': SQUARE | {'model.generators': ('mar',) * 3},
  'square, mar above, ar below': SQUARE | {'model.generators': ('mar', 'ar', 'ar')},
}
_GFLOP = flags.DEFINE_float('gflop', 20_000.0, 'of training, each variant, by XLA`s count')
_VARIANTS = flags.DEFINE_multi_string('variant', list(VARIANTS), 'by name; all by default')


def main(_):
  for name in _VARIANTS.value:
    config = bars_small.get_config()
    config.update_from_flattened_dict(VARIANTS[name])
    trained, cost = variant.train(config, name, gflop=_GFLOP.value)
    found = trained.score(read_songs(setting.DATA.value, 'valid', config.data.in_c))
    setting.report(
      benchmark='pop909', variant=name, bits_per_note=found.bits_per_note,
      kind='exact' if trained.model.config.exact else 'bound', **found.bits_per_note_by_part,
      **cost._asdict(), parameters=num_parameters(trained.params), seed=config.seed,
    )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
