"""A REMI transformer: python -m fractaljax.baselines.remi --data=data/mine --workdir=runs/remi.

Trains for some minutes, or goes on after a stop, and prints the likelihood of the valid songs in
the fractal's terms; with --sample=N --output=DIR it writes music by the trained model instead.
"""

import json
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from fractaljax import command
from fractaljax.baselines.config import base, settle
from fractaljax.errors import UserError
from fractaljax.training.interrupt import Interrupt

_CONFIG = config_flags.DEFINE_config_dict('config', base(), 'the model and its training')
_DATA = flags.DEFINE_string('data', None, 'what prepare wrote; to train and score')
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'folder of the run; goes on from what is there', required=True
)
_IN_C = flags.DEFINE_bool('in_c', False, 'move every song to C major or A minor first')
_STEPS = flags.DEFINE_integer('steps', 256, 'length of an excerpt in 16ths', lower_bound=16)
_MINUTES = flags.DEFINE_float('minutes', 20.0, 'to train for in all', 0.01)
_WHICH = flags.DEFINE_enum(
  'which', 'latest', ['latest', 'best'], 'newest checkpoint, or likeliest on valid excerpts'
)
_SAMPLE = flags.DEFINE_integer('sample', 0, 'write this many samples and do nothing else', 0)
_OUTPUT = flags.DEFINE_string('output', None, 'folder for the .mid files')
_SAMPLE_STEPS = flags.DEFINE_integer('sample_steps', 512, 'length in 16ths', lower_bound=4)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 8, 'samples at a time', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'sample i is a function of the seed and i')


def main(_):
  if _SAMPLE.value:
    command.refuse_useless('is for training, not for --sample', _DATA, _IN_C, _STEPS, _MINUTES)
    _write_samples()
    return
  command.refuse_useless('is for --sample', _OUTPUT, _SAMPLE_STEPS, _BATCH_SIZE, _SEED)
  if not _DATA.value:
    raise UserError('--data is missing; give what python -m fractaljax.prepare wrote')
  with Interrupt() as interrupt:
    # Not above: --help and a wrong flag should not wait for JAX.
    from fractaljax.baselines.training import train

    about = _DATA.value, _IN_C.value, _STEPS.value, _MINUTES.value
    train(settle(_CONFIG.value, *about), _WORKDIR.value, interrupt)
  if not interrupt.requested:
    _score()


def _score():
  """The likelihood of the valid songs, as one line of JSON."""
  from tqdm import tqdm

  from fractaljax.baselines.excerpts import batched, windows
  from fractaljax.baselines.folder import load
  from fractaljax.baselines.likelihood import score_batches
  from fractaljax.data.in_c import read_songs
  from fractaljax.model.trunk import num_parameters

  trained = load(_WORKDIR.value, _WHICH.value)
  data = trained.config.data
  songs = read_songs(data.directory, 'valid', data.in_c)
  excerpts = list(windows(trained.model.config.vocabulary, songs))
  batches = batched(excerpts, data.batch_size)
  found = score_batches(trained.model, trained.params, tqdm(batches, desc='scoring', unit='batch'))
  result = found.report() | {
    'kind': 'exact', 'split': 'valid', 'steps': found.num_steps, 'notes': found.num_notes,
    'excerpt_steps': data.crop_steps, 'parameters': num_parameters(trained.params),
    'updates': trained.step, 'minutes': trained.config.minutes,
  }  # fmt: skip
  print(json.dumps(result))


def _write_samples():
  """Samples in 4/4 as .mid, their paths on the screen."""
  import numpy as np

  from fractaljax.baselines.folder import load
  from fractaljax.baselines.sampler import sample
  from fractaljax.music import midi
  from fractaljax.music.notes import Song

  if not _OUTPUT.value:
    raise UserError('--output is missing; give a folder for the samples')
  trained = load(_WORKDIR.value, _WHICH.value)
  vocabulary = trained.model.config.vocabulary
  num_excerpts, rest = divmod(_SAMPLE_STEPS.value, vocabulary.num_steps)
  if rest or not num_excerpts:
    raise UserError(
      f'--sample_steps={_SAMPLE_STEPS.value}: give a multiple of {vocabulary.num_steps}, the steps '
      'of the excerpts that the model was trained on'
    )
  found = sample(
    trained.model, trained.params, _SAMPLE.value, num_excerpts, _BATCH_SIZE.value, _SEED.value
  )
  songs = [
    Song(vocabulary.codec.decode(tokens_PxT), _SAMPLE_STEPS.value)
    for tokens_PxT in found.tokens_BxPxT
  ]
  folder = Path(_OUTPUT.value)
  try:
    folder.mkdir(parents=True, exist_ok=True)
    for i, song in enumerate(songs):
      midi.write(song, folder / f'sample_{i:03d}.mid')
      print(folder / f'sample_{i:03d}.mid')
  except OSError as error:
    raise UserError(f'--output={folder} cannot be written: {error.strerror}') from error
  notes = np.mean([len(song.notes_Nx4) / song.num_bars for song in songs])
  print(json.dumps({'samples': len(songs), 'excerpts_cut': found.num_cut, 'notes_per_bar': notes}))


if __name__ == '__main__':
  command.run(main)
