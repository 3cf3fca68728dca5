"""Whether samples keep to their form: what bars were said to be, and what their notes are.

Draws samples from nothing, at temperature 1. Prints which share of the bars repeat one, in each
quarter of their length: as it is said of --forms samples, first of those that are drawn, as the
notes of these do, as the notes of the valid songs do in excerpts of that length, and of the
training songs in their beginnings. Of the bars that are said to repeat one, how many do so at the
lag that was said, by how many eighths of the notes were said to come again; and how many eighths
do, on average. Then the notes a bar, in each quarter; and by the density that was said, from how
many notes on, in how many bars it was, how many bars of the songs have it, how many of the first
do, and their notes; and how many first bars have each density, as it is said of --forms samples and
in the beginnings of the training songs. By the top that was said the same of the pitches of the
highest notes, and by what was said to return of each echo the same of the eighths of their notes
that both have in common. Then, if the model says chords, the share of bars that have the chord that
was said; and the share that has that of so many bars before, as it was said of the samples and by
the notes of all. If it says rhythms, the same of these, and of single steps whether they are struck
as those of so many bars before.

python -m benchmarks.forms --checkpoint=runs/bars_small --data=data/pop909
"""

import functools
from collections.abc import Sequence

import jax
import numpy as np
from absl import flags

from benchmarks import setting
from benchmarks.kept import by_bin, by_quarter, common_eighths, in_bins, kept, same_again
from fractaljax import command
from fractaljax.data.reference import read_reference
from fractaljax.errors import UserError
from fractaljax.mesh import data_parallel
from fractaljax.model import chord, returns, rhythm
from fractaljax.model.config import ModelConfig
from fractaljax.model.density import bin_of, num_notes
from fractaljax.model.fractal import Fractal
from fractaljax.model.repeat import NUM_EIGHTHS, lag_of, of_rolls
from fractaljax.model.top import highest_rows
from fractaljax.music.crop import Crop
from fractaljax.music.excerpt import beginnings, excerpts
from fractaljax.music.notes import Song
from fractaljax.sampling import known
from fractaljax.sampling.decision import Decoder
from fractaljax.sampling.draw import draw
from fractaljax.sampling.job import numbered_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.retry import PARTS
from fractaljax.sampling.whole import decide_whole
from fractaljax.training.trained import Trained, load

_CHECKPOINT = flags.DEFINE_string('checkpoint', 'runs/bars_small', 'folder of a training run')
_NUM = flags.DEFINE_integer('num', 64, 'samples', lower_bound=1)
_FORMS = flags.DEFINE_integer(
  'forms', 512, 'samples of which is said what repeats, with or without notes', lower_bound=1
)
_STEPS = flags.DEFINE_integer('steps', 512, 'length of each', lower_bound=64)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 8, 'samples at a time', lower_bound=1)
_TRIES = flags.DEFINE_integer(
  'tries', 6, 'times a bar is drawn, at most, until it is as was said', 1
)
_SEED = flags.DEFINE_integer('seed', 0, 'sample i is a function of the seed and i')


@functools.partial(jax.jit, static_argnums=0)
def _said(model: Fractal, params, crop, noise, knobs):
  job, _ = decide_whole(Decoder(model, params, knobs, Plan()), crop, noise)
  return {name: getattr(job.region, name) for name in (*PARTS, 'rhythm_NxL')}


def said_forms(trained: Trained, num: int, nothing: Crop) -> dict[str, np.ndarray | None]:
  """What the sampler says that bars repeat, and so on, fields of `Region`, of the first samples."""
  config, num_steps = trained.model.config, nothing.valid_T.shape[0]

  def batch(number_N):
    crop_N = jax.tree.map(lambda x: np.repeat(x[None], len(number_N), axis=0), nothing)
    noise = numbered_noise(config, _SEED.value, number_N, num_steps)
    return _said(trained.model, trained.params, crop_N, noise, make_knobs(config))

  batches = [batch(np.arange(first, min(first + 64, num))) for first in range(0, num, 64)]
  return jax.tree.map(lambda *parts: np.concatenate(parts), *batches)


def rolls_of(songs: Sequence[Song], num_steps: int, config: ModelConfig) -> np.ndarray:
  """Those of the songs that are so long."""
  whole = [song for song in songs if song.num_steps == num_steps]
  return np.stack([config.codec.encode(song.notes_Nx4, num_steps) for song in whole])


def highest_pitches(tokens_NxPxT: np.ndarray, config: ModelConfig) -> np.ndarray:
  """Pitches of the highest notes of bars, (N, L); NaN in those without any."""
  row_NxL = np.asarray(highest_rows(tokens_NxPxT, config))
  return np.where(row_NxL < 0, np.nan, config.codec.low + row_NxL)


