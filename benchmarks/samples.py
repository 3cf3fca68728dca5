"""Samples of a trained model beside the songs it has not seen: the same figures for both.

python -m benchmarks.samples --checkpoint=runs/bars_small --data=data/pop909
"""

import jax
from absl import flags

from benchmarks import setting
from fractaljax import command
from fractaljax.data.in_c import read_songs
from fractaljax.mesh import data_parallel
from fractaljax.music.metrics import statistics
from fractaljax.sampling import known
from fractaljax.sampling.draw import draw
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.training.trained import load

_CHECKPOINT = flags.DEFINE_string('checkpoint', None, 'folder of a training run', required=True)
_NUM = flags.DEFINE_integer('num', 32, 'samples', lower_bound=1)
_STEPS = flags.DEFINE_integer('steps', 512, 'length of each')


def main(_):
  placement = data_parallel(jax.devices())
  trained = load(_CHECKPOINT.value, placement)
  songs = read_songs(setting.DATA.value, 'valid', trained.config.data.in_c)
  config = trained.model.config
  crop = known.nothing(config, _STEPS.value)
  knobs = make_knobs(config)
  drawn = draw(trained.model, trained.params, Plan(), knobs, crop, _NUM.value, 8, 0, placement)
  samples = statistics([(config.codec.decode(x), _STEPS.value, 16) for x in drawn.tokens_BxPxT])
  held_out = [songs[i] for i in range(len(songs))]
  data = statistics([(song.notes_Nx4, song.num_steps, song.steps_per_bar) for song in held_out])
  setting.report(
    benchmark='samples', step=trained.step, samples=_NUM.value, seconds=drawn.seconds,
    **{name: [round(samples[name], 3), round(data[name], 3)] for name in samples},
    ratios={
      name: round(samples[name] / data[name], 3)
      for name in ('notes_per_bar', 'pitch_std', 'in_key_share', 'polyphony', 'duration_mean')
    },
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
