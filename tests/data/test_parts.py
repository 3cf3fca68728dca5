"""Parts: made by jobs beside one another, each going on from where it was stopped."""

import os
import subprocess
import sys

import pytest

from fractaljax.data import ingest, parts, plan, sources
from fractaljax.data.parts import Part
from fractaljax.data.records import BY_NAME, Songs
from fractaljax.errors import UserError
from fractaljax.music import corpus

SONGS = 30


@pytest.fixture(autouse=True)
def read(monkeypatch):
  """The songs that were read, by name; shards are of 5 songs, which take no time."""
  names = []
  song = corpus.song(0, 0, num_bars=2)

  def read_item(item):
    names.append(item.source)
    return type(song)(**vars(song) | {'source': item.source}), 0.25

  monkeypatch.setattr(plan, 'FILES_PER_SHARD', 5)
  monkeypatch.setattr(ingest, 'read_item', read_item)
  return names


def prepare(output, part=ingest.ONE_PART, overwrite=False, songs=SONGS, seed=0):
  found = ingest.prepare_corpus(output, songs, seed, overwrite, part)
  return {k: v for k, v in found.items() if k not in ('seconds', 'files_per_second')}


def sources_of(output):
  return [song.source for split in BY_NAME for song in Songs(output, split)]


def files(output):
  return {path.name: path.read_bytes() for path in output.glob('*/*')}


class Stop(BaseException):
  """What ends a preparation in its midst."""


def stop_after(num, read, monkeypatch):
  read_item = ingest.read_item

  def stopping(item):
    if len(read) == num:
      raise Stop
    return read_item(item)

  monkeypatch.setattr(ingest, 'read_item', stopping)


@pytest.mark.parametrize('count', [1, 2, 4, 40])
def test_parts_one_after_another_are_the_whole(count, read, tmp_path):
  found = [prepare(tmp_path / 'songs', Part(i, count)) for i in reversed(range(count))]
  assert sources_of(tmp_path / 'songs') == [f'corpus/0/{i}' for i in range(SONGS)]
  assert sum(part['songs'] for part in found) == len(read) == SONGS
  assert os.listdir(tmp_path) == ['songs']


def test_the_same_again_reads_nothing_and_reports_the_same(read, tmp_path):
  first, written = prepare(tmp_path / 'songs'), files(tmp_path / 'songs')
  assert prepare(tmp_path / 'songs') == first
  assert len(read) == SONGS and files(tmp_path / 'songs') == written
  assert first['onset_error_mean'] == 0.25


def test_only_a_damaged_shard_is_made_anew(read, tmp_path):
  first, written = prepare(tmp_path / 'songs'), files(tmp_path / 'songs')
  path = next((tmp_path / 'songs').glob('*/train-00002*'))
  path.write_bytes(bytes(len(path.read_bytes())))
  read.clear()
  assert prepare(tmp_path / 'songs') == first
  assert read == [f'corpus/0/{i}' for i in range(10, 15)]
  assert files(tmp_path / 'songs') == written


