"""Copies of shards that are in a bucket: right or fetched again, whoever else is at it."""

import contextlib
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fsspec.implementations.memory import MemoryFile

from fractaljax.data import bucket, ingest
from fractaljax.data.records import Songs
from fractaljax.errors import UserError

ADDRESS = 's3://bucket/songs'
SHARD = 'part-00000-of-00001/train-00000.array_record'
AT = f'{ADDRESS}/{SHARD}'
pytestmark = pytest.mark.usefixtures('memory')


def flipped(data):
  return data[:99] + bytes([data[99] ^ 1]) + data[100:]


def put(memory, data):
  memory[AT] = MemoryFile(None, AT, data)


def test_a_copy_that_is_damaged_is_fetched_again(tmp_path, move):
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  move('elsewhere')
  Songs(ADDRESS, 'train')
  [path] = tmp_path.glob(f'elsewhere/**/{SHARD}')
  whole = path.read_bytes()
  path.write_bytes(flipped(whole))
  assert len(pickle.loads(pickle.dumps(Songs(ADDRESS, 'train')))) == 5
  assert path.read_bytes() == whole


def test_a_copy_damaged_on_its_way_is_fetched_again(memory, copying, move):
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  move('elsewhere')
  whole = memory[AT].getvalue()
  sent = [whole, flipped(whole)]
  copying(lambda *_: put(memory, sent.pop()))
  assert len(Songs(ADDRESS, 'train')) == 5 and not sent


def test_a_copy_damaged_since_the_start_is_mended_by_another_start(tmp_path):
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  songs = Songs(ADDRESS, 'train')
  [path] = tmp_path.glob(f'here/**/{SHARD}')
  data = path.read_bytes()
  path.write_bytes(bytes(len(data) // 2) + data[len(data) // 2 :])
  with pytest.raises(UserError, match=rf'{SHARD} is damaged \(song 0\); start again'):
    songs[0]
  assert Songs(ADDRESS, 'train')[0].source == 'corpus/0/0'


@pytest.mark.parametrize('state', ['damaged', 'missing'])
def test_what_is_damaged_in_the_bucket_itself_is_told_and_made_anew(state, memory, move):
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  whole = memory.pop(AT).getvalue()
  if state == 'damaged':
    put(memory, flipped(whole))
  move('elsewhere')
  with pytest.raises(UserError, match=f'^{AT} is {state} in the bucket itself.*prepare command ag'):
    Songs(ADDRESS, 'train')
  assert len(Songs(ADDRESS, 'valid')) == 1
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  assert memory[AT].getvalue() == whole and len(Songs(ADDRESS, 'train')) == 5


def test_processes_of_one_machine_fetch_a_shard_once(copying, move):
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  move('elsewhere')
  copies = []
  copying(lambda *paths: (copies.append(paths), time.sleep(0.3)))
  with ThreadPoolExecutor(2) as threads:
    lengths = list(threads.map(lambda _: len(Songs(ADDRESS, 'train')), range(2)))
  assert lengths == [5, 5] and len(copies) == 1


def test_without_locks_each_process_writes_a_file_of_its_own(monkeypatch, copying, move):
  ingest.prepare_corpus(ADDRESS, 6, seed=0)
  move('elsewhere')
  monkeypatch.setattr(bucket, 'alone', lambda folder, wait: contextlib.nullcontext())
  targets = []

  def meddle(_, target):
    targets.append(target)
    if len(targets) == 1:
      assert len(Songs(ADDRESS, 'train')) == 5

  copying(meddle)
  assert len(Songs(ADDRESS, 'train')) == 5
  assert len(set(targets)) == 2 and not any(target.endswith(SHARD) for target in targets)
