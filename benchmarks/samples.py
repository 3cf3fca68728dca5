"""Samples of a trained model beside the songs it has not seen: the same figures for both.

The samples are drawn at temperature 1 with nothing known; the songs are cut into excerpts of the
same length, from anywhere. `ceiling` is what excerpts of training songs reach in the place of the
samples. Samples are beginnings, and a second table has them beside those of the songs. Notes a
second count samples at the tempo that they are said to have, or at 120 quarters a minute, as
`sample` writes them. Of [samples, songs, beginnings of the training songs] `by_quarter` has the
means in each quarter, whether samples drift, and `grooves` how alike in rhythm a bar is to those 1,
2, 4 and 8 before it.

python -m benchmarks.samples --checkpoint=runs/bars_small --data=data/pop909
"""

import functools
from collections.abc import Sequence

import jax
from absl import flags

from benchmarks import setting
from fractaljax import command
from fractaljax.data.reference import read_reference
from fractaljax.mesh import data_parallel
from fractaljax.music.comparison import compare
from fractaljax.music.excerpt import beginnings, excerpts
from fractaljax.music.metrics import FIGURES, Figure, mean, values_of
from fractaljax.music.notes import Song
from fractaljax.music.repetition import groove_similarity
from fractaljax.sampling import known
from fractaljax.sampling.draw import as_songs, draw
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.training.trained import load

_CHECKPOINT = flags.DEFINE_string('checkpoint', None, 'folder of a training run', required=True)
_NUM = flags.DEFINE_integer('num', 200, 'samples', lower_bound=1)
_STEPS = flags.DEFINE_integer('steps', 512, 'length of each, at least 4 bars', lower_bound=64)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 8, 'samples at a time', lower_bound=1)
_TRIES = flags.DEFINE_integer(
  'tries', 6, 'times a bar is drawn, at most, until it is as was said', 1
)
_SEED = flags.DEFINE_integer('seed', 0, 'sample i is a function of the seed and i')

WATCHED = ('notes_per_bar', 'pitch_mean', 'pitch_std', 'in_key_share', 'velocity_mean')


def by_quarter(songs: Sequence[Song], num_steps: int) -> dict[str, list[float]]:
  """Means of figures in each quarter of the excerpts of `num_steps`, by name."""
  each = [excerpts([piece], num_steps // 4) for piece in excerpts(songs, num_steps)]
  quarters = [[pieces[k] for pieces in each if k < len(pieces)] for k in range(4)]
  return {
    name: [round(mean(values_of(FIGURES[name], quarter)), 4) for quarter in quarters]
    for name in WATCHED
  }


def grooves(songs: Sequence[Song], num_steps: int) -> list[float]:
  """Mean groove similarity, in the excerpts of `num_steps`, of bars 1, 2, 4 and 8 apart."""
  each = [Figure(functools.partial(groove_similarity, lag=lag)) for lag in (1, 2, 4, 8)]
  return [round(mean(values_of(figure, excerpts(songs, num_steps))), 4) for figure in each]


def main(_):
  placement = data_parallel(jax.devices())
  trained = load(_CHECKPOINT.value, placement)
  reference = read_reference(setting.DATA.value, trained.config.data.in_c)
  config = trained.model.config
  drawn = draw(
    trained.model, trained.params, Plan(tries=_TRIES.value), make_knobs(config),
    known.nothing(config, _STEPS.value), _NUM.value, _BATCH_SIZE.value, _SEED.value, placement,
  )  # fmt: skip
  samples = as_songs(drawn.tokens_BxPxT, drawn.attributes_BxA, config)
  comparison, first = (
    compare(samples, reference.songs, reference.train, _STEPS.value, cut)
    for cut in (excerpts, beginnings)
  )
  started = beginnings(reference.train or reference.songs, _STEPS.value)
  three = samples, reference.songs, started
  print(comparison.table(), first.table(), sep='\n\n')
  setting.report(
    benchmark='samples', step=trained.step, steps=_STEPS.value, tries=_TRIES.value,
    seconds=drawn.seconds,
    by_quarter=[by_quarter(songs, _STEPS.value) for songs in three],
    grooves=[grooves(songs, _STEPS.value) for songs in three],
    **comparison.summary(), beginnings=first.summary(),
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
