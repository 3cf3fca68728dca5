"""The folder of a run: its config, and the model that a config describes."""

import json
import os
from pathlib import Path

from ml_collections import ConfigDict

from fractaljax.config import base, build_model
from fractaljax.errors import UserError
from fractaljax.model.config import ModelConfig

CONFIG = 'config.json'


def claim(workdir: str, config: ConfigDict):
  """Makes the run's folder and writes its config there, or checks that the run in it goes on.

  Raises:
    UserError: the folder has a run of another architecture, or cannot be written.
  """
  path = Path(workdir) / CONFIG
  if path.exists():
    changed = _changed(read_config(workdir), config)
    if changed:
      raise UserError(
        f'{workdir} has a run with another {", ".join(changed)}; go on with the same values or '
        'choose another --workdir'
      )
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix('.tmp')
    half.write_text(config.to_json_best_effort(indent=2))
    os.replace(half, path)
  except OSError as error:
    raise UserError(f'--workdir={workdir} cannot be written: {error.strerror}') from error


def read_config(workdir: str) -> ConfigDict:
  """The config of the run in a folder.

  Raises:
    UserError: there is none, it is damaged, or another version of the program wrote it.
  """
  path = Path(workdir) / CONFIG
  try:
    values = json.loads(path.read_text())
  except OSError as error:
    raise UserError(
      f'{path} cannot be read ({error.strerror}); give the --workdir of a training run'
    ) from error
  except ValueError as error:
    raise UserError(f'{path} is damaged ({error}); train again or mend it') from error
  config = base()
  try:
    config.update(_as_tuples(values))
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise UserError(f'{path} is of another version of fractaljax: {error}') from error
  return config


def read_model(workdir: str) -> tuple[ConfigDict, ModelConfig]:
  """The run's config and its model's."""
  config = read_config(workdir)
  return config, build_model(config.model)


def _changed(before: ConfigDict, now: ConfigDict) -> list[str]:
  return [f'config.model.{k}' for k in now.model if before.model[k] != now.model[k]]


def _as_tuples(value):
  """JSON has lists where the config has tuples."""
  if isinstance(value, dict):
    return {k: _as_tuples(v) for k, v in value.items()}
  return tuple(_as_tuples(v) for v in value) if isinstance(value, list) else value
