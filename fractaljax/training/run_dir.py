"""The folder of a run: its lock, and the config in it."""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator

from etils import epath
from ml_collections import ConfigDict

from fractaljax.config import base
from fractaljax.data.bucket import is_bucket
from fractaljax.distributed import is_first
from fractaljax.errors import UserError

CONFIG, METRICS = 'config.json', 'metrics.jsonl'
# Keys of the model that a run may go on with after a change: the parameters mean the same.
MAY_CHANGE = {
  'dropout', 'capacities', 'mask', 'mask_mean', 'mask_std', 'iterations', 'cond_drop', 'dtype',
  'remat', 'hide',
}  # fmt: skip
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def folder(workdir: str) -> epath.Path:
  """The run's folder; the address of a bucket (gs://, s3://) stays as it is."""
  return epath.Path(workdir if is_bucket(workdir) else os.path.abspath(workdir))


@contextlib.contextmanager
def held(workdir: str) -> Iterator[None]:
  """Makes the run's folder and keeps other processes from training in it meanwhile.

  The lock goes with the process, however it ends. A disk that fills up is told in one line.

  Raises:
    UserError: another process trains there, or the folder cannot be written.
  """
  path = folder(workdir)
  try:
    path.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
      if is_first() and not is_bucket(workdir):
        _lock(stack.enter_context((path / 'lock').open('a')), workdir)
      yield
  except OSError as error:
    if error.errno in NO_ROOM:
      raise UserError(
        f'--workdir={workdir} has no room left ({error.strerror}); its checkpoints are whole: make '
        'room, and the same command goes on'
      ) from error
    if str(error.filename).startswith(str(path)):
      raise UserError(f'--workdir={workdir} cannot be written: {error.strerror}') from error
    raise


def _lock(file, workdir: str) -> None:
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    raise UserError(
      f'--workdir={workdir}: another process is training there; wait for it or choose another'
    ) from None
  except OSError:  # a file system without locks
    return


def claim(workdir: str, config: ConfigDict) -> None:
  """Writes the config into the run's folder, or checks that the run in it goes on with it.

  Raises:
    UserError: the folder has a run of another architecture, or of songs in other keys.
  """
  path = folder(workdir) / CONFIG
  if path.exists():
    before = read_config(workdir)
    changed = [k for k in config.model if before.model[k] != config.model[k]]
    changed = [f'config.model.{k}' for k in changed if k not in MAY_CHANGE]
    if config.data.in_c != before.data.in_c:
      changed.append('config.data.in_c')
    if changed:
      raise UserError(
        f'{workdir} has a run with another {", ".join(changed)}; go on with the same values or '
        'choose another --workdir'
      )
  if is_first():
    half = path.with_suffix('.tmp')
    half.write_text(config.to_json_best_effort(indent=2))
    half.replace(path)


def read_config(workdir: str) -> ConfigDict:
  """The config of the run in a folder.

  Raises:
    UserError: there is none, it is damaged, or another version of the program wrote it.
  """
  path = folder(workdir) / CONFIG
  try:
    values = json.loads(path.read_text())
  except OSError as error:
    raise UserError(
      f'{path} cannot be read ({error.strerror}); give the --workdir of a training run'
    ) from error
  except ValueError as error:
    raise UserError(f'{path} is damaged ({error}); train again or mend it') from error
  return as_config(values, path)


def as_config(values: dict, path: os.PathLike) -> ConfigDict:
  """A config from what JSON has of it; `path` is where it was.

  Raises:
    UserError: another version of the program wrote it.
  """
  config = base()
  try:
    config.update(_as_tuples(values))
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise UserError(f'{path} is of another version of fractaljax: {error}') from error
  # Those that are not there would be today's, and the parameters are not.
  missing = sorted(set(config.model) - set(values.get('model', {})))
  if missing:
    raise UserError(f'{path} is of another version of fractaljax: no config.model.{missing[0]}')
  return config


def _as_tuples(value):
  """JSON has lists where the config has tuples."""
  if isinstance(value, dict):
    return {k: _as_tuples(v) for k, v in value.items()}
  return tuple(_as_tuples(v) for v in value) if isinstance(value, list) else value
