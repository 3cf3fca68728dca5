"""What a run tells of itself: metrics.jsonl, TensorBoard, and lines on the screen."""

import json
import os
from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter

from fractaljax.distributed import is_first
from fractaljax.music.pictures import roll_image, save_roll


class Logs:
  """Writes metrics and pictures of a run; of several processes, the first one does.

  Args:
    workdir: the run's folder; metrics.jsonl has one object a line, with `step` and the metrics.
    start_step: step that the run goes on from; what was logged later, before it was stopped, goes.
  """

  def __init__(self, workdir: str, start_step: int):
    self._workdir, self._writes = Path(workdir), is_first()
    if not self._writes:
      return
    path = self._workdir / 'metrics.jsonl'
    _keep_until(path, start_step)
    self._file = path.open('a')
    self._board = SummaryWriter(
      str(self._workdir / 'tensorboard'), purge_step=start_step + 1 if start_step else None
    )

  def write(self, step: int, metrics: dict[str, float]) -> None:
    """Logs numbers under their names, such as `train/bits_per_note`."""
    if self._writes:
      print(json.dumps({'step': step} | metrics), file=self._file, flush=True)
      for name, value in metrics.items():
        self._board.add_scalar(name, value, step)

  def roll(self, step: int, name: str, notes_Nx4: np.ndarray, num_steps: int) -> None:
    """Shows notes as a picture, on TensorBoard and in the folder `pictures`."""
    if self._writes:
      self._board.add_image(name, roll_image(notes_Nx4, num_steps), step, dataformats='HWC')
      folder = self._workdir / 'pictures'
      folder.mkdir(exist_ok=True)
      save_roll(notes_Nx4, num_steps, str(folder / f'{step:07d}_{name}.png'), title=f'step {step}')

  def __enter__(self) -> 'Logs':
    return self

  def __exit__(self, *error) -> None:
    if self._writes:
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
