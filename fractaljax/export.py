"""A trained model to keep or to give away: python -m fractaljax.export --checkpoint=runs/demo."""

import json
import time

from absl import flags

from fractaljax import command

_CHECKPOINT = flags.DEFINE_string('checkpoint', None, 'folder of a training run', required=True)
_WHICH = flags.DEFINE_enum(
  'which', 'latest', ['latest', 'best'], 'its newest checkpoint, or likeliest on valid songs'
)
_OUTPUT = flags.DEFINE_string('output', None, 'folder of the export', required=True)
_FORMAT = flags.DEFINE_enum(
  'format',
  'orbax',
  ['orbax', 'safetensors', 'stablehlo'],
  'weights, which `fractaljax.load` opens, or the sampler as a program that needs jax alone',
)
_EMA = flags.DEFINE_bool('ema', True, 'parameters averaged over the updates, or their last values')
_DTYPE = flags.DEFINE_enum('dtype', 'float32', ['float32', 'bfloat16'], 'that they are stored in')
_STEPS = flags.DEFINE_integer('steps', 512, 'length in 16ths; of a stablehlo program', 1)
_PLATFORMS = flags.DEFINE_list('platforms', 'cpu,cuda,tpu', 'that a stablehlo program runs on')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'replace an export that is at the output')


def main(_):
  # Not above: --help and a wrong flag should not wait for JAX.
  from fractaljax.exporting.writing import Wish, export

  if _FORMAT.value != 'stablehlo':
    command.refuse_useless('is for --format=stablehlo', _STEPS, _PLATFORMS)
  began = time.perf_counter()
  wish = Wish(
    _FORMAT.value,
    _WHICH.value,
    _EMA.value,
    _DTYPE.value,
    _STEPS.value,
    tuple(_PLATFORMS.value),
  )
  about = export(_CHECKPOINT.value, _OUTPUT.value, wish, _OVERWRITE.value)
  result = {
    'output': _OUTPUT.value,
    'step': about['step'],
    'parameters': about['parameters'],
    'bytes': sum(size for size, _ in about['files'].values()),
    'seconds': round(time.perf_counter() - began, 3),
  }
  print(json.dumps(result))


if __name__ == '__main__':
  command.run(main, when_stopped='nothing was written')
