"""Scoring songs: nothing left out, nothing counted twice."""

import jax
import numpy as np
import pytest

from fractaljax.config import check
from fractaljax.data import pipeline
from fractaljax.errors import UserError
from fractaljax.mesh import data_parallel
from fractaljax.model.fractal import Fractal
from fractaljax.music import corpus
from fractaljax.music.codec import HOLD, Codec
from fractaljax.training import trained
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


@pytest.mark.parametrize(('given', 'length'), [(None, 32), (16, 16)])
def test_windows_are_as_long_as_asked(monkeypatch, given, length):
  config = tiny_config(**{'data.crop_steps': 32})
  where = data_parallel(jax.devices()[:1])
  lone = trained.Trained(config, Fractal(check(config, 1)), {}, 0, where)
  shapes = []
  monkeypatch.setattr(
    trained, 'score_batches',
    lambda model, params, batches, *_: shapes.extend(b.valid_T.shape for b in batches),
  )  # fmt: skip
  songs = [corpus.song(0, 0, num_bars=3)]
  lone.score(songs, batch_size=1, num_steps=given)
  assert shapes == [(1, length)] * -(-songs[0].num_steps // length)
  with pytest.raises(UserError, match='steps=12 '):
    lone.score(songs, num_steps=12)


def test_the_score_does_not_depend_on_devices_or_room(scored):
  model, params, _, batches = scored
  capacities = needed_capacities(model.config, batches)
  one = score_batches(model, params, batches, capacities, 0, data_parallel(jax.devices()[:1]))
  wide = tuple(2 * c for c in needed_capacities(model.config, batches, groups=2))
  two = score_batches(model, params, batches, wide, 0, data_parallel(jax.devices()[:2]))
  np.testing.assert_allclose(one.nats_by_level, two.nats_by_level, rtol=1e-5)


def test_the_parts_are_what_can_be_counted_by_hand(scored):
  # A fresh model gives each of the 34 values the same odds everywhere, 1, and to silence 297.
  model, params, songs, batches = scored
  capacities = needed_capacities(model.config, batches)
  found = score_batches(model, params, batches, capacities, 0, data_parallel(jax.devices()[:1]))
  parts = found.bits_per_note_by_part
  assert sum(parts.values()) == pytest.approx(found.bits_per_note, rel=1e-6)
  assert parts['loud'] == pytest.approx(np.log2(32), rel=1e-5)
  nats = 0.0
  for song in songs:
    tokens_PxT = model.config.codec.encode(song.notes_Nx4, song.num_steps)
    before_PxT = np.pad(tokens_PxT, ((0, 0), (1, 0)))[:, :-1]
    # The cells of the patches of 8 pitches by a step, of which the empty ones cost nothing here.
    token_Nx8, before_Nx8 = (
      x.reshape(8, 8, -1).swapaxes(1, 2).reshape(-1, 8) for x in (tokens_PxT, before_PxT)
    )
    token_Nx8, before_Nx8 = (x[token_Nx8.any(axis=1)] for x in (token_Nx8, before_Nx8))
    alone_Nx8 = (np.arange(8) == 7) & ~token_Nx8[:, :7].any(axis=1, keepdims=True)
    hold_Nx8 = np.where(alone_Nx8, 1 / 33, 1 / 330)
    nats_Nx8 = -np.log(np.where(token_Nx8 == HOLD, hold_Nx8, 1 - hold_Nx8))
    nats += nats_Nx8[before_Nx8 > 0].sum()
  assert parts['long'] == pytest.approx(nats / np.log(2) / found.num_notes, rel=1e-5)


def test_the_real_share_of_bars_with_notes_is_counted(scored):
  model, params, songs, batches = scored
  capacities = needed_capacities(model.config, batches)
  found = score_batches(model, params, batches, capacities, 0, data_parallel(jax.devices()[:1]))
  has_notes = []
  for song in songs:
    tokens_PxT = model.config.codec.encode(song.notes_Nx4, -(-song.num_steps // 8) * 8)
    has_notes.extend(tokens_PxT.reshape(64, -1, 8).any(axis=(0, 2)))
  first = found.calibrations['0_gate']
  num = len(has_notes)
  assert first.bins_3xK[:, 5].tolist() == [num, num / 2, sum(has_notes)]
  assert first.predicted == 0.5  # a fresh gate knows nothing


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
