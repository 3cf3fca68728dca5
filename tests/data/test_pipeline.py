"""The stream of batches: deterministic, resumable, complete, shared out without overlap."""

import itertools

import jax
import numpy as np
import pytest
from absl import flags

from fractaljax.data import pipeline
from fractaljax.music import corpus
from fractaljax.music.codec import Codec
from fractaljax.music.notes import DURATION, Song

CODEC = Codec('onset')


@pytest.fixture(scope='module')
def songs():
  return [corpus.song(0, i, num_bars=4 + i) for i in range(6)]


def stream(songs, seed=0, batch_size=2, process_index=0, process_count=1, workers=0):
  return pipeline.training_batches(
    songs, CODEC, batch_size, 64, 16, (-5, 6), (), seed, process_index, process_count, workers
  )


def same(a, b):
  return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_batch_is_a_function_of_seed_and_number(songs):
  first, again, other = (list(itertools.islice(stream(songs, s), 4)) for s in (0, 0, 1))
  assert all(same(a, b) for a, b in zip(first, again, strict=True))
  assert not all(same(a, b) for a, b in zip(first, other, strict=True))


def test_a_running_stream_can_be_put_back(songs):
  running = stream(songs)
  first = [next(running) for _ in range(3)]
  running.set_state({'next_index': 1})
  assert all(same(a, next(running)) for a in first[1:])


def test_resumed_is_straight_on(songs):
  straight = list(itertools.islice(stream(songs), 6))
  stopped = stream(songs)
  for _ in range(3):
    next(stopped)
  resumed = stream(songs)
  resumed.set_state(stopped.get_state())
  assert all(same(a, next(resumed)) for a in straight[3:])


@pytest.mark.parametrize('count', [2, 3])
def test_processes_share_the_batch_of_one(songs, count):
  for number, whole in zip(range(5), stream(songs, batch_size=6), strict=False):
    shares = [stream(songs, 0, 6 // count, i, count) for i in range(count)]
    for i, share in enumerate(shares):
      share.set_state({'next_index': number})
      assert same(next(share), jax.tree.map(lambda x, i=i: x[i::count], whole))


@pytest.mark.parametrize('num_songs', [1, 5, 8, 13])
@pytest.mark.parametrize('count', [1, 2, 3, 4])
@pytest.mark.parametrize('stopped_at', [None, 2])
def test_every_song_once_an_epoch_over_all_processes(num_songs, count, stopped_at):
  # Songs told apart by their number of bars, all of them shorter than a crop.
  songs = [Song(np.array([[0, 1, 60, 64]], np.int32), 16 * (1 + i)) for i in range(num_songs)]
  num_epochs, batch_size = 6, 2
  num_batches = -(-num_epochs * num_songs // (batch_size * count))
  lengths = []
  for index in range(count):
    share = pipeline.training_batches(
      songs, CODEC, batch_size, 256, 0, (0, 0), (), 0, index, count
    )  # fmt: skip
    for number in range(num_batches):
      if number == stopped_at:
        state = share.get_state()
        share = pipeline.training_batches(
          songs, CODEC, batch_size, 256, 0, (0, 0), (), 0, index, count
        )  # fmt: skip
        share.set_state(state)
      for row, num_steps in enumerate(next(share).num_steps.tolist()):
        lengths.append(((number * batch_size + row) * count + index, num_steps))
  orders = [length for _, length in sorted(lengths)]
  epochs = [orders[e * num_songs : (e + 1) * num_songs] for e in range(num_epochs)]
  assert all(sorted(epoch) == [16 * (1 + i) for i in range(num_songs)] for epoch in epochs)
  assert num_songs == 1 or len(set(map(tuple, epochs))) > 1


def test_starts_and_intervals_are_spread_evenly():
  song = Song(np.array([[0, 96, 60, 64]], np.int32), 96)
  batch = next(pipeline.training_batches([song], CODEC, 2000, 32, 0, (-2, 2), (), 0))
  starts, start_counts = np.unique(batch.start, return_counts=True)
  shifts, shift_counts = np.unique(batch.transpose, return_counts=True)
  assert starts.tolist() == [0, 16, 32, 48, 64] and shifts.tolist() == [-2, -1, 0, 1, 2]
  assert np.all(np.abs(np.concatenate([start_counts, shift_counts]) - 400) < 80)


def test_a_share_begins_where_the_song_does():
  song = Song(np.array([[0, 96, 60, 64]], np.int32), 96)
  args = [song], CODEC, 2000, 32, 0, (0, 0), (), 0
  batch = next(pipeline.training_batches(*args, beginnings=0.5))
  starts, counts = np.unique(batch.start, return_counts=True)
  assert starts.tolist() == [0, 16, 32, 48, 64]
  assert np.all(np.abs(counts - [1200, 200, 200, 200, 200]) < 80)
  batch = next(pipeline.training_batches(*args, beginnings=1.0))
  assert not batch.start.any()


@pytest.mark.slow
def test_worker_processes_give_what_threads_give_and_either_resumes_the_other(songs):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(['test'])
  straight = list(itertools.islice(stream(songs), 7))
  stopped = stream(songs, workers=2)
  assert all(same(a, next(stopped)) for a in straight[:3])
  resumed = stream(songs)
  resumed.set_state(stopped.get_state())
  stopped.set_state(resumed.get_state())
  for batch in straight[3:]:
    assert same(batch, next(resumed)) and same(batch, next(stopped))


def test_crops_begin_on_bar_lines_and_keep_their_notes(songs):
  for batch in itertools.islice(stream(songs), 12):
    assert np.all(batch.start % batch.steps_per_bar == 0)
    assert np.all(batch.notes_4xN[:, DURATION].any(axis=1))


def test_windows_tile_every_song_once(songs):
  crops = list(pipeline.windows(songs, CODEC, 64, 16, ()))
  assert sum(int(crop.valid_T.sum()) for crop in crops) == sum(s.num_steps for s in songs)
  tokens = np.concatenate([crop.tokens_PxT for crop in crops], axis=1)
  valid = np.concatenate([crop.valid_T for crop in crops])
  whole = np.concatenate([CODEC.encode(s.notes_Nx4, s.num_steps) for s in songs], axis=1)
  np.testing.assert_array_equal(tokens[:, valid], whole)


def test_the_last_batch_is_filled_with_padding(songs):
  crops = list(pipeline.windows(songs, CODEC, 64, 16, ()))
  batches = list(pipeline.batched(iter(crops), len(crops) - 1))
  assert len(batches) == 2
  assert batches[1].valid_T.sum() == crops[-1].valid_T.sum()
