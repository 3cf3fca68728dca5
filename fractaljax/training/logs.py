"""What a run tells of itself: metrics.jsonl, TensorBoard, and lines on the screen."""

import contextlib
import json
import os
import time
from pathlib import Path

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from fractaljax.training.checkpoint import SCORE


class Logs:
  """Writes metrics and pictures of a run.

  Args:
    workdir: the run's folder; metrics.jsonl has one object a line, with `step` and the metrics.
    start_step: step that the run goes on from; what was logged later, before it was stopped, goes.
    is_evaluated: whether the evaluation at that step is done; if not, what was logged of it goes.
  """

  def __init__(self, workdir: str, start_step: int, is_evaluated: bool):
    self.workdir = Path(workdir)
    path = self.workdir / 'metrics.jsonl'
    _keep_until(path, start_step, is_evaluated)
    self._file = path.open('a')
    folder = self.workdir / 'tensorboard'
    folder.mkdir(exist_ok=True)
    # Not SummaryWriter: its thread dies on a full disk, and then the run waits for it forever.
    self._board = EventsWriter(str(folder / 'events'))
    if start_step:
      restart = SessionLog(status=SessionLog.START)
      self._board.write_event(Event(step=start_step + 1, session_log=restart))

  def write(self, step: int, metrics: dict[str, float]) -> None:
    """Logs numbers under their names, such as `train/bits_per_note`."""
    print(json.dumps({'step': step} | metrics), file=self._file, flush=True)
    for name, value in metrics.items():
      self._show(step, summary.scalar(name, value))
    self._board.flush()

  def image(self, step: int, name: str, image_YxXx3: np.ndarray) -> None:
    """Shows a picture, uint8, on TensorBoard."""
    self._show(step, summary.image(name, image_YxXx3, dataformats='HWC'))

  def _show(self, step: int, content) -> None:
    self._board.write_event(Event(wall_time=time.time(), step=step, summary=content))

  def __enter__(self) -> 'Logs':
    return self

  def __exit__(self, *error) -> None:
    # Each closes again what the one before could not write, on a full disk.
    with contextlib.ExitStack() as stack:
      stack.callback(self._file.close)
      stack.callback(self._board.close)


def _keep_until(path: Path, last_step: int, is_evaluated: bool) -> None:
  """Drops the lines after a step or an evaluation, and a half line that a killed run left."""
  if not path.exists():
    return
  kept = []
  for line in path.read_text().splitlines():
    try:
      row = json.loads(line)
      is_late = row['step'] == last_step and SCORE in row and not is_evaluated
      if row['step'] <= last_step and not is_late:
        kept.append(line + '\n')
    except (ValueError, KeyError):
      continue
  half = path.with_suffix('.tmp')
  half.write_text(''.join(kept))
  os.replace(half, path)
