"""Checkpoints of a run."""

import contextlib
import json
import math
import sys

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils
from jax.sharding import Sharding
from ml_collections import ConfigDict
from tqdm import tqdm

from fractaljax.data.bucket import is_bucket
from fractaljax.distributed import is_first, wait
from fractaljax.errors import UserError
from fractaljax.training import manifest, run_dir, score
from fractaljax.training.state import State


class Checkpoints:
  """The checkpoints in a run's folder: the newest ones, and the best of those that were evaluated.

  A save goes on in the background, beside the others, and is renamed when it is whole, so a killed
  run leaves no half checkpoint behind (at s3://, where files move one by one, it may, and is passed
  over). Each has the config with it and a manifest of its files.

  Args:
    workdir: the run's folder.
    config: of the run that saves; None = only to read, which changes nothing in the folder.
  """

  def __init__(self, workdir: str, config: ConfigDict | None = None):
    self.directory = run_dir.folder(workdir) / 'checkpoints'
    self._config = config
    options = ocp.CheckpointManagerOptions(
      preservation_policy=self if config else None,
      cleanup_tmp_directories=config is not None,
      create=config is not None,
      async_options=ocp.AsyncOptions(post_finalization_callback=self._write_manifest),
    )
    self._manager = ocp.CheckpointManager(self.directory, options=options)
    self._scores = {step: score.read(self._at(step)) for step in self._manager.all_steps()}

  def find(self, which: str = 'latest') -> int | None:
    """Step of the newest or the best checkpoint that is whole; None if there is none at all.

    Damaged ones are passed over, with a line that says so, and moved out of the way by a run.

    Raises:
      UserError: none is whole, none was evaluated, or one is of another version.
    """
    steps = sorted(self._scores)
    if which == 'best' and steps:
      steps = sorted(filter(self.is_evaluated, steps), key=lambda step: -self._scores[step])
      if not steps:
        raise UserError(f'{self.directory}: none was evaluated yet; use the latest')
    damaged = {}
    while steps:
      step = steps.pop()
      what = self._damage(step)
      if what is None:
        self._pass_over(damaged, step)
        return step
      damaged[step] = what
    if damaged:
      reasons = '; '.join(f'step {step}: {what}' for step, what in damaged.items())
      raise UserError(
        f'{self.directory}: no checkpoint is whole ({reasons}); put one back or train again'
      )
    return None

  def save(self, state: State, data_state: dict) -> None:
    """Saves the state and that of the data stream, once a step.

    Raises:
      UserError: the save, or the one before it, failed; the older checkpoints are intact.
    """
    step = int(state.step)
    # Orbax would skip, silently, a save that is asked for while another one runs.
    self.wait()
    if step in self._scores:
      return
    about = {'config': json.loads(self._config.to_json_best_effort()), 'data': data_state}
    items = ocp.args.Composite(
      params=ocp.args.StandardSave(state.params),
      ema=ocp.args.StandardSave(state.ema),
      rest=ocp.args.StandardSave({'step': state.step, 'opt_state': state.opt_state}),
      about=ocp.args.JsonSave(about),
    )
    self._scores[step] = math.inf
    try:
      self._manager.save(step, args=items)
    except (OSError, ValueError, RuntimeError) as error:
      self._refuse_save(error)

  def wait(self) -> None:
    """Waits until what was saved is on disk; raises as `save` does."""
    try:
      self._manager.wait_until_finished()
    except (OSError, ValueError, RuntimeError) as error:
      self._refuse_save(error)

  def add_evaluation(self, step: int, metrics: dict[str, float]) -> None:
    """Keeps the result of an evaluation with its checkpoint; the one with the best stays.

    The state is saved first and evaluated then: an evaluation takes long and may be interrupted.
    """
    self.wait()
    self._scores[step] = score.of(metrics)
    if is_first():
      score.write(self._at(step), metrics)

  def is_evaluated(self, step: int) -> bool:
    return math.isfinite(self._scores.get(step, math.inf))

  def should_preserve(self, checkpoints, *, context) -> list[bool]:
    """The policy that Orbax asks: the newest checkpoints and the best one stay."""
    steps = [checkpoint.step for checkpoint in checkpoints]
    best = min(steps, key=lambda step: (self._scores[step], -step))
    kept = {best} | set(steps[-self._config.keep_checkpoints :])
    self._scores = {step: self._scores[step] for step in sorted(kept)}
    return [step in kept for step in steps]

  def read_config(self, step: int) -> ConfigDict:
    """The config that a checkpoint was trained with."""
    about = self._restore(step, {'about': ocp.args.JsonRestore()}).about
    return run_dir.as_config(about['config'], self._at(step))

  def restore(self, step: int, state: State, shardings: State) -> tuple[State, dict]:
    """The state and that of the data stream; `state` gives the shapes.

    Raises:
      UserError: the checkpoint does not fit.
    """
    rest = {'step': state.step, 'opt_state': state.opt_state}
    shapes = {'params': state.params, 'ema': state.ema, 'rest': rest}
    rest = {'step': shardings.step, 'opt_state': shardings.opt_state}
    where = {'params': shardings.params, 'ema': shardings.ema, 'rest': rest}
    items = {k: ocp.args.StandardRestore(_abstract(v, where[k])) for k, v in shapes.items()}
    found = self._restore(step, items | {'about': ocp.args.JsonRestore()})
    state = State(found.rest['step'], found.params, found.ema, found.rest['opt_state'])
    return state, found.about['data']

  def restore_params(self, step: int, params, sharding: Sharding, averaged: bool):
    """The parameters, or their average; `params` gives the shapes; raises as `restore` does."""
    item, shardings = 'ema' if averaged else 'params', jax.tree.map(lambda _: sharding, params)
    abstract = ocp.args.StandardRestore(_abstract(params, shardings))
    return self._restore(step, {item: abstract})[item]

  def close(self) -> None:
    """Finishes what is being saved."""
    self.wait()
    self._manager.close()

  def _at(self, step: int) -> epath.Path:
    return self.directory / str(step)

  def _write_manifest(self) -> None:
    """Called by Orbax, in the background, when all files are there and before they are in place."""
    step = max(self._scores)
    # At gs://, where nothing can be renamed, they are in their last place from the beginning.
    manifest.write(next(self.directory.glob(f'{step}.*'), self._at(step)))

  def _damage(self, step: int) -> str | None:
    """What is wrong with a checkpoint; the first process looks and tells the others."""
    what = manifest.damage(self._at(step)) if is_first() else None
    damaged = multihost_utils.broadcast_one_to_all(np.array(what is not None))
    return (what or 'damaged') if damaged else None

  def _pass_over(self, damaged: dict[int, str], found: int) -> None:
    """Tells of damaged checkpoints; moves them away, so that their steps can be saved again."""
    for step, what in damaged.items():
      del self._scores[step]
      if is_first():
        tqdm.write(f'{self._at(step)}: {what}; taking step {found} instead', file=sys.stderr)
        if self._config:
          self._move_away(step)
    if damaged:
      wait('damaged checkpoints are out of the way')
      self._manager.reload()

  def _move_away(self, step: int) -> None:
    if is_bucket(self.directory):  # of folders, which it has none of, little can be moved there
      self._at(step).rmtree()
      return
    aside = self.directory.parent / 'damaged' / str(step)
    aside.parent.mkdir(exist_ok=True)
    if aside.exists():
      aside.rmtree()
    self._at(step).rename(aside)

  def _restore(self, step: int, items: dict):
    try:
      return self._manager.restore(step, args=ocp.args.Composite(**items))
    except (OSError, ValueError, KeyError, TypeError) as error:
      reason = ' '.join(str(error).split())[:200]
      raise UserError(
        f'{self.directory}: cannot read step {step} ({reason}); see that the config is the '
        'one that it was trained with'
      ) from error

  def _refuse_save(self, error: Exception):
    if is_first():
      for half in self.directory.glob('*tmp*'):  # it takes room
        with contextlib.suppress(OSError):
          half.rmtree()
    # What the system said comes last, after all that it was for.
    reason = ' '.join(str(error).split(': ')[-1].split())
    raise UserError(
      f'{self.directory}: cannot save ({reason}); the checkpoints before it are whole: make '
      'room, and the same command goes on'
    ) from error


def _abstract(tree, shardings):
  return jax.tree.map(
    lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), tree, shardings
  )
