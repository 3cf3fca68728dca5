"""What a run tells of itself: metrics.jsonl, TensorBoard, and lines on the screen."""

import json
import os
from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter


class Logs:
  """Writes metrics and pictures of a run.

  Args:
    workdir: the run's folder; metrics.jsonl has one object a line, with `step` and the metrics.
    start_step: step that the run goes on from; what was logged later, before it was stopped, goes.
  """

  def __init__(self, workdir: str, start_step: int):
    self.workdir = Path(workdir)
    path = self.workdir / 'metrics.jsonl'
    _keep_until(path, start_step)
    self._file = path.open('a')
    self._board = SummaryWriter(
      str(self.workdir / 'tensorboard'), purge_step=start_step + 1 if start_step else None
    )

  def write(self, step: int, metrics: dict[str, float]) -> None:
    """Logs numbers under their names, such as `train/bits_per_note`."""
    print(json.dumps({'step': step} | metrics), file=self._file, flush=True)
    for name, value in metrics.items():
      self._board.add_scalar(name, value, step)

  def image(self, step: int, name: str, image_YxXx3: np.ndarray) -> None:
    """Shows a picture, uint8, on TensorBoard."""
    self._board.add_image(name, image_YxXx3, step, dataformats='HWC')

  def __enter__(self) -> 'Logs':
    return self

  def __exit__(self, *error) -> None:
    self._file.close()
    self._board.close()


def _keep_until(path: Path, last_step: int) -> None:
  """Drops the lines after a step, and a half line that a killed run left at the end."""
  if not path.exists():
    return
  kept = []
  for line in path.read_text().splitlines():
    try:
      if json.loads(line)['step'] <= last_step:
        kept.append(line + '\n')
    except (ValueError, KeyError):
      continue
  half = path.with_suffix('.tmp')
  half.write_text(''.join(kept))
  os.replace(half, path)
