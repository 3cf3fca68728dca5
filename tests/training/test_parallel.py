"""Many devices and processes: the same losses and gradients as one device."""

import functools
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fractaljax.config import check
from fractaljax.data import pipeline
from fractaljax.errors import UserError
from fractaljax.mesh import make_placement
from fractaljax.model.fractal import Fractal
from fractaljax.music import corpus
from fractaljax.training.state import init_state
from fractaljax.training.step import jit_step
from runs import exact_config, xla_flags

TESTS = Path(__file__).parents[1]
# (data, fsdp)
MESHES = [(1, 1), (8, 1), (2, 4), (1, 8)]


@functools.cache
def tiny():
  """A config, its model, a batch of 8 crops, and a state whose update is minus the gradient."""
  config = exact_config(**{'optimizer.ema_decay': 0.9})
  model = Fractal(check(config, 1))
  songs = [corpus.song(0, i, num_bars=8) for i in range(8)]
  c = model.config
  batch = next(pipeline.training_batches(songs, c.codec, 8, 32, c.halo, (0, 0), (), 0))
  # A schedule, for the step tells its learning rate.
  optimizer = optax.sgd(lambda _: 1.0)
  example = pipeline.empty_batch(c.codec, 32, c.halo, ())
  state = jax.jit(functools.partial(init_state, model, optimizer, seed=0))(example)
  # The last layers begin at zero, and would keep all gradients from the rest.
  rng = np.random.default_rng(0)
  params = jax.tree.map(lambda x: x + rng.normal(0, 0.1, x.shape).astype(x.dtype), state.params)
  return config, model, optimizer, batch, state._replace(params=params)


def on_a_copy(program, state, batch):
  """What a step gives, with a state left to compare with: it is donated one."""
  return program(jax.tree.map(jnp.copy, state), batch)


@functools.cache
def updated(shape):
  """The program of an update on a mesh, the state before and after it, and its metrics."""
  config, model, optimizer, batch, state = tiny()
  num_data, num_fsdp = shape
  placement = make_placement(jax.devices()[: num_data * num_fsdp], num_fsdp)
  where = placement.of_state(state)
  step = jit_step(config, model, optimizer, placement, state)
  before = jax.device_put(state, where)
  program = step.lower(before, placement.place(batch)).compile()
  after, metrics = on_a_copy(program, before, placement.place(batch))
  return program, before, after, jax.device_get(metrics)


@pytest.mark.parametrize('shape', MESHES[1:])
def test_a_mesh_has_the_losses_and_gradients_of_one_device(shape):
  _, before, one, metrics_one = updated((1, 1))
  before, one = jax.device_get((before, one))
  _, _, many, metrics_many = updated(shape)
  for name, value in metrics_one.items():
    np.testing.assert_allclose(metrics_many[name], value, rtol=1e-5, err_msg=name)
  gradients = [optax.tree.sub(jax.device_get(state.params), before.params) for state in (one, many)]
  error = optax.tree.norm(optax.tree.sub(*gradients))
  assert error <= 1e-5 * optax.tree.norm(gradients[0])


@pytest.mark.parametrize('shape', MESHES[1:])
def test_each_device_keeps_its_part_of_the_state(shape):
  _, _, state, _ = updated(shape)
  for tree in (state.params, state.ema):
    whole = sum(x.nbytes for x in jax.tree.leaves(tree))
    kept = sum(x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(tree))
    assert whole / shape[1] <= kept <= 1.1 * whole / shape[1]


@pytest.mark.parametrize('shape', MESHES[1:])
def test_nothing_but_parameters_and_sums_travels(shape):
  program, before, _, _ = updated(shape)
  sizes = [x.size for x in jax.tree.leaves(before.params)]
  kinds = 'all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute'
  travels = re.findall(rf'= (.*?) ({kinds})\(', program.as_text())
  assert {kind for _, kind in travels} <= {'all-reduce', 'all-gather', 'reduce-scatter'}
  shapes = [re.findall(r'\w+\[([\d,]*)\]', types) for types, _ in travels]
  elements = [int(np.prod([int(n) for n in s.split(',') if n])) for found in shapes for s in found]
  assert max(elements) <= max(sizes)
  assert sum(sizes) <= sum(elements) <= 2.1 * sum(sizes)


