"""From songs to batches: an endless shuffled stream to train on, and windows to score."""

from collections.abc import Iterator, Sequence

import numpy as np

from fractaljax.data.sheets import Sheets
from fractaljax.data.stream import Blocks, Stream
from fractaljax.music.codec import Codec
from fractaljax.music.crop import Crop, cut, stack
from fractaljax.music.notes import Song


def training_batches(
  songs: Sequence[Song],
  codec: Codec,
  batch_size: int,
  num_steps: int,
  halo: int,
  transpose: tuple[int, int],
  attributes: tuple[str, ...],
  seed: int,
  process_index: int = 0,
  process_count: int = 1,
  workers: int = 0,
  beginnings: float = 0.0,
) -> Stream:
  """An endless stream of batches of random crops; batch k is a function of (seed, k).

  Every song comes once an epoch, in a new order each time; of a song a random stretch that begins
  on a bar line, moved by a random interval that keeps its notes within the codec's pitches. The
  crops of a global batch are dealt out to the processes in turn. They come as `Clip`s, with room
  for the notes of the fullest crop that there can be: all songs are read once to know it, and it is
  the same in every process.

  Args:
    songs: random access to the songs.
    codec: spells the notes.
    batch_size: crops in the batch of this process.
    num_steps: steps of a crop; shorter songs are padded.
    halo: steps before the crop that come along.
    transpose: lowest and highest interval, in semitones.
    attributes: names of the global attributes to give.
    seed: of everything random.
    process_index, process_count: which share of the crops is this process's.
    workers: processes that cut the crops; 0 = a thread of this one. They need parsed absl flags.
    beginnings: share of the crops that begin where their song does, besides those by chance.
  """
  sheets = Sheets(songs, codec, num_steps, halo, tuple(transpose), attributes)
  blocks = Blocks(sheets, sheets.most_notes(), seed, process_index, process_count, beginnings)
  return Stream(blocks, batch_size, workers)


def windows(
  songs: Sequence[Song], codec: Codec, num_steps: int, halo: int, attributes: tuple[str, ...]
) -> Iterator[Crop]:
  """The crops that tile every song once, in order, each with the steps before it as its halo."""
  for i in range(len(songs)):
    song = songs[i]
    for start in range(0, song.num_steps, num_steps):
      yield cut(song, codec, start, num_steps, halo, 0, attributes)


def whole_songs(
  songs: Sequence[Song],
  codec: Codec,
  unit: int,
  shares: int,
  halo: int,
  attributes: tuple[str, ...],
) -> Iterator[Crop]:
  """Batches of whole songs, padded to `unit` steps times a power of two: few shapes to compile.

  Each of the `shares` of a batch has as many steps as the longest song, in one crop or in several.
  """
  lengths: dict[int, list[int]] = {}
  for i in range(len(songs)):
    units = -(-songs[i].num_steps // unit)
    lengths.setdefault(unit * 2 ** (units - 1).bit_length(), []).append(i)
  for length in sorted(lengths):
    crops = (cut(songs[i], codec, 0, length, halo, 0, attributes) for i in lengths[length])
    yield from batched(crops, shares * (max(lengths) // length))


def some_windows(
  songs: Sequence[Song],
  codec: Codec,
  num: int,
  num_steps: int,
  halo: int,
  attributes: tuple[str, ...],
  seed: int,
) -> Iterator[Crop]:
  """`num` of the crops that `windows` gives, from songs spread over all of them."""
  rng = np.random.default_rng(seed)
  for i in np.linspace(0, len(songs), num, endpoint=False).astype(int):
    song = songs[int(i)]
    start = int(rng.integers(-(-song.num_steps // num_steps))) * num_steps
    yield cut(song, codec, start, num_steps, halo, 0, attributes)


def batched(crops: Iterator[Crop], batch_size: int) -> Iterator[Crop]:
  """Batches of crops; the last is filled up with padding, which no loss sees."""
  batch = []
  for crop in crops:
    batch.append(crop)
    if len(batch) == batch_size:
      yield stack(batch)
      batch = []
  if batch:
    nothing = batch[0]._replace(valid_T=np.zeros_like(batch[0].valid_T))
    yield stack(batch + [nothing] * (batch_size - len(batch)))


def empty_batch(codec: Codec, num_steps: int, halo: int, attributes: tuple[str, ...]) -> Crop:
  """A batch of one silent crop, for the shapes of a model's inputs."""
  song = Song(np.zeros((0, 4), np.int32), num_steps)
  return stack([cut(song, codec, 0, num_steps, halo, 0, attributes)])
