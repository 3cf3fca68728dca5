"""Songs in a bucket, here one in memory: written and read as on a disk."""

import numpy as np
import pytest
from etils.epath import backend
from fsspec.implementations.memory import MemoryFileSystem

from fractaljax.data import ingest
from fractaljax.data.parts import Part
from fractaljax.data.records import Songs
from fractaljax.errors import UserError
from fractaljax.music import corpus

ADDRESS = 's3://bucket/songs'
pytestmark = pytest.mark.usefixtures('memory')


def test_songs_go_to_a_bucket_and_come_back_on_another_machine(memory, move):
  for i in range(2):
    ingest.prepare_corpus(ADDRESS, 6, seed=0, part=Part(i, 2))
  move('elsewhere')
  songs = Songs(ADDRESS, 'train')
  assert len(songs) == 5
  for i, song in enumerate(songs[k] for k in range(5)):
    np.testing.assert_array_equal(song.notes_Nx4, corpus.song(0, i).notes_Nx4)
  kept = dict(memory)
  memory.clear()
  memory.update({path: kept[path] for path in kept if '00001-of' not in path})
  move('third')
  with pytest.raises(UserError, match='part-00001-of-00002'):
    Songs(ADDRESS, 'train')


def test_what_is_in_the_bucket_is_not_prepared_again(monkeypatch, move):
  ingest.prepare_corpus(ADDRESS, 4, seed=0)
  move('elsewhere')
  monkeypatch.setattr(ingest, '_read', lambda item: pytest.fail('read again'))
  assert ingest.prepare_corpus(ADDRESS, 4, seed=0)['songs'] == 4


def test_the_manifest_is_the_last_to_arrive(copying):
  arrived = []
  copying(lambda source, target: arrived.append(target))
  ingest.prepare_corpus(ADDRESS, 4, seed=0)
  names = [name.rsplit('/', 1)[1] for name in arrived]
  assert names[-1] == 'manifest.json'
  assert {name.split('-')[0] for name in names[:-1]} == {'train', 'valid'}


def test_a_bucket_that_cannot_be_reached_is_named(monkeypatch):
  def refuse(_):
    raise ImportError('s3fs is not installed')

  monkeypatch.setattr(backend.fsspec_backend, '_get_filesystem', refuse)
  with pytest.raises(UserError, match=r'bucket/songs.*s3fs.*\[remote\]'):
    Songs(ADDRESS, 'train')


def test_parts_of_another_count_are_refused_and_replaced_when_asked(memory, move):
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  kept = set(memory)
  for here in ('elsewhere', 'here'):
    move(here)
    assert len(Songs(ADDRESS, 'train')) == 5
    message = f'^{ADDRESS} has part-00000-of-00001.*--num_shards=2.*--overwrite'
    with pytest.raises(UserError, match=message):
      ingest.prepare_corpus(ADDRESS, 6, seed=0, part=Part(0, 2))
  assert set(memory) == kept
  for i in range(2):
    ingest.prepare_corpus(ADDRESS, 6, seed=0, overwrite=True, part=Part(i, 2))
  assert not kept & set(memory)
  for here in ('here', 'elsewhere', 'third'):
    move(here)
    assert len(Songs(ADDRESS, 'train')) == 5


def test_messages_name_the_bucket(memory):
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  with pytest.raises(UserError, match=rf'^{ADDRESS}/part-00000-of-00001 was.*seed=0 \(now 1\)'):
    ingest.prepare_corpus(ADDRESS, 6, seed=1)
  memory |= {path.replace('of-00001', 'of-00003'): memory[path] for path in memory}
  with pytest.raises(UserError, match=f'^{ADDRESS} has part-00000-of-00001 and .*-of-00003'):
    Songs(ADDRESS, 'train')
  memory[f'{ADDRESS}/thesis.tex'] = next(iter(memory.values()))
  with pytest.raises(UserError, match=f'^{ADDRESS} is something else'):
    ingest.prepare_corpus(ADDRESS, 6, seed=0, overwrite=True)


@pytest.mark.parametrize('seed', [0, 1])
def test_what_the_bucket_no_longer_has_is_prepared_again(seed, memory):
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  memory.clear()
  ingest.prepare_corpus(ADDRESS, 6, seed=seed)
  assert Songs(ADDRESS, 'train')[0].source == f'corpus/{seed}/0'


def test_what_did_not_reach_the_bucket_is_sent_again_without_being_read(monkeypatch, copying):
  sent = []

  def send(*paths):
    sent.append(paths)
    if len(sent) == 2:
      raise OSError('the line is cut')

  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  copying(send)
  with pytest.raises(UserError, match=f'^{ADDRESS} cannot be written .the line is cut'):
    ingest.prepare_corpus(ADDRESS, 6, seed=1, overwrite=True)
  monkeypatch.setattr(ingest, '_read', lambda item: pytest.fail('read again'))
  ingest.prepare_corpus(ADDRESS, 6, seed=1)
  assert Songs(ADDRESS, 'train')[0].source == 'corpus/1/0' and len(sent) == 2 + 3
  ingest.prepare_corpus(ADDRESS, 6, seed=1)
  assert len(sent) == 2 + 3  # what the bucket has is not sent again


def test_a_bucket_may_list_itself(monkeypatch):
  ls = MemoryFileSystem.ls
  monkeypatch.setattr(
    MemoryFileSystem, 'listdir', lambda self, path, detail: [f'{path}/', *ls(self, path, detail)]
  )
  for i in range(2):
    ingest.prepare_corpus(ADDRESS, 6, seed=0, part=Part(i, 2))
  assert len(Songs(ADDRESS, 'train')) == 5