def test_what_is_not_finite_is_skipped():
  program, before, _, _ = updated((1, 1))
  placement = make_placement(jax.devices()[:1], 1)
  params = jax.tree.map(lambda x: x.at[0].set(np.inf), before.params)
  state = before._replace(params=jax.device_put(params, placement.replicated))
  after, metrics = on_a_copy(program, state, placement.place(tiny()[3]))
  assert metrics['skipped'] == 1
  jax.tree.map(np.testing.assert_array_equal, after, state._replace(step=state.step + 1))


def test_devices_that_cannot_share_are_named():
  with pytest.raises(UserError, match=r'config\.fsdp=3.*8'):
    make_placement(jax.devices(), 3)


def free_port() -> int:
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    return free.getsockname()[1]


def start(
  num: int, devices: int, workdir: Path, fsdp: int, num_steps: int
) -> list[subprocess.Popen]:
  """Processes of one run, with so many simulated devices each."""
  flags = (f'--coordinator=127.0.0.1:{free_port()}', f'--num_processes={num}') if num > 1 else ()
  environment = dict(
    os.environ,
    PYTHONPATH=os.pathsep.join(str(path) for path in (TESTS.parent, TESTS, TESTS / 'training')),
    XLA_FLAGS=xla_flags(devices),
  )
  return [
    subprocess.Popen(
      [sys.executable, '-m', 'member', str(workdir), str(fsdp), str(num_steps), *flags]
      + [f'--process_id={number}'] * (num > 1),
      env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    for number in range(num)
  ]  # fmt: skip


def finish(processes: list[subprocess.Popen]) -> list[str]:
  """What they print; all of them have to end well."""
  try:
    texts = [process.communicate(timeout=240)[0] for process in processes]
  finally:
    for process in processes:
      process.kill()
  assert [process.returncode for process in processes] == [0] * len(processes), texts
  return texts


def losses(workdir: Path) -> dict[int, float]:
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  return {row['step']: row['train/nats_per_step'] for row in rows if 'train/nats_per_step' in row}


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_stop_together(tmp_path):
  one, two = tmp_path / 'one', tmp_path / 'two'
  finish(start(1, 1, one, fsdp=1, num_steps=8))
  processes = start(2, 4, two, fsdp=4, num_steps=10_000)
  while not (two / 'checkpoints' / '3').exists():
    assert all(process.poll() is None for process in processes), finish(processes)
    time.sleep(0.1)
  processes[1].terminate()
  texts = finish(processes)
  stopped = int(re.search(r'stopped at step (\d+)', texts[0])[1])
  assert 'stopped' not in texts[1]
  found = losses(two)
  assert list(found) == list(range(1, stopped + 1))
  alone = losses(one)
  for step in range(1, min(stopped, 8) + 1):
    np.testing.assert_allclose(found[step], alone[step], rtol=1e-5)
  # Another mesh goes on from there.
  text = finish(start(1, 2, two, fsdp=1, num_steps=stopped + 2))[0]
  assert f'going on from step {stopped}' in text
  assert list(losses(two)) == list(range(1, stopped + 3))


@pytest.mark.parametrize('signal_name', ['SIGTERM', 'SIGINT'])
def test_one_process_that_was_started_as_one_of_several_stops_too(signal_name):
  code = f"""
import os, signal, time
from absl import flags
from fractaljax import distributed
from fractaljax.training.interrupt import Interrupt
flags.FLAGS(['run', '--coordinator=127.0.0.1:{free_port()}', '--num_processes=1', '--process_id=0'])
with Interrupt() as interrupt:
  distributed.start(stop_together=True)
  os.kill(os.getpid(), signal.{signal_name})
  print(interrupt.is_due(1))
"""
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=TESTS.parent, capture_output=True, text=True, timeout=120
  )
  assert done.stdout.splitlines()[-1:] == ['True'], done.stderr


