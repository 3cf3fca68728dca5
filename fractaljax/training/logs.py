"""What a run tells of itself: metrics.jsonl, TensorBoard, and lines on the screen."""

import contextlib
import io
import json
import time
from typing import IO

import numpy as np
from etils import epath
from matplotlib.figure import Figure
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import directory_check

from fractaljax.data.bucket import is_bucket
from fractaljax.distributed import is_first
from fractaljax.music.notes import Song
from fractaljax.music.pictures import roll_image, save_roll
from fractaljax.music.sound import SAMPLE_RATE, as_wav, synthesise
from fractaljax.training import run_dir
from fractaljax.training.score import SCORE

RGBA = 4  # colour channels of what matplotlib writes, as TensorBoard counts them


class Logs:
  """Writes metrics and pictures of a run; of several processes, the first one does.

  Args:
    workdir: the run's folder; metrics.jsonl has one object a line, with `step` and the metrics.
    start_step: step that the run goes on from; what was logged later, before it was stopped, goes.
    is_evaluated: whether the evaluation at that step is done; if not, what was logged of it goes.
  """

  def __init__(self, workdir: str, start_step: int, is_evaluated: bool):
    self._workdir, self._writes = run_dir.folder(workdir), is_first()
    if not self._writes:
      return
    self._path = self._workdir / run_dir.METRICS
    self._lines = _keep_until(self._path, start_step, is_evaluated)
    # What is in a bucket cannot grow; it is written anew.
    self._file = None if is_bucket(workdir) else self._path.open('a')
    folder = str(self._workdir / 'tensorboard')
    directory_check(folder)
    # Not SummaryWriter: its thread dies on a full disk, and then the run waits for it forever.
    self._board = EventsWriter(f'{folder}/events')
    if start_step:
      restart = SessionLog(status=SessionLog.START)
      self._board.write_event(Event(step=start_step + 1, session_log=restart))

  def write(self, step: int, metrics: dict[str, float]) -> None:
    """Logs numbers under their names, such as `train/bits_per_note`."""
    if not self._writes:
      return
    self._lines.append(json.dumps({'step': step} | metrics) + '\n')
    if self._file:
      self._file.write(self._lines[-1])
      self._file.flush()
    else:
      self._path.write_text(''.join(self._lines))
    for name, value in metrics.items():
      self._show(step, summary.scalar(name, value))
    self._board.flush()

  def roll(self, step: int, name: str, notes_Nx4: np.ndarray, num_steps: int) -> None:
    """Shows notes as a picture, on TensorBoard and in the folder `pictures`."""
    if not self._writes:
      return
    self._show(step, summary.image(name, roll_image(notes_Nx4, num_steps), dataformats='HWC'))
    with self._picture(step, name) as file:
      save_roll(notes_Nx4, num_steps, file, title=f'step {step}')

  def figure(self, step: int, name: str, figure: Figure) -> None:
    """Shows a figure, on TensorBoard and in the folder `pictures`."""
    if not self._writes:
      return
    with io.BytesIO() as buffer:
      figure.savefig(buffer, format='png')
      encoded = buffer.getvalue()
    width, height = figure.canvas.get_width_height()
    image = Summary.Image(height=height, width=width, colorspace=RGBA, encoded_image_string=encoded)
    self._show(step, Summary(value=[Summary.Value(tag=name, image=image)]))
    with self._picture(step, name) as file:
      file.write(encoded)

  def sound(self, step: int, name: str, song: Song) -> None:
    """Lets TensorBoard play a song."""
    if not self._writes:
      return
    wave_S = synthesise(song)
    audio = Summary.Audio(
      sample_rate=SAMPLE_RATE, num_channels=1, length_frames=len(wave_S),
      encoded_audio_string=as_wav(wave_S), content_type='audio/wav',
    )  # fmt: skip
    self._show(step, Summary(value=[Summary.Value(tag=name, audio=audio)]))

  def _picture(self, step: int, name: str) -> IO[bytes]:
    folder = self._workdir / 'pictures'
    folder.mkdir(exist_ok=True)
    return (folder / f'{step:07d}_{name}.png').open('wb')

  def _show(self, step: int, content) -> None:
    self._board.write_event(Event(wall_time=time.time(), step=step, summary=content))

  def __enter__(self) -> 'Logs':
    return self

  def __exit__(self, *error) -> None:
    # Both are closed, though each may raise on a full disk.
    with contextlib.ExitStack() as stack:
      if self._writes:
        stack.callback(self._board.close)
      if self._writes and self._file:
        stack.callback(self._file.close)


def _keep_until(path: epath.Path, last_step: int, is_evaluated: bool) -> list[str]:
  """Drops the lines after a step or an evaluation, and a half line that a killed run left."""
  kept = []
  for line in path.read_text().splitlines() if path.exists() else ():
    try:
      row = json.loads(line)
      is_late = row['step'] == last_step and SCORE in row and not is_evaluated
      if row['step'] <= last_step and not is_late:
        kept.append(line + '\n')
    except (ValueError, KeyError):
      continue
  half = path.with_suffix('.tmp')
  half.write_text(''.join(kept))
  half.replace(path)
  return kept
