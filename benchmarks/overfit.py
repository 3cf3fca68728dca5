"""Learning one song by heart: the beginning goes in, the rest must come out.

Trains on the first 8 bars of one song and continues its first 2 bars at temperature 0. Prints the
share of the notes of the other 6 bars (onset and pitch) that come back.

python -m benchmarks.overfit --data=data/pop909
"""

import dataclasses

import jax
import numpy as np
from absl import flags
from ml_collections import config_flags
from tqdm import tqdm

from benchmarks import setting
from fractaljax import command
from fractaljax.data.pipeline import training_batches
from fractaljax.data.records import Songs
from fractaljax.mesh import data_parallel
from fractaljax.music.notes import DURATION, ONSET, PITCH
from fractaljax.sampling import known
from fractaljax.sampling.draw import draw
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.training.optimizer import make_optimizer

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/demo.py', 'the model')
_SONG = flags.DEFINE_integer('song', 0, 'its number in the training songs')
_UPDATES = flags.DEFINE_integer('updates', 400, 'training steps', lower_bound=1)
BARS, PROMPT_BARS = 8, 2


def learn(config, song, num_steps: int):
  """The model after training on the first steps of a song alone."""
  config.model.dropout, config.data.crop_steps = 0.0, num_steps
  model, optimizer = setting.build(config), make_optimizer(config.optimizer, _UPDATES.value)
  # A song of so many steps has one crop.
  heard_N = song.notes_Nx4[:, ONSET] < num_steps
  beginning = dataclasses.replace(song, notes_Nx4=song.notes_Nx4[heard_N], num_steps=num_steps)
  c = model.config
  batch = next(
    training_batches([beginning], c.codec, 1, num_steps, c.halo, (0, 0), c.attributes, 0)
  )
  state = setting.initial_state(model, optimizer)
  step = setting.update(config, model, optimizer)
  for _ in tqdm(range(_UPDATES.value), desc='learning'):
    state, metrics = step(state, batch)
  return model, state.params, float(metrics['bits_per_note'])


def same_notes(found_Nx4, song_Nx4, columns) -> float:
  """Share of the song's notes that are among those found."""
  found = {tuple(row) for row in found_Nx4[:, columns].tolist()}
  return float(np.mean([tuple(row) in found for row in song_Nx4[:, columns].tolist()]))


def main(_):
  song = Songs(setting.DATA.value, 'train')[_SONG.value]
  prompt_steps, num_steps = PROMPT_BARS * song.steps_per_bar, BARS * song.steps_per_bar
  model, params, bits = learn(_CONFIG.value, song, num_steps)
  crop = known.beginning(model.config, song, prompt_steps, num_steps)
  knobs, placement = make_knobs(model.config, 0.0), data_parallel(jax.devices()[:1])
  drawn = draw(model, params, Plan(), knobs, crop, 1, 1, 0, placement)
  found_Nx4 = model.config.codec.decode(drawn.tokens_BxPxT[0])
  onset_N = song.notes_Nx4[:, ONSET]
  rest_Nx4 = song.notes_Nx4[(onset_N >= prompt_steps) & (onset_N < num_steps)]
  found_Nx4 = found_Nx4[found_Nx4[:, ONSET] >= prompt_steps]
  setting.report(
    benchmark='overfit', song=song.source, updates=_UPDATES.value, bits_per_note=bits,
    notes=len(rest_Nx4), notes_found=len(found_Nx4),
    reproduced=same_notes(found_Nx4, rest_Nx4, [ONSET, PITCH]),
    reproduced_with_duration=same_notes(found_Nx4, rest_Nx4, [ONSET, PITCH, DURATION]),
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
