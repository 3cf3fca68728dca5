"""Checkpoints of a run. All that touches Orbax is here."""

from pathlib import Path

import jax
import orbax.checkpoint as ocp
from jax.sharding import Sharding

from fractaljax.errors import UserError
from fractaljax.training.state import State


class Checkpoints:
  """The checkpoints in a run's folder; the last `keep` of them stay.

  A save is written beside the others and renamed when it is whole, so a killed run leaves no half
  checkpoint behind. Saving goes on in the background.
  """

  def __init__(self, workdir: str, keep: int):
    self.directory = Path(workdir).resolve() / 'checkpoints'
    options = ocp.CheckpointManagerOptions(max_to_keep=keep, cleanup_tmp_directories=True)
    self._manager = ocp.CheckpointManager(self.directory, options=options)

  @property
  def latest(self) -> int | None:
    """Step of the newest checkpoint."""
    return self._manager.latest_step()

  def save(self, state: State, data_state: dict) -> None:
    """Saves the state and that of the data stream, once a step.

    Raises:
      UserError: the save, or the one before it, failed; the older checkpoints are intact.
    """
    step = int(state.step)
    # Orbax would skip, silently, a save that is asked for while another one runs.
    self.wait()
    if step == self.latest:
      return
    rest = {'step': state.step, 'opt_state': state.opt_state}
    items = ocp.args.Composite(
      params=ocp.args.StandardSave(state.params),
      ema=ocp.args.StandardSave(state.ema),
      rest=ocp.args.StandardSave(rest),
      data=ocp.args.JsonSave(data_state),
    )
    try:
      self._manager.save(step, args=items)
    except (OSError, ValueError) as error:
      self._refuse('cannot save', error)

  def wait(self) -> None:
    """Waits until what was saved is on disk."""
    try:
      self._manager.wait_until_finished()
    except (OSError, ValueError) as error:
      self._refuse('cannot save', error)

  def restore(self, state: State, shardings: State) -> tuple[State, dict]:
    """The newest state and that of the data stream; `state` gives the shapes.

    Raises:
      UserError: there is no checkpoint, or it does not fit.
    """
    rest = {'step': state.step, 'opt_state': state.opt_state}
    shapes = {'params': state.params, 'ema': state.ema, 'rest': rest}
    rest = {'step': shardings.step, 'opt_state': shardings.opt_state}
    where = {'params': shardings.params, 'ema': shardings.ema, 'rest': rest}
    items = {k: ocp.args.StandardRestore(_abstract(v, where[k])) for k, v in shapes.items()}
    items['data'] = ocp.args.JsonRestore()
    found = self._restore(items)
    state = State(found.rest['step'], found.params, found.ema, found.rest['opt_state'])
    return state, found.data

  def restore_params(self, params, sharding: Sharding, averaged: bool = True):
    """The newest parameters, or their average; `params` gives the shapes."""
    item = 'ema' if averaged else 'params'
    abstract = ocp.args.StandardRestore(_abstract(params, sharding))
    return self._restore({item: abstract})[item]

  def _restore(self, items: dict):
    if self.latest is None:
      raise UserError(f'{self.directory} has no checkpoint; let the run reach its first one')
    try:
      return self._manager.restore(self.latest, args=ocp.args.Composite(**items))
    except (OSError, ValueError, KeyError, TypeError) as error:
      self._refuse(f'cannot read step {self.latest}', error)

  def _refuse(self, what: str, error: Exception):
    reason = ' '.join(str(error).split())[:200]
    remedy = 'see that the disk has room and the config is the one that it was trained with'
    raise UserError(f'{self.directory}: {what} ({reason}); {remedy}') from error

  def close(self) -> None:
    """Finishes what is being saved."""
    self.wait()
    self._manager.close()


def _abstract(tree, shardings):
  """Shapes with the places of the arrays: one for all, or a tree of them."""
  if isinstance(shardings, Sharding):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=shardings), tree)
  return jax.tree.map(
    lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), tree, shardings
  )
