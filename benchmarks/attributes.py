"""Whether samples have the attributes that are asked for.

For every valid song one sample is drawn from nothing, at temperature 1, with the song's attributes.
Prints of each attribute the correlation of what was asked for with what the samples have, how many
of them are in the bin that was asked for or one beside it, and both means: of [samples, the first
steps of the songs themselves], since a song's beginning need not be like the whole of it, either.

python -m benchmarks.attributes --checkpoint=runs/bars_small --data=data/pop909
"""

import jax
import numpy as np
from absl import flags

from benchmarks import setting
from benchmarks.drawing import draw_each
from benchmarks.obedience import obedience
from fractaljax import command
from fractaljax.data.in_c import read_songs
from fractaljax.errors import UserError
from fractaljax.mesh import data_parallel
from fractaljax.music.attributes import attribute_ids
from fractaljax.music.excerpt import beginnings
from fractaljax.music.notes import Song
from fractaljax.sampling import known
from fractaljax.training.trained import Trained, load

_CHECKPOINT = flags.DEFINE_string('checkpoint', 'runs/bars_small', 'folder of a training run')
_STEPS = flags.DEFINE_integer('steps', 512, 'length of each sample', lower_bound=64)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 8, 'samples at a time', lower_bound=1)


def draw_like(trained: Trained, ids_SxA: np.ndarray, num_steps: int) -> list[Song]:
  """A sample with each of the attributes."""
  config = trained.model.config
  nothing = known.nothing(config, num_steps)
  crops = [nothing._replace(attributes_A=ids_A) for ids_A in ids_SxA]
  tokens_SxPxT = draw_each(trained, crops, _BATCH_SIZE.value)
  return [Song(config.codec.decode(x_PxT), num_steps) for x_PxT in tokens_SxPxT]


def main(_):
  trained = load(_CHECKPOINT.value, data_parallel(jax.devices()))
  names = trained.model.config.attributes
  if not names:
    raise UserError(f'--checkpoint={_CHECKPOINT.value}: the model has no attributes')
  trained.model.config.check_steps(_STEPS.value, '--steps')
  songs = list(read_songs(setting.DATA.value, 'valid', trained.config.data.in_c))
  samples = draw_like(trained, np.stack([attribute_ids(s, names) for s in songs]), _STEPS.value)
  first = beginnings(songs, _STEPS.value)
  setting.report(
    benchmark='attributes', step=trained.step, steps=_STEPS.value, songs=len(songs),
    **{
      name: [obedience(name, songs, found) for found in (samples, first)]
      for name in names
      if name != 'tempo'  # which notes do not tell
    },
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