@pytest.mark.parametrize('num', range(0, SONGS, 4))
def test_a_stopped_preparation_goes_on_from_its_last_whole_shard(num, read, tmp_path, monkeypatch):
  expected = prepare(tmp_path / 'straight')
  read.clear()
  with monkeypatch.context() as patch, pytest.raises(Stop):
    stop_after(num, read, patch)
    prepare(tmp_path / 'songs')
  with pytest.raises(UserError, match='prepare has not finished'):
    Songs(tmp_path / 'songs', 'train')
  read.clear()
  assert prepare(tmp_path / 'songs') == expected
  assert len(read) == SONGS - (num // 5 * 5 if num < 28 else 28)
  assert files(tmp_path / 'songs') == files(tmp_path / 'straight')


def test_other_arguments_are_refused_and_only_replace_when_asked(tmp_path):
  prepare(tmp_path / 'songs')
  for changes, words in (({'seed': 1}, r'seed=0 \(now 1\)'), ({'songs': 31}, r'files=30 .*now 31')):
    with pytest.raises(UserError, match=rf'{words}.*--overwrite'):
      prepare(tmp_path / 'songs', **changes)
  with pytest.raises(UserError, match='part-00000-of-00001.*--num_shards=2.*--overwrite'):
    prepare(tmp_path / 'songs', Part(1, 2))
  assert len(sources_of(tmp_path / 'songs')) == SONGS
  prepare(tmp_path / 'songs', seed=1, overwrite=True)
  assert sources_of(tmp_path / 'songs')[0] == 'corpus/1/0'
  for i in range(2):
    prepare(tmp_path / 'songs', Part(i, 2), overwrite=True)
  assert len(sources_of(tmp_path / 'songs')) == SONGS


def test_songs_stay_until_those_that_replace_them_are_complete(read, tmp_path, monkeypatch):
  prepare(tmp_path / 'songs')
  read.clear()
  with monkeypatch.context() as patch, pytest.raises(Stop):
    stop_after(12, read, patch)
    prepare(tmp_path / 'songs', seed=1, overwrite=True)
  assert sources_of(tmp_path / 'songs')[0] == 'corpus/0/0'
  read.clear()
  prepare(tmp_path / 'songs', seed=1, overwrite=True)
  assert len(read) == SONGS - 10
  assert sources_of(tmp_path / 'songs') == [f'corpus/1/{i}' for i in range(SONGS)]
  assert len(os.listdir(tmp_path / 'songs')) == 1


def test_two_jobs_at_one_part_do_not_mix(read, tmp_path, monkeypatch):
  read_item, refused = ingest.read_item, []

  def meddling(item):
    if item.source == 'corpus/0/7':
      with pytest.raises(UserError, match='another job is at') as error:
        prepare(tmp_path / 'songs')
      refused.append(error)
      with pytest.raises(UserError, match='another job is at'):
        prepare(tmp_path / 'songs', overwrite=True, seed=1)
    return read_item(item)

  monkeypatch.setattr(ingest, 'read_item', meddling)
  prepare(tmp_path / 'songs')
  assert refused and len(sources_of(tmp_path / 'songs')) == SONGS


@pytest.mark.parametrize('kind', ['folder', 'file'])
def test_what_is_no_dataset_is_never_overwritten(kind, tmp_path):
  target = tmp_path / 'thesis'
  if kind == 'folder':
    target.mkdir()
    (target / 'chapter1.tex').write_text('It was')
  else:
    target.write_text('It was')
  with pytest.raises(UserError, match='thesis is something else'):
    prepare(target, overwrite=True)
  assert target.exists()


def test_a_damaged_manifest_is_refused_unless_replaced(tmp_path):
  prepare(tmp_path / 'songs')
  (tmp_path / 'songs' / 'part-00000-of-00001' / parts.MANIFEST).write_text('{')
  with pytest.raises(UserError, match=r'manifest\.json is damaged.*--overwrite'):
    prepare(tmp_path / 'songs')
  prepare(tmp_path / 'songs', overwrite=True)
  assert len(sources_of(tmp_path / 'songs')) == SONGS


def test_a_million_names_are_all_that_a_million_items_hold(tmp_path):
  items = sources.built_in_corpus(1_000_000, 0)
  assert items[999_999].split == 'valid' and len(items) == 1_000_000
  slices, _ = plan.make_plan(sources.built_in_corpus(1000, 0), Part(1, 3))
  held = plan.Chosen(items, slices)
  assert held[0].source == 'corpus/0/316' and len(held) == 334
  assert sum(len(piece.numbers) * piece.numbers.itemsize for piece in slices) == 8 * 334


FULL_DISK = """
import resource, sys
sys.path.insert(0, {root!r})
from fractaljax.data import ingest
from fractaljax.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
  ingest.prepare_corpus({output!r}, 200, 0)
except UserError as error:
  print('refused:', error)
"""


def test_a_full_disk_is_one_line(tmp_path, request):
  code = FULL_DISK.format(root=str(request.config.rootpath), output=str(tmp_path / 'songs'))
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith('refused:') and 'songs cannot be written' in done.stdout
