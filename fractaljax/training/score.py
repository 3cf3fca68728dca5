"""The result of an evaluation, kept in the folder of the checkpoint that it judges."""

import json
import math

from etils import epath

NAME = 'evaluation.json'
SCORE = 'eval_valid/nats_per_step'  # the best checkpoint has least of it


def of(metrics: dict[str, float]) -> float:
  """The score of an evaluation; infinite if it is not a number."""
  return metrics[SCORE] if math.isfinite(metrics[SCORE]) else math.inf


def read(folder: epath.Path) -> float:
  """The score of a checkpoint; infinite if it was not evaluated."""
  try:
    return of(json.loads((folder / NAME).read_text()))
  except (OSError, ValueError, KeyError, TypeError):
    return math.inf


def write(folder: epath.Path, metrics: dict[str, float]) -> None:
  """Keeps the result of an evaluation."""
  half = folder / f'{NAME}.tmp'
  half.write_text(json.dumps(metrics))
  half.replace(folder / NAME)
