"""Likelihood of songs: python -m fractaljax.evaluate --checkpoint=runs/demo --data=DIR."""

import json

from absl import flags

from fractaljax import command, distributed

_CHECKPOINT = flags.DEFINE_string(
  'checkpoint', None, 'folder of a training run or an export', required=True
)
_WHICH = flags.DEFINE_enum(
  'which', 'latest', ['latest', 'best'], 'newest checkpoint of a run, or likeliest on valid songs'
)
_DATA = flags.DEFINE_string('data', None, 'what prepare wrote', required=True)
_SPLIT = flags.DEFINE_string('split', 'valid', 'split to score')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 8, 'crops at a time', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'of the random orders of masked levels')


def main(_):
  # Not above: --help and a wrong flag should not wait for JAX.
  import jax

  from fractaljax.data.in_c import read_songs
  from fractaljax.exporting.opening import load
  from fractaljax.mesh import data_parallel

  distributed.start()
  trained = load(_CHECKPOINT.value, data_parallel(jax.devices()), _WHICH.value)
  songs = read_songs(_DATA.value, _SPLIT.value, trained.config.data.in_c)
  found = trained.score(songs, _SEED.value, _BATCH_SIZE.value)
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


if __name__ == '__main__':
  command.run(main)
