"""How a model goes on from real songs: whether it repeats what was heard as songs do.

Of every excerpt of the valid songs the first half is given, and the second is sampled at
temperature 1. Prints, for each bar of it, how much of the bar is as in the most similar bar before,
and in those 4 and 8 bars before (Jaccard overlap of the onsets): of [samples, songs]. Where a model
falls short in the very first bar, the cause is not that it drifts away from songs.

python -m benchmarks.continuations --checkpoint=runs/bars_small --data=data/pop909
"""

from collections.abc import Sequence

import jax
import numpy as np
from absl import flags
from tqdm import tqdm

from benchmarks import setting
from fractaljax import command
from fractaljax.data.reference import read_reference
from fractaljax.mesh import data_parallel
from fractaljax.music.crop import Crop, cut, stack
from fractaljax.music.notes import ONSET, PITCH
from fractaljax.sampling.draw import make_drawing
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.training.trained import Trained, load

_CHECKPOINT = flags.DEFINE_string('checkpoint', 'runs/bars_small', 'folder of a training run')
_STEPS = flags.DEFINE_integer('steps', 512, 'length of an excerpt, 32 bars or so', lower_bound=256)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 16, 'excerpts at a time', lower_bound=1)
STEPS_PER_BAR = 16


def go_on(trained: Trained, crops: Sequence[Crop], known_steps: int) -> np.ndarray:
  """The crops' tokens, those after `known_steps` sampled."""
  config, each = trained.model.config, min(_BATCH_SIZE.value, len(crops))
  program = make_drawing(trained.model, Plan(), 0, trained.placement)
  rolls = []
  for start in tqdm(range(0, len(crops), each), desc='sampling', unit='batch'):
    number_B = np.minimum(np.arange(start, start + each), len(crops) - 1)
    batch = stack([crops[i] for i in number_B])
    is_known_T = np.arange(batch.tokens_PxT.shape[2]) < known_steps
    tokens_BxPxT = np.where(is_known_T, batch.tokens_PxT, config.codec.unknown).astype(np.int32)
    batch = batch._replace(tokens_PxT=tokens_BxPxT)
    rolls.append(program(trained.params, batch, number_B, make_knobs(config)))
  return np.concatenate(jax.device_get(rolls))[: len(crops)]


def similarities(notes_Nx4: np.ndarray, num_steps: int) -> np.ndarray:
  """Of each two bars, the Jaccard overlap of their onsets; NaN where both are silent."""
  onset_TxP = np.zeros((num_steps, 128), bool)
  onset_TxP[notes_Nx4[:, ONSET], notes_Nx4[:, PITCH]] = True
  onset_BxC = onset_TxP.reshape(num_steps // STEPS_PER_BAR, -1).astype(int)
  both_BxB, count_B = onset_BxC @ onset_BxC.T, onset_BxC.sum(axis=1)
  with np.errstate(invalid='ignore'):
    return both_BxB / (count_B[:, None] + count_B - both_BxB)


def by_bar(rolls: np.ndarray, codec, first_bar: int) -> dict[str, list[float]]:
  """Means over rolls of how much each bar from `first_bar` on has in common with earlier ones."""
  num_steps = rolls.shape[2]
  alike_NxBxB = np.stack([similarities(codec.decode(x), num_steps) for x in rolls])
  bars = range(first_bar, num_steps // STEPS_PER_BAR)
  found = {
    'most_similar': [np.nanmax(np.nan_to_num(alike_NxBxB[:, b, :b]), axis=1) for b in bars],
    '4_bars_before': [alike_NxBxB[:, b, b - 4] for b in bars],
    '8_bars_before': [alike_NxBxB[:, b, b - 8] for b in bars],
  }
  return {name: [round(float(np.nanmean(x)), 3) for x in each] for name, each in found.items()}


def main(_):
  trained = load(_CHECKPOINT.value, data_parallel(jax.devices()))
  config, num_steps = trained.model.config, _STEPS.value
  config.check_steps(num_steps, '--steps')
  reference = read_reference(setting.DATA.value, trained.config.data.in_c)
  crops = [
    cut(song, config.codec, start, num_steps, config.halo, attributes=config.attributes)
    for song in reference.songs
    if song.steps_per_bar == STEPS_PER_BAR
    for start in range(0, song.num_steps - num_steps + 1, num_steps)
  ]
  first_bar = num_steps // STEPS_PER_BAR // 2
  samples = by_bar(go_on(trained, crops, first_bar * STEPS_PER_BAR), config.codec, first_bar)
  songs = by_bar(np.stack([crop.tokens_PxT for crop in crops]), config.codec, first_bar)
  setting.report(
    benchmark='continuations', step=trained.step, steps=num_steps, excerpts=len(crops),
    **{name: [samples[name], songs[name]] for name in samples},
    means={name: [round(float(np.mean(x[name])), 3) for x in (samples, songs)] for name in samples},
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
