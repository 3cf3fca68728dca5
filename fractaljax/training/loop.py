"""The training loop."""

import contextlib
import functools
from collections.abc import Sequence

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from fractaljax.config import check
from fractaljax.data import pipeline
from fractaljax.data.stream import Stream
from fractaljax.distributed import is_first, say, wait
from fractaljax.errors import UserError
from fractaljax.mesh import Placement, make_placement
from fractaljax.model.fractal import Fractal
from fractaljax.model.trunk import num_parameters
from fractaljax.music.clip import Clip
from fractaljax.music.notes import Song
from fractaljax.training import run_dir
from fractaljax.training.checkpoint import Checkpoints
from fractaljax.training.evaluation import Evaluation
from fractaljax.training.interrupt import Interrupt, Stopped
from fractaljax.training.logs import Logs
from fractaljax.training.meter import Meter, NotFinite
from fractaljax.training.optimizer import make_optimizer, make_schedule
from fractaljax.training.songs import songs_of
from fractaljax.training.state import State, init_state
from fractaljax.training.step import jit_step
from fractaljax.training.watched import WatchedStep


def train(
  config: ConfigDict,
  workdir: str,
  devices: list[jax.Device] | None = None,
  interrupt: Interrupt | None = None,
) -> State:
  """Trains a model, from the newest checkpoint in `workdir` if there is one.

  Args:
    config: the experiment.
    workdir: the run's folder: config, checkpoints, metrics.jsonl, tensorboard, pictures.
    devices: to train on; all by default.
    interrupt: asks for a stop; entered by the caller.

  Returns:
    the last state.

  Raises:
    UserError: a config value, the data or the folder is not as it must be.
  """
  devices = devices or jax.devices()
  interrupt = interrupt or Interrupt()
  placement = make_placement(devices, config.fsdp)
  model = Fractal(check(config, len(devices)))
  with run_dir.held(workdir), contextlib.ExitStack() as stack:
    songs = songs_of(config, workdir)
    run_dir.claim(workdir, config)

    optimizer = make_optimizer(config.optimizer, config.num_steps)
    batches = _stream(config, model, songs['train'])
    checkpoints = stack.enter_context(contextlib.closing(Checkpoints(workdir, config)))
    state = _start_or_resume(config, model, optimizer, batches, checkpoints, placement)
    say(f'{num_parameters(state.params):,} parameters, {len(devices)} device(s)')
    step_function = WatchedStep(
      jit_step(config, model, optimizer, placement, state),
      optimizer,
      make_schedule(config.optimizer, config.num_steps),
      state.params,
      batches,
    )
    step = int(state.step)
    logs = stack.enter_context(Logs(workdir, step, checkpoints.is_evaluated(step)))
    evaluation = Evaluation(config, model, songs, placement, logs)
    try:
      return _loop(
        config, state, batches, placement, step_function, checkpoints, evaluation, logs, interrupt
      )
    except NotFinite as error:
      kept = _keep_batch(workdir, error.step, batches.batch(error.step - 1))
      wait('bad batches are written')  # the first process takes the others with it when it ends
      raise UserError(f'{error}; {kept}') from error


def _loop(
  config, state, batches, placement, step_function, checkpoints, evaluation, logs, interrupt
) -> State:
  """Updates until the last one, or until a stop is asked for; in the end the state is saved."""
  start, last = int(state.step), config.num_steps
  settings = config.optimizer.max_skipped, config.optimizer.clip_norm
  meter = Meter(config.log_every, config.data.batch_size, *settings)
  bar = tqdm(total=last, initial=start, unit='step', dynamic_ncols=True, disable=not is_first())

  def log(step, metrics):
    logs.write(step, metrics | step_function.applied())
    bar.set_postfix_str(f'{metrics["train/bits_per_note"]:.2f} bits a note')

  def is_evaluated_at(step):
    return step > 0 and (step == last or step % config.eval_every == 0)

  def evaluate(step):
    with contextlib.suppress(Stopped):
      metrics = evaluation.report(step, state.ema, interrupt)
      checkpoints.add_evaluation(step, metrics)

  with bar:
    if is_evaluated_at(start) and not checkpoints.is_evaluated(start):
      evaluate(start)  # the run was stopped while it evaluated
      meter.restart()
    stop = interrupt.requested
    for step in range(start + 1, last + 1):
      if stop:
        break
      state, metrics = step_function(state, placement.place(next(batches)))
      bar.update()
      if means := meter.add(step, metrics):
        log(step - 1, means)
      stop = interrupt.is_due(step)
      # What is evaluated is saved, so that the best of them is there.
      if stop or is_evaluated_at(step) or step % config.checkpoint_every == 0:
        log(step, meter.flush(step))
        checkpoints.save(state, batches.get_state())
        if is_evaluated_at(step) and not stop:
          evaluate(step)
        stop = stop or interrupt.requested
        meter.restart()
  if stop:
    say(f'stopped at step {int(state.step)}; the same command goes on from there')
  return state


def _keep_batch(workdir: str, step: int, batch: Clip) -> str:
  """Writes this process's share of a batch into the run's folder; says where it is, or why not."""
  path = run_dir.folder(workdir) / f'bad_batch_{step:07d}_{jax.process_index()}.npz'
  try:
    with path.open('wb') as file:
      np.savez_compressed(file, **batch._asdict())
  except OSError as error:
    return f'the batch is not in {path} ({error.strerror or error})'
  return f'the batch is in {path}'


def _stream(config: ConfigDict, model: Fractal, songs: Sequence[Song]) -> Stream:
  """This process's share of the training batches."""
  data, count = config.data, jax.process_count()
  return pipeline.training_batches(
    songs,
    model.config.codec,
    data.batch_size // count,
    data.crop_steps,
    model.config.halo,
    data.transpose,
    model.config.attributes,
    config.seed,
    jax.process_index(),
    count,
    data.workers,
    data.beginnings,
  )


def _start_or_resume(
  config, model, optimizer, batches, checkpoints: Checkpoints, placement: Placement
) -> State:
  """A fresh state, or the newest checkpoint's with the data stream put where it was."""
  init = functools.partial(init_state, model, optimizer, seed=config.seed)
  codec, halo, attributes = model.config.codec, model.config.halo, model.config.attributes
  example = pipeline.empty_batch(codec, config.data.crop_steps, halo, attributes)
  shapes = jax.eval_shape(init, example)
  shardings = placement.of_state(shapes)
  step = checkpoints.find()
  if step is None:
    return jax.jit(init, out_shardings=shardings)(example)
  state, data_state = checkpoints.restore(step, shapes, shardings)
  batches.set_state(data_state)
  say(f'going on from step {step}')
  return state
