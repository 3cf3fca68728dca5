"""Whole runs: resumed = straight, four devices = one, a stop loses nothing."""

import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from fractaljax import distributed
from fractaljax.errors import UserError
from fractaljax.music.clip import Clip
from fractaljax.training import loop
from fractaljax.training import songs as songs_module
from fractaljax.training import step as step_module
from fractaljax.training.checkpoint import Checkpoints
from fractaljax.training.interrupt import Interrupt
from fractaljax.training.loop import train
from fractaljax.training.meter import Meter
from fractaljax.training.optimizer import make_schedule
from fractaljax.training.score import SCORE
from runs import exact_config, tiny_config

ONE = slice(0, 1)


def largest_difference(a, b) -> float:
  a, b = jax.device_get((a, b))
  return max(jax.tree.leaves(jax.tree.map(lambda x, y: float(np.abs(x - y).max()), a, b)))


def logged(workdir) -> list[dict]:
  return [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]


@pytest.fixture
def unevaluated(monkeypatch):
  """Runs without their last evaluation, whose programs take long to compile."""
  monkeypatch.setattr(loop.Evaluation, 'report', lambda *args: {SCORE: 1.0})


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
  """A run from the first step to the last, with its folder."""
  workdir = tmp_path_factory.mktemp('runs') / 'straight'
  return train(tiny_config(), str(workdir), jax.devices()[ONE]), workdir


@pytest.fixture
def copied(straight, tmp_path):
  return shutil.copytree(straight[1], tmp_path / 'copied')


def test_a_bad_batch_that_cannot_be_kept_is_told(tmp_path):
  batch = Clip(*(np.zeros(1) for _ in Clip._fields))
  assert 'is in' in loop._keep_batch(str(tmp_path), 3, batch)
  told = loop._keep_batch(str(tmp_path / 'gone'), 3, batch)
  assert told.startswith('the batch is not in') and told.endswith('(No such file or directory)')


def test_processes_that_read_other_shards_are_refused(tmp_path, monkeypatch):
  seen = []
  monkeypatch.setattr(songs_module, 'differing', lambda number: seen.append(number) or [1, 3])
  with pytest.raises(UserError, match=r'process 1, 3 reads other shards.*damaged=refuse'):
    train(tiny_config(), str(tmp_path), jax.devices()[ONE])
  (corpus,) = tmp_path.glob('corpus_*')
  train_in_c, valid = (
    songs_module.read_songs(str(corpus), *which) for which in (('train', True), ('valid', False))
  )
  for songs in ({'train': train_in_c, 'valid': valid}, {'train': valid, 'valid': valid}):
    with pytest.raises(UserError):
      songs_module.check_same(songs)
  # In C they are the same shards.
  assert seen[1] == seen[0] != seen[2]


def test_a_process_with_another_number_is_found(monkeypatch):
  assert distributed.differing(7) == []
  monkeypatch.setattr(jax, 'process_count', lambda: 3)
  numbers = np.array([7, 2**32 - 1, 7], np.uint32)
  monkeypatch.setattr(multihost_utils, 'process_allgather', lambda number: numbers)
  assert distributed.differing(7) == [1]


def test_resumed_is_the_straight_run_bit_for_bit(straight, copied, unevaluated, capsys):
  newest = max((copied / 'checkpoints/6').rglob('d/*'), key=lambda path: path.stat().st_size)
  newest.write_bytes(newest.read_bytes()[:-1] + b'?')
  resumed = train(tiny_config(), str(copied), jax.devices()[ONE])
  assert largest_difference(resumed, straight[0]) == 0
  assert [row['step'] for row in logged(copied)] == [2, 3, 5, 6]
  assert 'taking step 3 instead' in capsys.readouterr().err
  assert Checkpoints(str(copied)).find('best') == 6


def test_an_evaluation_that_was_stopped_is_made_when_the_run_goes_on(straight, copied, monkeypatch):
  result = json.loads((copied / 'checkpoints/6/evaluation.json').read_text())
  (copied / 'checkpoints/6/evaluation.json').unlink()
  interrupt = Interrupt()
  interrupt.requested = True  # the real evaluation looks at it between batches
  train(tiny_config(), str(copied), jax.devices()[ONE], interrupt)
  assert not Checkpoints(str(copied)).is_evaluated(6)
  assert [row['step'] for row in logged(copied)] == [2, 3, 5, 6]
  monkeypatch.setattr(loop.Evaluation, 'report', lambda *args: result)
  train(tiny_config(), str(copied), jax.devices()[ONE])
  assert Checkpoints(str(copied)).is_evaluated(6)


def test_a_stop_saves_and_the_same_command_goes_on(straight, tmp_path, monkeypatch, unevaluated):
  add = Meter.add

  def stop_at_two(self, step, metrics):
    if step == 2:
      os.kill(os.getpid(), signal.SIGTERM)
    return add(self, step, metrics)

  with monkeypatch.context() as patch, Interrupt() as interrupt:
    patch.setattr(Meter, 'add', stop_at_two)
    stopped = train(tiny_config(), str(tmp_path), jax.devices()[ONE], interrupt)
    assert int(stopped.step) == 2
  resumed = train(tiny_config(), str(tmp_path), jax.devices()[ONE])
  assert largest_difference(resumed, straight[0]) == 0


def keep_programs(patch) -> list:
  """The training steps that runs compile from now on."""
  programs, jit_step = [], loop.jit_step
  patch.setattr(loop, 'jit_step', lambda *a: programs.append(jit_step(*a)) or programs[-1])
  return programs


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
  """A run on one device of which nothing depends on who computes what, its folder and programs."""
  workdir = tmp_path_factory.mktemp('runs') / 'alone'
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(loop.Evaluation, 'report', lambda *args: {SCORE: 1.0})
    programs = keep_programs(patch)
    state = train(exact_config(num_steps=3), str(workdir), jax.devices()[ONE])
  return state, workdir, programs


