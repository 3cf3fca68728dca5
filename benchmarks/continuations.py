"""How a model goes on from real songs: whether it repeats what was heard as songs do.

Of every excerpt of the valid songs the first steps are given, and the rest is sampled at
temperature 1. Prints, for each bar of it, how much of the bar is as in the most similar bar before,
and in those 4 and 8 bars before (Jaccard overlap of the onsets): of [samples, songs]. Where a model
falls short in the very first bar, the cause is not that it drifts away from songs. And which share
of the bars begins to repeat a bar before, by half or more, and which goes on with a repeat. Shorter
excerpts are more of them: for the first three bars, add --steps=304.

python -m benchmarks.continuations --checkpoint=runs/bars_small --data=data/pop909
"""

from collections.abc import Sequence

import jax
import numpy as np
from absl import flags

from benchmarks import setting
from benchmarks.drawing import draw_each
from fractaljax import command
from fractaljax.data import pipeline
from fractaljax.data.reference import read_reference
from fractaljax.errors import UserError
from fractaljax.mesh import data_parallel
from fractaljax.model.config import ModelConfig
from fractaljax.music.crop import Crop
from fractaljax.music.notes import Song
from fractaljax.music.repetition import overlaps
from fractaljax.sampling import known
from fractaljax.training.trained import load

_CHECKPOINT = flags.DEFINE_string('checkpoint', 'runs/bars_small', 'folder of a training run')
_STEPS = flags.DEFINE_integer('steps', 512, 'length of an excerpt', lower_bound=256)
_KNOWN = flags.DEFINE_integer('known', 256, 'steps of it that are given', lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 16, 'excerpts at a time', lower_bound=1)
STEPS_PER_BAR = 16
REPEAT = 0.5  # what a bar has in common with one that it repeats, at least


def beginning_of(config: ModelConfig, crop: Crop, known_steps: int) -> Crop:
  """What is given of a crop: its first steps, and the attributes of just these."""
  song = Song(config.codec.decode(crop.tokens_PxT), len(crop.valid_T))
  is_known_T = np.arange(len(crop.valid_T)) < known_steps
  return crop._replace(
    tokens_PxT=np.where(is_known_T, crop.tokens_PxT, config.codec.unknown).astype(np.int32),
    attributes_A=known.of_beginning(config, song, known_steps),
  )


def by_bar(songs: Sequence[Song], first_bar: int) -> dict[str, list[float]]:
  """Means over songs of how much each bar from `first_bar` on has in common with earlier ones.

  A bar goes on with a repeat if the bar before it repeats that before the bar it repeats.
  """
  num_bars = min(song.num_bars for song in songs)
  # That of a bar and the one `lag` before it, at [song, bar, lag].
  overlap_NxBxB = np.full((len(songs), num_bars, num_bars), np.nan)
  for n, song in enumerate(songs):
    for lag in range(1, num_bars):
      overlap_NxBxB[n, lag:, lag] = overlaps(song, lag)[: num_bars - lag]
  known_NxBxB = np.nan_to_num(overlap_NxBxB)
  repeats_NxBxB = known_NxBxB >= REPEAT
  goes_on_NxBxB = repeats_NxBxB & np.roll(repeats_NxBxB, 1, axis=1)
  goes_on_NxB = goes_on_NxBxB.any(axis=2)
  found = {
    'most_similar': known_NxBxB.max(axis=2),
    '4_bars_before': overlap_NxBxB[:, :, 4],
    '8_bars_before': overlap_NxBxB[:, :, 8],
    'begins': repeats_NxBxB.any(axis=2) & ~goes_on_NxB,
    'goes_on': goes_on_NxB,
  }
  return {
    name: np.nanmean(x_NxB[:, first_bar:], axis=0).round(3).tolist()
    for name, x_NxB in found.items()
  }


def main(_):
  num_steps = _STEPS.value
  if num_steps <= _KNOWN.value or _KNOWN.value % STEPS_PER_BAR:
    raise UserError(
      f'--known={_KNOWN.value}: must be whole bars of {STEPS_PER_BAR} steps, and fewer than --steps'
    )
  trained = load(_CHECKPOINT.value, data_parallel(jax.devices()))
  config = trained.model.config
  config.check_steps(num_steps, '--steps')
  reference = read_reference(setting.DATA.value, trained.config.data.in_c)
  inputs = config.codec, num_steps, config.halo, config.attributes
  songs = [song for song in reference.songs if song.steps_per_bar == STEPS_PER_BAR]
  crops = [crop for crop in pipeline.windows(songs, *inputs) if crop.valid_T.all()]
  first_bar = _KNOWN.value // STEPS_PER_BAR
  given = [beginning_of(config, crop, _KNOWN.value) for crop in crops]
  sampled = draw_each(trained, given, _BATCH_SIZE.value)
  samples, songs = (
    by_bar([Song(config.codec.decode(x_PxT), num_steps) for x_PxT in rolls], first_bar)
    for rolls in (sampled, [crop.tokens_PxT for crop in crops])
  )
  setting.report(
    benchmark='continuations', step=trained.step, steps=num_steps, known=_KNOWN.value,
    excerpts=len(crops),
    **{name: [samples[name], songs[name]] for name in samples},
    means={name: [round(float(np.mean(x[name])), 3) for x in (samples, songs)] for name in samples},
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
