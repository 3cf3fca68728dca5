"""The endless stream of random crops: what is in each batch, and its iterator."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import grain
import numpy as np

from fractaljax.music.codec import Codec
from fractaljax.music.crop import Crop, cut_all, transpose_range
from fractaljax.music.notes import Song

NUM_BATCHES = 10**12  # endless for any run


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
class Batches(Sequence[Crop]):
  """The batches of one process by number, from `first` on; see `pipeline.training_batches`.

  The crops of all processes have one numbering. Crop c is of epoch c // N, at place c % N, and
  belongs to process c % process_count: how many processes there are changes no crop, and every song
  comes once an epoch, whether or not their number divides N.
  """

  songs: Sequence[Song]
  codec: Codec
  batch_size: int
  num_steps: int
  halo: int
  transpose: tuple[int, int]
  attributes: tuple[str, ...]
  seed: int
  process_index: int
  process_count: int
  first: int = 0

  def __len__(self) -> int:
    return NUM_BATCHES

  def __getitem__(self, number: int) -> Crop:
    before = (self.first + number) * self.batch_size
    crops = range(before, before + self.batch_size)
    drawn = [self._draw(crop * self.process_count + self.process_index) for crop in crops]
    song_B, start_B, shift_B = zip(*drawn, strict=True)
    return cut_all(song_B, self.codec, start_B, self.num_steps, self.halo, shift_B, self.attributes)

  def drawn(self, first: int, end: int) -> list[Drawn]:
    """What is drawn for crops of this process, by their number in it."""
    mine = [
      self._draw(crop * self.process_count + self.process_index) for crop in range(first, end)
    ]
    return [
      Drawn(shift, min(self.num_steps, song.num_steps - start)) for song, start, shift in mine
    ]

  def _draw(self, crop: int) -> tuple[Song, int, int]:
    """The song, first step and interval of a crop."""
    num_songs = len(self.songs)
    number, place = divmod(crop, num_songs)
    epoch = draw_epoch(self.seed, number, num_songs)
    song = self.songs[int(epoch.song_N[place])]
    num_starts = max(0, -(-(song.num_steps - self.num_steps) // song.steps_per_bar)) + 1
    start = int(epoch.start_N[place] * num_starts) * song.steps_per_bar
    shifts = transpose_range(song, self.codec, *self.transpose)
    return song, start, shifts[int(epoch.shift_N[place] * len(shifts))]


class Stream(Iterator[Crop]):
  """Runs through batches, prepared ahead by threads or processes; can be stopped and resumed.

  Args:
    batches: by number.
    workers: processes; 0 = threads of this one.
  """

  def __init__(self, batches: Batches, workers: int):
    self._batches, self._workers = batches, workers
    self._next, self._iterator = 0, None

  def __next__(self) -> Crop:
    if self._iterator is None:
      self._iterator = self._from(self._next)
    batch = next(self._iterator)
    self._next += 1
    return batch

  def batch(self, number: int) -> Crop:
    """The batch with a number, counted from 0; the stream stays where it is."""
    return self._batches[number]

  def newest(self, num: int) -> list[Drawn]:
    """What was drawn for the newest `num` crops that were given, as far as there are so many."""
    end = self._next * self._batches.batch_size
    return self._batches.drawn(max(0, end - num), end)

  @property
  def epochs(self) -> float:
    """How often each song was used, by all processes."""
    crops = self._next * self._batches.batch_size * self._batches.process_count
    return crops / len(self._batches.songs)

  def get_state(self) -> dict[str, int]:
    """Where it is: the same whatever the number of workers."""
    return {'next_index': self._next}

  def set_state(self, state: dict[str, int]) -> None:
    """Goes on from there."""
    self._next, self._iterator = state['next_index'], None

  def _from(self, first: int) -> Iterator[Crop]:
    dataset = grain.MapDataset.source(dataclasses.replace(self._batches, first=first))
    threads = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
    dataset = dataset.to_iter_dataset(threads)
    if self._workers:
      options = grain.MultiprocessingOptions(self._workers, per_worker_buffer_size=4)
      dataset = dataset.mp_prefetch(options)
    return iter(dataset)