def test_four_devices_learn_what_one_learns_and_compile_once(
  alone, tmp_path, unevaluated, monkeypatch
):
  programs = keep_programs(monkeypatch)
  state = train(exact_config(num_steps=3), str(tmp_path), jax.devices()[:4])
  assert largest_difference(alone[0].params, state.params) <= 1e-5
  losses = [[row['train/nats_per_step'] for row in logged(w)[:2]] for w in (alone[1], tmp_path)]
  np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
  assert [program._cache_size() for program in (*alone[2], *programs)] == [1, 1]


def test_accumulated_parts_learn_what_the_whole_batch_learns(alone, tmp_path, unevaluated):
  config = exact_config(**{'num_steps': 3, 'optimizer.accumulate': 2})
  state = train(config, str(tmp_path), jax.devices()[:2])
  assert largest_difference(alone[0].params, state.params) <= 1e-5


def test_a_run_tells_of_itself(straight):
  _, workdir = straight
  rows = logged(workdir)
  assert [row['step'] for row in rows] == [2, 3, 5, 6, 6]
  training, evaluation = rows[0], rows[-1]
  for name in ('bits_per_note', 'nats_per_step', 'nats_per_step/0_gate', 'nats_per_step/2_value',
               'grad_norm', 'overflow/1', 'steps_per_second', 'learning_rate'):  # fmt: skip
    assert np.isfinite(training[f'train/{name}'])
  schedule = make_schedule(tiny_config().optimizer, 6)
  assert training['train/learning_rate'] == pytest.approx((schedule(0) + schedule(1)) / 2)
  assert 0 <= training['train/padding'] < 1
  for name in ('eval_valid/bits_per_note', 'eval_train/nats_per_step', 'songs_valid/notes_per_bar',
               'samples_t1/notes_per_bar', 'samples_t1/pitch_std', 'samples_t1/token_coverage',
               'songs_valid/token_coverage', 'eval_valid/bits_per_note/loud',
               'eval_valid/calibration_error/1_gate', 'eval_valid/entropy/2_value'):  # fmt: skip
    assert np.isfinite(evaluation[name])
  pictures = sorted(p.name for p in (workdir / 'pictures').iterdir())
  assert pictures == ['0000006_calibration.png', '0000006_samples_t1.png']
  assert any(p.stat().st_size > 1000 for p in (workdir / 'tensorboard').iterdir())


def test_updates_whose_gradient_was_clipped_are_counted():
  meter = Meter(9, 1, 9, clip_norm=2.0)
  for step, norm in enumerate((1.0, 3.0, 1.9, 1.8, np.inf)):
    meter.add(step, {'grad_norm': norm, 'skipped': float(np.isinf(norm))})
  assert meter.flush(4)['train/clip_rate'] == 1 / 4


def test_a_run_tells_what_it_really_applies(straight):
  row = logged(straight[1])[0]
  applied = {k.removeprefix('applied/'): v for k, v in row.items() if k.startswith('applied/')}
  assert [applied[f'dropout/{i}'] for i in range(3)] == [0.1] * 3
  assert 0.5 < applied['decayed_share'] < 1
  assert applied['weight_decay'] == pytest.approx(0.05)
  assert 0 < applied['transposed'] <= 1 and 0 < applied['semitones'] <= 6
  assert 0 < applied['crop_steps'] <= 32
  # Seven songs, and the third batch of four is drawn when the first two are told of.
  assert applied['epochs'] == pytest.approx(3 * 4 / 7)


def test_the_levels_add_up_to_the_whole(straight):
  for row in logged(straight[1])[:2]:
    parts = [v for k, v in row.items() if k.startswith('train/nats_per_step/')]
    assert len(parts) == 3
    np.testing.assert_allclose(sum(parts), row['train/nats_per_step'], rtol=1e-5)


def test_another_architecture_does_not_go_on(straight):
  config = tiny_config(**{'model.widths': (16, 32, 16)})
  with pytest.raises(UserError, match=r'config\.model\.widths.*--workdir'):
    train(config, str(straight[1]), jax.devices()[ONE])


def test_too_many_skipped_updates_stop_the_run_and_leave_the_batch(tmp_path, monkeypatch):
  of_update, seen = step_module.train_step, []
  of_step = loop.Stream.__next__

  def broken(*args):
    state, metrics = of_update(*args)
    return state, metrics | {'skipped': (args[-2].step >= 2).astype(np.float32)}

  monkeypatch.setattr(step_module, 'train_step', broken)
  monkeypatch.setattr(loop.Stream, '__next__', lambda self: seen.append(of_step(self)) or seen[-1])
  path, written = tmp_path / 'bad_batch_0000004_0.npz', []
  monkeypatch.setattr(loop, 'wait', lambda _: written.append(path.exists() and path.read_bytes()))
  config = tiny_config(**{'optimizer.max_skipped': 2})
  with pytest.raises(
    UserError, match='not finite at step 4.*learning_rate.*bad_batch_0000004_0.npz'
  ):
    train(config, str(tmp_path), jax.devices()[ONE])
  # The others wait until all have theirs: they end with the first one.
  assert written[-1] == path.read_bytes()
  saved = np.load(path)
  np.testing.assert_array_equal(saved['notes_4xN'], seen[3].notes_4xN)
  assert logged(tmp_path)[1]['train/skipped'] == 1
