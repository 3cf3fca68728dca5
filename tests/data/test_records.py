"""Songs read from shards: what went in comes out, and what is missing or damaged is named."""

import json
import multiprocessing
import os
import pickle
import subprocess

import grain
import numpy as np
import pytest
from absl import flags

from fractaljax.data import ingest, pipeline, plan, shards, sources
from fractaljax.data.parts import Part
from fractaljax.data.records import Songs
from fractaljax.errors import UserError
from fractaljax.music import corpus
from fractaljax.music.codec import Codec
from fractaljax.music.notes import Song

SONGS = 10  # of which 8 are for training
SHARD = 'part-00000-of-00001/train-00001.array_record'


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(plan, 'FILES_PER_SHARD', 3)
    patch.setattr(sources, 'VALID_SHARE', 0.2)
    directory = tmp_path_factory.mktemp('data') / 'songs'
    ingest.prepare_corpus(directory, SONGS, 0)
    ingest.prepare_corpus(directory.parent / 'parts', SONGS, 0, part=Part(0, 3))
    ingest.prepare_corpus(directory.parent / 'parts', SONGS, 0, part=Part(2, 3))
    yield directory


@pytest.fixture
def directory(prepared, tmp_path):
  """A copy to be damaged."""
  subprocess.run(['cp', '-r', prepared, tmp_path / 'songs'], check=True)
  return tmp_path / 'songs'


def check_same(song, expected):
  np.testing.assert_array_equal(song.notes_Nx4, expected.notes_Nx4)
  assert song.notes_Nx4.dtype == np.int32 and song.notes_Nx4.flags.writeable
  for field in ('num_steps', 'metre', 'tempo_bpm', 'source', 'offset_steps'):
    assert getattr(song, field) == getattr(expected, field)


def flip_a_bit(path, share=0.1):
  data = bytearray(path.read_bytes())
  data[int(len(data[:65_536].rstrip(b'\0')) * share) + 100] ^= 1
  path.write_bytes(data)


def read_length_and_last(songs):
  return len(songs), songs[len(songs) - 1].source


@pytest.mark.parametrize('split, numbers', [('train', range(8)), ('valid', range(8, 10))])
def test_songs_come_out_as_they_went_in(split, numbers, prepared):
  songs = Songs(prepared, split)
  assert len(songs) == len(numbers)
  for song, i in zip(songs, numbers, strict=True):
    check_same(song, corpus.song(0, i))
  check_same(songs[-1], corpus.song(0, numbers[-1]))
  check_same(songs[np.int64(1)], corpus.song(0, numbers[1]))
  with pytest.raises(IndexError):
    songs[len(songs)]


@pytest.mark.parametrize('longest', [1, 32_767, 32_768, 90_000])
def test_a_record_keeps_notes_of_any_length_and_gap(longest):
  notes_Nx4 = np.array([[0, longest, 0, 1], [3, 2, 127, 127], [3 + longest, 1, 60, 64]], np.int32)
  song = Song(notes_Nx4, 4 + longest, (3, 4), 99.5, 'caf\ufffd', -0.25)
  check_same(shards.unpack(shards.pack(song)), song)
  check_same(shards.unpack(shards.pack(Song(notes_Nx4[:0], 16))), Song(notes_Nx4[:0], 16))


def test_the_manifest_counts_and_names_every_shard(prepared):
  folder = prepared / 'part-00000-of-00001'
  listed = json.loads((folder / 'manifest.json').read_text())['shards']
  assert {path.name for path in folder.iterdir()} == {'manifest.json', *(s['name'] for s in listed)}
  train = [shard for shard in listed if shard['split'] == 'train']
  assert [shard['songs'] for shard in train] == [3, 3, 2]
  songs = Songs(prepared, 'train')
  assert sum(shard['notes'] for shard in train) == sum(len(song.notes_Nx4) for song in songs)
  assert sum(shard['bars'] for shard in train) == sum(song.num_bars for song in songs)
  for shard in listed:
    assert (folder / shard['name']).stat().st_size == shard['bytes']


def test_songs_are_a_source_for_grain(prepared):
  dataset = grain.MapDataset.source(Songs(prepared, 'train')).shuffle(seed=0)
  names = sorted(dataset[i].source for i in range(len(dataset)))
  assert names == [f'corpus/0/{i}' for i in range(8)]


