"""Scoring songs: nothing left out, nothing counted twice."""

import jax
import numpy as np
import pytest

from fractaljax.config import check
from fractaljax.data import pipeline
from fractaljax.mesh import data_parallel
from fractaljax.model.fractal import Fractal
from fractaljax.music import corpus
from fractaljax.music.codec import Codec
from fractaljax.training.likelihood import needed_capacities, score_batches
from fractaljax.training.step import num_notes
from runs import tiny_config


@pytest.fixture(scope='module')
def scored():
  """An exact model, songs, and their windows in batches."""
  config = tiny_config(**{'model.generators': ('ar', 'ar', 'ar')})
  model = Fractal(check(config, 1))
  songs = [corpus.song(0, i, num_bars=3 + i) for i in range(3)]
  c = model.config
  crops = list(pipeline.windows(songs, c.codec, 32, c.halo, c.attributes))
  batches = list(pipeline.batched(iter(crops), 4))
  rngs = {name: jax.random.key(0) for name in ('params', 'mask')}
  params = jax.jit(lambda batch: model.init(rngs, batch, train=False))(batches[0])
  return model, params, songs, batches


def test_every_step_and_note_is_counted_once(scored):
  model, params, songs, batches = scored
  capacities = needed_capacities(model.config, batches)
  found = score_batches(model, params, batches, capacities, 0, data_parallel(jax.devices()[:1]))
  assert found.num_steps == sum(song.num_steps for song in songs)
  low, high = model.config.codec.low, model.config.codec.low + model.config.codec.num_pitches
  pitches = np.concatenate([song.notes_Nx4[:, 2] for song in songs])
  assert found.num_notes == ((pitches >= low) & (pitches < high)).sum()


def test_whole_songs_have_every_step_once_and_shapes_of_one_size():
  songs = [corpus.song(0, i, num_bars=bars) for i, bars in enumerate((1, 7, 2, 3, 5))]
  batches = list(pipeline.whole_songs(songs, Codec(), 32, 2, 4, ()))
  shapes = {batch.valid_T.shape for batch in batches}
  assert shapes == {(8, 32), (4, 64), (2, 128)}
  assert sum(batch.valid_T.sum() for batch in batches) == sum(song.num_steps for song in songs)
  assert all(batch.bar_T[:, 0].max() == 0 for batch in batches)


def test_the_score_does_not_depend_on_devices_or_room(scored):
  model, params, _, batches = scored
  capacities = needed_capacities(model.config, batches)
  one = score_batches(model, params, batches, capacities, 0, data_parallel(jax.devices()[:1]))
  wide = tuple(2 * c for c in needed_capacities(model.config, batches, groups=2))
  two = score_batches(model, params, batches, wide, 0, data_parallel(jax.devices()[:2]))
  np.testing.assert_allclose(one.nats_by_level, two.nats_by_level, rtol=1e-5)


def test_too_little_room_is_not_passed_over(scored):
  model, params, _, batches = scored
  first, *rest = needed_capacities(model.config, batches)
  with pytest.raises(ValueError, match='too small'):
    score_batches(model, params, batches, (first - 1, *rest), 0, data_parallel(jax.devices()[:1]))


@pytest.mark.parametrize('name', ['onset', 'velocity', 'binary'])
@pytest.mark.parametrize('halo', [0, 4])
def test_notes_are_counted_as_the_codec_reads_them(name, halo):
  codec, song = Codec(name), corpus.song(0, 0, num_bars=4)
  batch = pipeline.stack(list(pipeline.windows([song], codec, 64, halo, ())))
  whole = codec.decode(codec.encode(song.notes_Nx4, song.num_steps))
  # Without a halo a run that goes on from the window before counts again.
  held = 0 if halo or name == 'onset' else ((whole[:, 0] % 64 + whole[:, 1]) > 64).sum()
  assert int(num_notes(batch, codec)) == len(whole) + held
