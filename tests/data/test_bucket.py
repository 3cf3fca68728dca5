"""Songs in a bucket, here one in memory: written and read as on a disk."""

import numpy as np
import pytest
from etils.epath import backend
from fsspec.implementations.memory import MemoryFileSystem

from fractaljax.data import bucket, ingest
from fractaljax.data.parts import Part
from fractaljax.data.records import Songs
from fractaljax.errors import UserError
from fractaljax.music import corpus

ADDRESS = 's3://bucket/songs'


@pytest.fixture(autouse=True)
def memory(monkeypatch, tmp_path):
  """What is in the bucket, by path."""
  monkeypatch.setattr(MemoryFileSystem, 'store', {})
  monkeypatch.setattr(MemoryFileSystem, 'pseudo_dirs', [''])
  monkeypatch.setattr(backend.fsspec_backend, '_get_filesystem', lambda _: MemoryFileSystem())
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'here'))
  return MemoryFileSystem.store


def elsewhere(monkeypatch, tmp_path):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'elsewhere'))


def test_songs_go_to_a_bucket_and_come_back_on_another_machine(memory, monkeypatch, tmp_path):
  for i in range(2):
    ingest.prepare_corpus(ADDRESS, 6, seed=0, part=Part(i, 2))
  elsewhere(monkeypatch, tmp_path)
  songs = Songs(ADDRESS, 'train')
  assert len(songs) == 5
  for i, song in enumerate(songs[k] for k in range(5)):
    np.testing.assert_array_equal(song.notes_Nx4, corpus.song(0, i).notes_Nx4)
  kept = dict(memory)
  memory.clear()
  memory.update({path: kept[path] for path in kept if '00001-of' not in path})
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'third'))
  with pytest.raises(UserError, match='part-00001-of-00002'):
    Songs(ADDRESS, 'train')


def test_what_is_in_the_bucket_is_not_prepared_again(memory, monkeypatch, tmp_path):
  ingest.prepare_corpus(ADDRESS, 4, seed=0)
  elsewhere(monkeypatch, tmp_path)
  monkeypatch.setattr(ingest, '_read', lambda item: pytest.fail('read again'))
  assert ingest.prepare_corpus(ADDRESS, 4, seed=0)['songs'] == 4


def test_the_manifest_is_the_last_to_arrive(memory, monkeypatch):
  copy, arrived = bucket._copy, []

  def watched(source, target):
    arrived.append(str(target))
    copy(source, target)

  monkeypatch.setattr(bucket, '_copy', watched)
  ingest.prepare_corpus(ADDRESS, 4, seed=0)
  names = [name.rsplit('/', 1)[1] for name in arrived]
  assert names[-1] == 'manifest.json'
  assert {name.split('-')[0] for name in names[:-1]} == {'train', 'valid'}


def test_a_bucket_that_cannot_be_reached_is_named(monkeypatch):
  def refuse(_):
    raise ImportError('s3fs is not installed')

  monkeypatch.setattr(backend.fsspec_backend, '_get_filesystem', refuse)
  with pytest.raises(UserError, match=r'bucket/songs.*s3fs.*\[remote\]'):
    bucket.pull(ADDRESS)