def by_echo(said_NxL, found_NxPxT, songs_NxPxT, config: ModelConfig):
  """By how many bars before each echo is: `by_bin` of what was said to return of it."""
  table, eighths_NxLxE = {}, np.asarray(returns.eighths_of(said_NxL, config))
  for e, lag in enumerate(returns.lags(config)):
    common = (
      common_eighths(x_NxPxT, np.full((len(x_NxPxT), said_NxL.shape[1]), lag), config)
      for x_NxPxT in (found_NxPxT, songs_NxPxT)
    )
    table[lag] = by_bin(eighths_NxLxE[..., e], *common, tuple(range(1, NUM_EIGHTHS)))
  return table


def as_said(said_NxL, own: dict[str, np.ndarray]) -> dict[str, float]:
  """The share of the bars that have what was said."""
  return {'kept': round(float((np.asarray(own['found']) == said_NxL).mean()), 3)}


def again(each: dict[str, np.ndarray]) -> dict[str, dict[int, float]]:
  """`same_again` of what was said and of what all have."""
  return {name: same_again(np.asarray(x_NxLx)) for name, x_NxLx in each.items()}


def main(_):
  trained = load(_CHECKPOINT.value, data_parallel(jax.devices()))
  model, config = trained.model, trained.model.config
  if not config.repeats:
    raise UserError(f'--checkpoint={_CHECKPOINT.value}: the model says no form')
  num_steps, nothing = _STEPS.value, known.nothing(config, _STEPS.value)
  reference = read_reference(setting.DATA.value, trained.config.data.in_c)
  drawn = draw(
    model, trained.params, Plan(tries=_TRIES.value), make_knobs(config), nothing, _NUM.value,
    _BATCH_SIZE.value, _SEED.value, trained.placement,
  )  # fmt: skip
  forms = said_forms(trained, max(_FORMS.value, _NUM.value), nothing)
  said = jax.tree.map(lambda x: x[: _NUM.value], forms)
  said_NxL = said['repeat_NxL']
  rolls = {
    'found': drawn.tokens_BxPxT,
    'songs': rolls_of(excerpts(reference.songs, num_steps), num_steps, config),
    'beginnings': rolls_of(beginnings(reference.train, num_steps), num_steps, config),
  }
  found = {name: np.asarray(of_rolls(x_NxPxT, config)) for name, x_NxPxT in rolls.items()}
  notes = {name: num_notes(x_NxPxT, config) for name, x_NxPxT in rolls.items()}
  common_NxL = common_eighths(drawn.tokens_BxPxT, lag_of(said_NxL), config)
  shares = {
    name: by_quarter(x_NxL > 0) for name, x_NxL in {'said': forms['repeat_NxL'], **found}.items()
  }
  densities = first_bars = tops = returning = chords = rhythms = None
  if config.densities:
    densities = by_bin(said['density_NxL'], notes['found'], notes['songs'], config.densities)
    own_NxL = bin_of(notes['beginnings'], config.densities)
    first_bars = {
      name: in_bins(bin_NxL[:, 0], config.densities)
      for name, bin_NxL in {'said': forms['density_NxL'], 'beginnings': own_NxL}.items()
    }
  if config.tops:
    highest = (highest_pitches(rolls[name], config) for name in ('found', 'songs'))
    tops = by_bin(said['top_NxL'], *highest, config.tops)
  if config.returns:
    returning = by_echo(said['return_NxL'], rolls['found'], rolls['songs'], config)
  if config.chords:
    own = {name: chord.of_rolls(x_NxPxT, config) for name, x_NxPxT in rolls.items()}
    chords = as_said(said['chord_NxL'], own) | again({'said': forms['chord_NxL'], **own})
  if config.rhythms:
    own = {name: rhythm.of_rolls(x_NxPxT, config) for name, x_NxPxT in rolls.items()}
    steps = np.arange(config.levels[0].patch[1])
    bits = {
      name: rhythm.bits_of(np.asarray(x_NxL), steps)
      for name, x_NxL in {'said': forms['rhythm_NxL'], **own}.items()
    }
    rhythms = as_said(said['rhythm_NxL'], own) | again(bits)
  setting.report(
    benchmark='forms', step=trained.step, steps=num_steps, forms=len(forms['repeat_NxL']),
    samples=_NUM.value, tries=_TRIES.value, **shares,
    kept=kept(said_NxL, found['found'], common_NxL),
    unsaid=round(float((found['found'] > 0)[said_NxL == 0].mean()), 3),
    notes={name: by_quarter(x_NxL) for name, x_NxL in notes.items()}, densities=densities,
    first_bars=first_bars, tops=tops, returns=returning, chords=chords,
    rhythms=rhythms,
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
