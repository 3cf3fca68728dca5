"""The endless stream of random crops: what is in each batch, and its iterator."""

import dataclasses
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import grain
import numpy as np

from fractaljax.data.sheets import Sheets
from fractaljax.errors import UserError
from fractaljax.music.clip import Clip

NUM_BLOCKS = 10**12  # endless for any run
BLOCK_CROPS = 256
WORKER_DIED = 'Worker process was terminated'  # as grain tells it


class Epoch(NamedTuple):
  """An epoch of N songs: their order, and two random numbers in [0, 1) for each place in it."""

  song_N: np.ndarray
  start_N: np.ndarray
  shift_N: np.ndarray


@functools.lru_cache(maxsize=2)
def draw_epoch(seed: int, number: int, num_songs: int) -> Epoch:
  """What is random in an epoch; a function of the seed and the epoch's number."""
  rng = np.random.default_rng((seed, number))
  start_N, shift_N = rng.random((2, num_songs), np.float32)
  return Epoch(rng.permutation(num_songs), start_N, shift_N)


class Drawn(NamedTuple):
  """What was drawn for a crop: how far it is moved, and its steps without padding."""

  semitones: int
  num_steps: int


@dataclasses.dataclass(frozen=True)
class Blocks(Sequence[Clip]):
  """The clips of one process in blocks of a size; see `pipeline.training_batches`.

  The crops of all processes have one numbering. Crop c is of epoch c // N, at place c % N, and
  belongs to process c % process_count: how many processes there are changes no crop, and every song
  comes once an epoch, whether or not their number divides N.

  Attributes:
    sheets: the songs.
    max_notes: room for the notes of a crop.
    seed: of everything random.
    process_index, process_count: which share of the crops is this process's.
    beginnings: share of the crops that begin where their song does, besides those by chance.
    first: the first of its crops in the first block.
    size: crops in a block.
  """

  sheets: Sheets
  max_notes: int
  seed: int
  process_index: int
  process_count: int
  beginnings: float = 0.0
  first: int = 0
  size: int = 1

  def __len__(self) -> int:
    return NUM_BLOCKS

  def __getitem__(self, number: int) -> Clip:
    before = self.first + number * self.size
    notes_Bx4xN = np.zeros((self.size, 4, self.max_notes), np.int32)
    drawn, ids_B = [], []
    for crop, notes_4xN in enumerate(notes_Bx4xN, before):
      index, bar, semitones = self._draw(crop)
      sheet = self.sheets[index]
      found_4xN = self.sheets.notes(sheet, bar, self.max_notes)
      notes_4xN[:, : found_4xN.shape[1]] = found_4xN
      per_bar = sheet.song.steps_per_bar
      drawn.append((bar * per_bar, semitones, sheet.song.num_steps, per_bar))
      ids_B.append(self.sheets.attributes(index, semitones))
    return Clip(notes_Bx4xN, *np.array(drawn, np.int32).T, np.stack(ids_B))

  def drawn(self, first: int, end: int) -> list[Drawn]:
    """What is drawn for crops of this process, by their number in it."""
    return [self._tell(*self._draw(crop)) for crop in range(first, end)]

  def _tell(self, index: int, bar: int, semitones: int) -> Drawn:
    song, num_steps = self.sheets[index].song, self.sheets.num_steps
    return Drawn(semitones, min(num_steps, song.num_steps - bar * song.steps_per_bar))

  def _draw(self, crop: int) -> tuple[int, int, int]:
    """Of a crop of this process: the number of its song, its first bar and its interval."""
    number = crop * self.process_count + self.process_index
    epoch_number, place = divmod(number, len(self.sheets))
    epoch = draw_epoch(self.seed, epoch_number, len(self.sheets))
    index = int(epoch.song_N[place])
    sheet = self.sheets[index]
    start, share = float(epoch.start_N[place]), self.beginnings
    start = 0.0 if start < share else (start - share) / (1 - share)
    bar = int(start * len(sheet.stretch_Kx2))
    return index, bar, sheet.shifts[int(epoch.shift_N[place] * len(sheet.shifts))]


def _begin_worker(*_):
  """Ctrl-C reaches all processes of a terminal; workers leave it to the one that trains.

  They end with that one, however it does.
  """
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
  multiprocessing.parent_process().join()
  os._exit(1)


class Stream(Iterator[Clip]):
  """Runs through batches, prepared ahead by a thread or processes; can be stopped and resumed.

  Args:
    blocks: of the clips.
    batch_size: clips in a batch.
    workers: processes; 0 = a thread of this one.
  """

  def __init__(self, blocks: Blocks, batch_size: int, workers: int):
    self._blocks, self._batch_size, self._workers = blocks, batch_size, workers
    self._next, self._iterator = 0, None

  def __next__(self) -> Clip:
    """The next batch; raises UserError if a worker was killed."""
    if self._iterator is None:
      self._iterator = self._from(self._next)
    try:
      batch = next(self._iterator)
    except RuntimeError as error:
      if not str(error).startswith(WORKER_DIED):
        raise
      what = str(error).partition('. ')[0]
      raise UserError(
        f'{what}, as happens when memory runs out; give it more, or fewer processes than '
        f'--config.data.workers={self._workers}'
      ) from error
    self._next += 1
    return batch

  def batch(self, number: int) -> Clip:
    """The batch with a number, counted from 0; the stream stays where it is."""
    return self._blocks_from(number, self._batch_size)[0]

  def newest(self, num: int) -> list[Drawn]:
    """What was drawn for the newest `num` crops that were given, as far as there are so many."""
    end = self._next * self._batch_size
    return self._blocks.drawn(max(0, end - num), end)

  @property
  def epochs(self) -> float:
    """How often each song was used, by all processes."""
    crops = self._next * self._batch_size * self._blocks.process_count
    return crops / len(self._blocks.sheets)

  def get_state(self) -> dict[str, int]:
    """Where it is: the same whatever the number of workers."""
    return {'next_index': self._next}

  def set_state(self, state: dict[str, int]) -> None:
    """Goes on from there."""
    self._next, self._iterator = state['next_index'], None

  def _blocks_from(self, number: int, size: int) -> Blocks:
    return dataclasses.replace(self._blocks, first=number * self._batch_size, size=size)

  def _from(self, first: int) -> Iterator[Clip]:
    # To hand over a block costs more than to fill a small batch: one has as many as fit.
    num = max(1, BLOCK_CROPS // self._batch_size)
    dataset = grain.MapDataset.source(self._blocks_from(first, num * self._batch_size))
    ahead = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)
    dataset = dataset.to_iter_dataset(ahead)
    if self._workers:
      options = grain.MultiprocessingOptions(self._workers, per_worker_buffer_size=1)
      dataset = dataset.mp_prefetch(options, _begin_worker)
    for block in dataset:
      for i in range(0, len(block.start), self._batch_size):
        yield Clip(*(field_B[i : i + self._batch_size] for field_B in block))
