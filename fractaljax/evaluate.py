"""Likelihood of songs, or figures of samples beside songs.

python -m fractaljax.evaluate --checkpoint=runs/demo --data=DIR
python -m fractaljax.evaluate --midi=outputs/demo --reference=DIR
"""

import dataclasses
import json

from absl import flags

from fractaljax import command, distributed
from fractaljax.errors import UserError

_CHECKPOINT = flags.DEFINE_string('checkpoint', None, 'folder of a training run or an export')
_WHICH = flags.DEFINE_enum(
  'which', 'latest', ['latest', 'best'], 'newest checkpoint of a run, or likeliest on valid songs'
)
_DATA = flags.DEFINE_string('data', None, 'what prepare wrote')
_SPLIT = flags.DEFINE_string('split', 'valid', 'split to score')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 8, 'crops at a time', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'of the random orders of masked levels')
_MIDI = flags.DEFINE_string('midi', None, 'folder of samples, MIDI files, instead of a checkpoint')
_REFERENCE = flags.DEFINE_string(
  'reference', None, 'songs to set beside --midi: what prepare wrote, or a folder of MIDI files'
)
_STEPS = flags.DEFINE_integer(
  'steps',
  None,
  'in 16ths: of --midi the length of a sample, 512 by default (longer files are cut, shorter end '
  'silent); of --checkpoint the windows that songs are scored in, by default as in training',
  lower_bound=1,
)
_IN_C = flags.DEFINE_bool(
  'in_c', False, 'move the songs of --reference to C major or A minor, for samples of in_c runs'
)


def main(_):
  if bool(_CHECKPOINT.value) == bool(_MIDI.value):
    raise UserError('give either --checkpoint, for likelihood, or --midi, for figures of samples')
  if _MIDI.value:
    command.refuse_useless('is for --checkpoint', _WHICH, _DATA, _SPLIT, _BATCH_SIZE, _SEED)
    _evaluate_samples()
  else:
    command.refuse_useless('is for --midi', _REFERENCE, _IN_C)
    _evaluate_checkpoint()


def _evaluate_checkpoint():
  if not _DATA.value:
    raise UserError('--data is missing; give what prepare wrote')
  # Not above: --help and a wrong flag should not wait for JAX.
  import jax

  from fractaljax.data.in_c import read_songs
  from fractaljax.exporting.opening import load
  from fractaljax.mesh import data_parallel

  distributed.start()
  trained = load(_CHECKPOINT.value, data_parallel(jax.devices()), _WHICH.value)
  songs = read_songs(_DATA.value, _SPLIT.value, trained.config.data.in_c)
  found = trained.score(songs, _SEED.value, _BATCH_SIZE.value, _STEPS.value)
  sign, kind = ('=', 'exact') if trained.model.config.exact else ('<=', 'bound')
  distributed.say(
    f'{_SPLIT.value}, step {trained.step}: {sign} {found.nats_per_step:.4f} nats a step, '
    f'{sign} {found.bits_per_note:.4f} bits a note'
  )
  result = {
    'nats_per_step': found.nats_per_step,
    'bits_per_note': found.bits_per_note,
    'kind': kind,
    'bits_per_note_by_part': found.bits_per_note_by_part,
    'calibration_error': {name: c.error for name, c in found.calibrations.items()},
    'levels': [nats / max(found.num_steps, 1) for nats in found.nats_by_level],
    'steps': found.num_steps,
    'notes': found.num_notes,
  }
  distributed.say(json.dumps(result))


def _evaluate_samples():
  from fractaljax.data.midi_folder import read_folder
  from fractaljax.data.reference import read_reference
  from fractaljax.music.comparison import compare

  if not _REFERENCE.value:
    raise UserError('--reference is missing; give what prepare wrote, or a folder of MIDI files')
  num_steps = _STEPS.value or 512
  reference = read_reference(_REFERENCE.value, _IN_C.value)
  samples, rejected = read_folder(_MIDI.value, '--midi')
  # A MIDI file ends with its last note, a sample with its last step.
  samples = [
    dataclasses.replace(song, num_steps=max(song.num_steps, num_steps)) for song in samples
  ]
  comparison = compare(samples, reference.songs, reference.train, num_steps)
  print(comparison.table())
  left_out = {'rejected': rejected, 'rejected_songs': reference.rejected}
  print(json.dumps({'steps': num_steps} | left_out | comparison.summary()))


if __name__ == '__main__':
  command.run(main)
