"""The stream of batches: deterministic, resumable, complete, shared out without overlap."""

import itertools

import jax
import numpy as np
import pytest

from fractaljax.data import pipeline
from fractaljax.music import corpus
from fractaljax.music.codec import Codec

CODEC = Codec('onset')


@pytest.fixture(scope='module')
def songs():
  return [corpus.song(0, i, num_bars=4 + i) for i in range(6)]


def stream(songs, seed=0, batch_size=2, process_index=0, process_count=1):
  return pipeline.training_batches(
    songs, CODEC, batch_size, 64, 16, (-5, 6), (), seed, process_index, process_count
  )


def same(a, b):
  return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_batch_is_a_function_of_seed_and_number(songs):
  first, again, other = (list(itertools.islice(stream(songs, s), 4)) for s in (0, 0, 1))
  assert all(same(a, b) for a, b in zip(first, again, strict=True))
  assert not all(same(a, b) for a, b in zip(first, other, strict=True))


def test_resumed_is_straight_on(songs):
  straight = list(itertools.islice(stream(songs), 6))
  stopped = stream(songs)
  for _ in range(3):
    next(stopped)
  resumed = stream(songs)
  resumed.set_state(stopped.get_state())
  assert all(same(a, next(resumed)) for a in straight[3:])


def test_two_processes_share_the_batch_of_one(songs):
  whole = next(stream(songs, batch_size=4))
  halves = [next(stream(songs, 0, 2, i, 2)) for i in range(2)]
  for i in range(2):
    assert same(halves[i], jax.tree.map(lambda x, i=i: x[i::2], whole))


def test_every_song_once_an_epoch():
  # Songs told apart by their number of bars, all of them shorter than a crop.
  songs = [corpus.song(0, i, num_bars=2 + i) for i in range(5)]
  batches = itertools.islice(
    pipeline.training_batches(songs, CODEC, 1, 256, 0, (0, 0), (), 0), len(songs)
  )
  lengths = sorted(int(batch.valid_T.sum()) for batch in batches)
  assert lengths == sorted(song.num_steps for song in songs)


def test_crops_begin_on_bar_lines_and_keep_their_notes(songs):
  for batch in itertools.islice(stream(songs), 12):
    assert np.all((batch.phase_T[:, 0] == 0) | (batch.phase_T[:, 0] == 16))
    assert np.all(batch.tokens_PxT[batch.tokens_PxT != 0] < CODEC.num_values)
    assert np.all((batch.tokens_PxT > 0).any(axis=(1, 2)))


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