def test_songs_travel_to_another_process(prepared):
  songs = Songs(prepared, 'train')
  check_same(pickle.loads(pickle.dumps(songs))[0], songs[0])
  with multiprocessing.get_context('spawn').Pool(1) as pool:
    assert pool.apply(read_length_and_last, (songs,)) == (8, 'corpus/0/7')


def test_a_missing_folder_and_a_folder_without_songs_are_named(tmp_path):
  for path in (tmp_path / 'nowhere', tmp_path):
    with pytest.raises(UserError, match=rf'{path}.*fractaljax\.prepare'):
      Songs(path, 'train')


def test_missing_parts_are_named(prepared):
  with pytest.raises(UserError, match=r'lacks 1 of 3 parts \(part-00001-of-00003\)'):
    Songs(prepared.parent / 'parts', 'train')


def test_parts_of_other_preparations_are_refused(directory):
  folder = directory / 'part-00000-of-00001'
  subprocess.run(['cp', '-r', folder, directory / 'part-00001-of-00002'], check=True)
  with pytest.raises(UserError, match=r'part-00000-of-00001 and part-00001-of-00002'):
    Songs(directory, 'train')
  folder.rename(directory / 'part-00000-of-00002')
  path = directory / 'part-00001-of-00002' / 'manifest.json'
  path.write_text(path.read_text().replace('"seed": "0"', '"seed": "1"'))
  with pytest.raises(UserError, match=r'seed=0 \(now 1\)'):
    Songs(directory, 'train')


def test_an_unknown_split_lists_those_there_are(prepared):
  with pytest.raises(UserError, match="'test'.*train, valid"):
    Songs(prepared, 'test')


def test_another_version_and_a_damaged_manifest_are_refused(directory):
  path = directory / 'part-00000-of-00001' / 'manifest.json'
  manifest = json.loads(path.read_text())
  path.write_text(json.dumps(manifest | {'version': 99}))
  with pytest.raises(UserError, match=r'manifest\.json.*version 99'):
    Songs(directory, 'train')
  for text in ('{', '[]', '{}', json.dumps({k: manifest[k] for k in ('format', 'version')})):
    path.write_text(text)
    with pytest.raises(UserError, match=r'manifest\.json is damaged'):
      Songs(directory, 'train')
  path.unlink()
  with pytest.raises(UserError, match=r'manifest\.json is missing'):
    Songs(directory, 'train')


DAMAGE = {
  'cut short': lambda path: os.truncate(path, path.stat().st_size // 2),
  'emptied': lambda path: path.write_bytes(b''),
  'a flipped bit': flip_a_bit,
  'a flipped bit in the index': lambda path: flip_a_bit(path, 0.99),
  'gone': lambda path: path.unlink(),
}


@pytest.mark.parametrize('damage', DAMAGE)
def test_a_damaged_shard_is_named_and_refused_or_skipped(damage, directory, capfd):
  DAMAGE[damage](directory / SHARD)
  with pytest.raises(UserError, match=rf'{SHARD}.*damaged=skip'):
    Songs(directory, 'train')
  assert len(Songs(directory, 'valid')) == 2
  songs = Songs(directory, 'train', damaged='skip')
  assert [song.source for song in songs] == [f'corpus/0/{i}' for i in (0, 1, 2, 6, 7)]
  err = capfd.readouterr().err
  assert err.count(SHARD) == 1 and '1 of 3 shards, 3 of 8 songs' in err


def test_all_shards_damaged_is_an_error_even_if_they_may_be_skipped(directory):
  for path in directory.glob('*/train-*'):
    flip_a_bit(path)
  with pytest.raises(UserError, match='all other shards are damaged'):
    Songs(directory, 'train', damaged='skip')


def batches(songs, workers=0):
  return pipeline.training_batches(songs, Codec(), 2, 32, 0, (0, 0), (), 0, workers=workers)


@pytest.mark.parametrize('workers', [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_record_damaged_since_the_start_is_one_error_of_the_stream(workers, directory):
  if workers and not flags.FLAGS.is_parsed():
    flags.FLAGS(['test'])
  songs = Songs(directory, 'train')
  path = directory / SHARD
  data = bytearray(path.read_bytes())
  data[: len(data) // 2] = bytes(len(data) // 2)
  path.write_bytes(data)
  with pytest.raises(UserError, match=rf'{SHARD} is damaged \(song \d\)'):
    for _, _ in zip(range(8), batches(songs, workers), strict=False):
      pass
