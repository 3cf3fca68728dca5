"""Training a REMI transformer for a number of minutes."""

import contextlib
import functools
from typing import NamedTuple

import jax
from ml_collections import ConfigDict
from tqdm import tqdm

from fractaljax.baselines.budget import Budget
from fractaljax.baselines.config import TransformerConfig, build
from fractaljax.baselines.excerpts import Excerpt, batched, check_bars, of_clips, windows
from fractaljax.baselines.folder import claim
from fractaljax.baselines.likelihood import score_batches
from fractaljax.baselines.step import init_state, update
from fractaljax.baselines.transformer import Transformer
from fractaljax.baselines.vocabulary import HALO
from fractaljax.config import check_ranges
from fractaljax.data import pipeline
from fractaljax.data.in_c import read_songs
from fractaljax.data.stream import Stream
from fractaljax.distributed import say
from fractaljax.mesh import data_parallel
from fractaljax.model.trunk import num_parameters
from fractaljax.music.excerpt import spread
from fractaljax.training import run_dir
from fractaljax.training.checkpoint import Checkpoints
from fractaljax.training.interrupt import Interrupt
from fractaljax.training.logs import Logs
from fractaljax.training.meter import Meter
from fractaljax.training.state import State


class Run(NamedTuple):
  """What a run works with."""

  config: ConfigDict
  model: Transformer
  batches: Stream
  valid: list[Excerpt]
  checkpoints: Checkpoints
  logs: Logs
  budget: Budget


def train(config: ConfigDict, workdir: str, interrupt: Interrupt) -> State:
  """Trains on excerpts of songs, from the newest checkpoint in `workdir` if there is one.

  Args:
    config: see `config.base` and `config.settle`.
    workdir: the run's folder: config, checkpoints, metrics.jsonl, tensorboard.
    interrupt: asks for a stop; entered by the caller.

  Raises:
    UserError: a setting, the data or the folder is not as it must be.
  """
  check_ranges(config)
  model, data = Transformer(build(config)), config.data
  songs = {split: read_songs(data.directory, split, data.in_c) for split in ('train', 'valid')}
  for each in songs.values():
    check_bars(each)
  with run_dir.held(workdir), contextlib.ExitStack() as stack:
    claim(workdir, config)
    batches = _stream(config, model.config, songs['train'])
    checkpoints = stack.enter_context(contextlib.closing(Checkpoints(workdir, config)))
    state, seconds = _start_or_resume(config, model, batches, checkpoints)
    step = int(state.step)
    logs = stack.enter_context(Logs(workdir, step, checkpoints.is_evaluated(step)))
    say(f'{num_parameters(state.params):,} parameters')
    valid = spread(list(windows(model.config.vocabulary, songs['valid'])), config.eval_excerpts)
    valid = batched(valid, data.batch_size)
    budget = Budget(config.minutes, seconds, config.optimizer.final_share)
    run = Run(config, model, batches, valid, checkpoints, logs, budget)
    return _loop(run, state, interrupt)


def _stream(config: ConfigDict, model: TransformerConfig, songs) -> Stream:
  codec, num_steps, data = model.vocabulary.codec, model.vocabulary.num_steps, config.data
  return pipeline.training_batches(
    songs, codec, data.batch_size, num_steps, HALO, data.transpose, (), config.seed
  )


def _start_or_resume(config, model, batches: Stream, checkpoints) -> tuple[State, float]:
  """A fresh state, or the newest checkpoint's, and the seconds that it was trained for."""
  init = functools.partial(init_state, config, model)
  step = checkpoints.find()
  if step is None:
    return jax.jit(init)(), 0.0
  shapes = jax.eval_shape(init)
  shardings = data_parallel(jax.devices()[:1]).of_state(shapes)
  state, data_state = checkpoints.restore(step, shapes, shardings)
  batches.set_state(data_state)
  say(f'going on from step {step}')
  return state, data_state['seconds']


def _loop(run: Run, state: State, interrupt: Interrupt) -> State:
  """Updates until the time is over or a stop is asked for; in the end the state is saved."""
  config, budget, step, metrics = run.config, run.budget, int(state.step), None
  advance = jax.jit(functools.partial(update, config, run.model), donate_argnums=0)
  settings = config.optimizer.max_skipped, config.optimizer.clip_norm
  meter = Meter(config.log_every, config.data.batch_size, *settings)
  bar = tqdm(total=1.0, bar_format='{percentage:3.0f}%|{bar}| {elapsed}{postfix}')

  def log(step, means):
    run.logs.write(step, means)
    bar.set_postfix_str(f'step {step}, {means["train/bits_per_note"]:.2f} bits a note')

  with bar:
    budget.restart()
    stop = budget.is_over or interrupt.requested
    while not stop:
      before = metrics
      batch = of_clips(run.model.config.vocabulary, next(run.batches))
      state, metrics = advance(state, batch, budget.share)
      step += 1
      jax.block_until_ready(before)  # one update ahead at most, or the time would not be its own
      budget.spend()
      bar.update(budget.done - bar.n)
      if means := meter.add(step, metrics):
        log(step - 1, means)
      stop = budget.is_over or interrupt.requested
      if stop or step % config.eval_every == 0:
        log(step, meter.flush(step))
        _keep(run, state, interrupt)
        meter.restart()
        budget.restart()
  if interrupt.requested:
    say(f'stopped at step {step}; the same command goes on from there')
  return state


def _keep(run: Run, state: State, interrupt: Interrupt) -> None:
  """Saves the state and, unless a stop was asked for, scores valid excerpts."""
  step = int(state.step)
  run.checkpoints.save(state, run.batches.get_state() | {'seconds': run.budget.seconds})
  if interrupt.requested:
    return
  found = score_batches(run.model, state.ema, run.valid).report()
  metrics = {f'eval_valid/{name}': value for name, value in found.items()}
  run.logs.write(step, metrics)
  run.checkpoints.add_evaluation(step, metrics)
  say(f'step {step}: valid {found["bits_per_note"]:.2f} bits a note')
