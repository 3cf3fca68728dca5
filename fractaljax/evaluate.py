"""Likelihood of songs: python -m fractaljax.evaluate --checkpoint=runs/demo --data=DIR."""

import json

from absl import flags

from fractaljax import command

_CHECKPOINT = flags.DEFINE_string('checkpoint', None, 'folder of a training run', required=True)
_WHICH = flags.DEFINE_enum(
  'which', 'latest', ['latest', 'best'], 'its newest checkpoint, or the likeliest on valid songs'
)
_DATA = flags.DEFINE_string('data', None, 'what prepare wrote', required=True)
_SPLIT = flags.DEFINE_string('split', 'valid', 'split to score')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 8, 'crops at a time', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'of the random orders of masked levels')


def main(_):
  # Not above: --help and a wrong flag should not wait for JAX.
  import jax
  from tqdm import tqdm

  from fractaljax.data import pipeline
  from fractaljax.data.in_c import read_songs
  from fractaljax.training.likelihood import needed_capacities, score_batches
  from fractaljax.training.mesh import data_parallel
  from fractaljax.training.trained import load

  placement = data_parallel(jax.devices())
  trained = load(_CHECKPOINT.value, placement, _WHICH.value)
  config = trained.model.config
  songs = read_songs(_DATA.value, _SPLIT.value, trained.config.data.in_c)
  batch_size = -(-_BATCH_SIZE.value // placement.num_devices) * placement.num_devices

  def batches(what: str):
    crops = pipeline.windows(
      songs, config.codec, trained.config.data.crop_steps, config.halo, config.attributes
    )
    return tqdm(pipeline.batched(crops, batch_size), unit='batch', desc=what)

  capacities = needed_capacities(config, batches('counting'), placement.num_devices)
  found = score_batches(
    trained.model, trained.params, batches('scoring'), capacities, _SEED.value, placement
  )
  sign, kind = ('=', 'exact') if config.exact else ('<=', 'bound')
  print(
    f'{_SPLIT.value}, step {trained.step}: {sign} {found.nats_per_step:.4f} nats a step, '
    f'{sign} {found.bits_per_note:.4f} bits a note'
  )
  result = {
    'nats_per_step': found.nats_per_step,
    'bits_per_note': found.bits_per_note,
    'kind': kind,
    'levels': [nats / max(found.num_steps, 1) for nats in found.nats_by_level],
    'steps': found.num_steps,
    'notes': found.num_notes,
  }
  print(json.dumps(result))


if __name__ == '__main__':
  command.run(main)