MEMBER = """
import os, signal, time
from absl import flags
from fractaljax import command, distributed
from fractaljax.errors import UserError
from fractaljax.training.interrupt import Interrupt

def main(_):
  number = flags.FLAGS.process_id
  with Interrupt() as interrupt:
    if number == 1:
      os.kill(os.getpid(), signal.SIGTERM)
    distributed.start(stop_together=True)
    interrupt.pass_on()
    assert not interrupt.requested
    step = 1
    while not interrupt.is_due(step):
      time.sleep(0.01)
      step += 1
    print('stopped at', step, flush=True)
    distributed.wait('both have said so')
    if number == 0:
      raise UserError('one of them cannot go on')
    distributed.wait('never')

command.run(main)
"""


@pytest.mark.slow
def test_a_stop_before_they_meet_is_heard_by_all_and_an_error_of_the_first_ends_them(tmp_path):
  (tmp_path / 'several.py').write_text(MEMBER)
  port, path = free_port(), os.pathsep.join((str(TESTS.parent), str(tmp_path)))
  environment = dict(os.environ, PYTHONPATH=path, XLA_FLAGS=xla_flags(1))
  processes = [
    subprocess.Popen(
      [sys.executable, '-m', 'several', f'--coordinator=127.0.0.1:{port}', '--num_processes=2']
      + [f'--process_id={number}'],
      env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    for number in range(2)
  ]  # fmt: skip
  try:
    said = [process.communicate(timeout=120) for process in processes]
  finally:
    for process in processes:
      process.kill()
  stopped = [re.search(r'stopped at (\d+)', out)[1] for out, _ in said]
  assert stopped[0] == stopped[1]
  assert processes[0].returncode == 2
  assert said[0][1].splitlines()[-1] == 'error: one of them cannot go on'
  assert processes[1].returncode != 0


TASK = """
import jax
from absl import flags
from fractaljax import distributed
flags.FLAGS(['run', '--distributed=auto'])
distributed.start()
print(jax.process_index(), jax.process_count(), len(jax.local_devices()), jax.device_count())
"""


@pytest.mark.slow
def test_the_tasks_of_a_slurm_step_find_each_other():
  # JAX makes the port of the coordinator of the job's number.
  step = dict(
    SLURM_JOB_ID=str(os.getpid()), SLURM_STEP_NODELIST='127.0.0.1', SLURM_NTASKS='2',
    XLA_FLAGS=xla_flags(1),
  )  # fmt: skip
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', TASK],
      env={**os.environ, **step, 'SLURM_PROCID': number, 'SLURM_LOCALID': number},
      cwd=TESTS.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    for number in '01'
  ]  # fmt: skip
  texts = finish(processes)
  assert [text.splitlines()[-1] for text in texts] == ['0 2 1 2', '1 2 1 2']


FAILING = """
import atexit
from fractaljax import command

def main(_):
  atexit.register(print, 'waits for the others')
  {statement}

command._is_one_of_several = lambda: {is_one}
command.run(main)
"""


@pytest.mark.parametrize('is_one', [True, False])
@pytest.mark.parametrize(
  ('statement', 'status', 'line'),
  [
    ("raise OSError('of its own')", 1, 'OSError: of its own'),
    ('raise KeyboardInterrupt', 130, 'interrupted'),
  ],
)
def test_any_error_of_one_of_several_ends_it_without_the_others(is_one, statement, status, line):
  code = FAILING.format(statement=statement, is_one=is_one)
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=TESTS.parent, capture_output=True, text=True, timeout=60
  )
  assert (done.returncode, done.stderr.splitlines()[-1]) == (status, line)
  assert done.stdout == ('' if is_one else 'waits for the others\n')
