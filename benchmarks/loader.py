"""Crops a second that a core makes for training, and how many an H200 is estimated to need.

python -m benchmarks.loader --config=configs/w512.py --data=data/pop909

The need is no measurement: XLA's count of the FLOPs of a training step, at an assumed speed,
--assumed_tflops, which is 40 % of the 989 TFLOP/s (bfloat16, dense) that NVIDIA gives for an H200.
"""

import itertools
import time

from absl import flags
from ml_collections import config_flags

from benchmarks import setting
from fractaljax import command
from fractaljax.data.records import Songs

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/w512.py', 'what to train')
_SECONDS = flags.DEFINE_float('seconds', 10.0, 'how long to load', lower_bound=0.1)
_TFLOPS = flags.DEFINE_float('assumed_tflops', 0.4 * 989, 'speed of the device', lower_bound=1e-3)


def main(_):
  config = _CONFIG.value
  data = config.data
  songs, open_seconds = _timed(lambda: Songs(setting.DATA.value, 'train'))
  stream, read_seconds = _timed(lambda: setting.stream(config, songs))
  first = list(itertools.islice(stream, 20))[0]  # warms up
  num, wall, computed = 0, time.perf_counter(), time.process_time()
  while time.perf_counter() < wall + _SECONDS.value:
    num += data.batch_size
    next(stream)
  wall, computed = time.perf_counter() - wall, time.process_time() - computed

  flop = setting.compiled_update(config, first).cost_analysis()['flops']
  steps_per_second = _TFLOPS.value * 1e12 / flop
  need = steps_per_second * data.batch_size
  # What worker processes compute is not seen from here.
  per_core = {} if data.workers else {
    'crops_per_second_per_core': num / computed, 'times_the_need_per_core': num / computed / need
  }  # fmt: skip
  setting.report(
    benchmark='loader',
    crop_steps=data.crop_steps,
    workers=data.workers,
    crops_per_second=num / wall,
    times_the_need=num / wall / need,
    **per_core,
    estimated_need=need,
    estimated_from=f'{flop / 1e12:.3f} TFLOP a step of {data.batch_size} (XLA) at an assumed '
    f'{_TFLOPS.value:.1f} TFLOP/s: {steps_per_second:.1f} steps a second',
    bytes_per_crop=sum(field[0].nbytes for field in first),
    room_for_notes=first.notes_4xN.shape[-1],
    open_seconds=open_seconds,
    read_seconds=read_seconds,
  )


def _timed(function):
  """What it returns, and the seconds that it took."""
  began = time.perf_counter()
  return function(), time.perf_counter() - began


if __name__ == '__main__':
  command.run(main)
