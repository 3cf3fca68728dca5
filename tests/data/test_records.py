"""Shards: what goes in comes out, at once or not at all, and damage is named."""

import json
import multiprocessing
import pickle
import subprocess
import sys

import grain
import numpy as np
import pytest

from fractaljax.data import records
from fractaljax.data.records import Songs, new_dataset
from fractaljax.errors import UserError
from fractaljax.music import corpus

SPLITS = {'train': range(7), 'valid': range(7, 9)}


def write(directory, overwrite=False):
  with new_dataset(directory, overwrite) as writer:
    for split, numbers in SPLITS.items():
      for i in numbers:
        writer.add(split, corpus.song(0, i, num_bars=4))
  return directory


@pytest.fixture
def directory(tmp_path, monkeypatch):
  monkeypatch.setattr(records, 'SONGS_PER_SHARD', 3)
  return write(tmp_path / 'songs')


def check_same(song, expected):
  np.testing.assert_array_equal(song.notes_Nx4, expected.notes_Nx4)
  assert song.notes_Nx4.dtype == np.int32 and song.notes_Nx4.flags.writeable
  for field in ('num_steps', 'metre', 'tempo_bpm', 'source', 'offset_steps'):
    assert getattr(song, field) == getattr(expected, field)


def read_length_and_last(songs):
  return len(songs), songs[len(songs) - 1].source


@pytest.mark.parametrize('split', SPLITS)
def test_songs_come_out_as_they_went_in(split, directory):
  songs = Songs(directory, split)
  assert len(songs) == len(SPLITS[split])
  for song, i in zip(songs, SPLITS[split], strict=True):
    check_same(song, corpus.song(0, i, num_bars=4))
  check_same(songs[-1], corpus.song(0, SPLITS[split][-1], num_bars=4))
  check_same(songs[np.int64(1)], corpus.song(0, SPLITS[split][1], num_bars=4))
  with pytest.raises(IndexError):
    songs[len(songs)]


def test_the_description_counts_and_names_every_shard(directory):
  splits = json.loads((directory / 'dataset.json').read_text())['splits']
  assert splits['train']['songs'] == 7 and splits['valid']['bars'] == 8
  assert splits['train']['notes'] == sum(len(song.notes_Nx4) for song in Songs(directory, 'train'))
  names = [name for split in splits.values() for name in split['shards']]
  assert list(splits['train']['shards'].values()) == [3, 3, 1]
  assert {path.name for path in directory.iterdir()} == {'dataset.json', *names}


def test_songs_are_a_source_for_grain(directory):
  dataset = grain.MapDataset.source(Songs(directory, 'train')).shuffle(seed=0)
  sources = sorted(dataset[i].source for i in range(len(dataset)))
  assert sources == [f'corpus/0/{i}' for i in range(7)]


def test_songs_travel_to_another_process(directory):
  songs = Songs(directory, 'train')
  first = songs[0]
  check_same(pickle.loads(pickle.dumps(songs))[0], first)
  with multiprocessing.get_context('spawn').Pool(1) as pool:
    assert pool.apply(read_length_and_last, (songs,)) == (7, 'corpus/0/6')


def test_nothing_is_left_of_a_failure(tmp_path):
  for error in (KeyboardInterrupt, ValueError):
    with pytest.raises(error), new_dataset(tmp_path / 'songs', False) as writer:
      writer.add('train', corpus.song(0, 0))
      raise error
    assert list(tmp_path.iterdir()) == []


def test_songs_are_only_replaced_when_asked_and_then_as_a_whole(directory):
  with pytest.raises(UserError, match='songs exists.*--overwrite'):
    write(directory)
  with pytest.raises(ValueError), new_dataset(directory, True):
    raise ValueError
  assert len(Songs(directory, 'train')) == 7
  with new_dataset(directory, True) as writer:
    writer.add('train', corpus.song(1, 0))
  assert len(Songs(directory, 'train')) == 1
  assert [path.name for path in directory.parent.iterdir()] == ['songs']


@pytest.mark.parametrize('kind', ['folder', 'file'])
def test_what_is_no_dataset_is_never_overwritten(kind, tmp_path):
  target = tmp_path / 'thesis'
  if kind == 'folder':
    target.mkdir()
    (target / 'chapter1.tex').write_text('It was')
  else:
    target.write_text('It was')
  with pytest.raises(UserError, match='thesis'):
    write(target, overwrite=True)
  assert target.exists()


def test_a_missing_folder_and_a_folder_without_songs_are_named(tmp_path):
  for path in (tmp_path / 'nowhere', tmp_path):
    with pytest.raises(UserError, match=rf'{path}.*fractaljax\.prepare'):
      Songs(path, 'train')


def test_an_unknown_split_lists_those_there_are(directory):
  with pytest.raises(UserError, match="'test'.*train, valid"):
    Songs(directory, 'test')


def test_another_version_and_a_damaged_description_are_refused(directory):
  path = directory / 'dataset.json'
  description = json.loads(path.read_text())
  path.write_text(json.dumps(description | {'version': 99}))
  with pytest.raises(UserError, match=r'dataset\.json.*version 99'):
    Songs(directory, 'train')
  for text in ('{', '[]', '{}', json.dumps({'format': records.FORMAT, 'version': 1})):
    path.write_text(text)
    with pytest.raises(UserError, match=r'dataset\.json is damaged'):
      Songs(directory, 'train')


@pytest.mark.parametrize('keep', [0.0, 0.5, 0.99])
def test_a_shard_cut_short_is_named(keep, directory):
  path = directory / 'train-00001.array_record'
  data = path.read_bytes()
  path.write_bytes(data[: int(len(data) * keep)])
  with pytest.raises(UserError, match=r'train-00001\.array_record'):
    list(Songs(directory, 'train'))


def test_a_missing_shard_is_named(directory):
  (directory / 'train-00002.array_record').unlink()
  with pytest.raises(UserError, match=r'train-00002\.array_record is missing'):
    Songs(directory, 'train')


def test_a_damaged_record_is_named_and_the_others_are_read(directory):
  path = directory / 'train-00000.array_record'
  data = bytearray(path.read_bytes())
  middle = len(data[:65_536].rstrip(b'\0')) // 2  # in the second of three songs, one after another
  data[middle : middle + 20] = bytes(20)
  path.write_bytes(data)
  songs = Songs(directory, 'train')
  assert songs[0].source == 'corpus/0/0'
  with pytest.raises(UserError, match=r'train-00000\.array_record is damaged \(song 1\)'):
    songs[1]


FULL_DISK = """
import resource, sys
sys.path.insert(0, {root!r})
from fractaljax.data import records
from fractaljax.errors import UserError
from fractaljax.music import corpus
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
  with records.new_dataset({output!r}, False) as writer:
    for i in range(50):
      writer.add('train', corpus.song(0, i))
except UserError as error:
  print('refused:', error)
"""


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, request):
  code = FULL_DISK.format(root=str(request.config.rootpath), output=str(tmp_path / 'songs'))
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith('refused:') and 'songs cannot be written' in done.stdout
  assert list(tmp_path.iterdir()) == []
