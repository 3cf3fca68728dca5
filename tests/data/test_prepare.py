"""The command: what it takes, what it leaves out and counts, and what it leaves behind."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fractaljax.data import ingest, sources
from fractaljax.data.records import Songs
from fractaljax.music import corpus, midi
from fractaljax.music.codec import Codec

ROOT = pathlib.Path(__file__).parents[2]


def command(*flags):
  arguments = [sys.executable, '-m', 'fractaljax.prepare', *map(str, flags)]
  return subprocess.Popen(
    arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  )


def run(*flags):
  """Exit code, stdout and stderr of the command."""
  process = command(*flags)
  out, err = process.communicate(timeout=120)
  return process.returncode, out, err


def report(*flags):
  """The JSON of the last line."""
  code, out, err = run(*flags)
  assert code == 0, err
  return json.loads(out.splitlines()[-1])


@pytest.fixture
def folder(tmp_path):
  """Eight good songs, in folders, with suffixes of all kinds."""
  names = ['a.mid', 'b.MID', 'c.midi', 'd/e.mid', 'd/f/g.Mid', 'h.mid', 'i.mid', 'j.mid']
  for i, name in enumerate(names):
    path = tmp_path / 'input' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(corpus.song(0, i, num_bars=4), path)
  return tmp_path / 'input'


@pytest.fixture
def spoilt(folder):
  """The same with files that cannot be used; the last by name is one of them."""
  good = (folder / 'a.mid').read_bytes()
  (folder / 'text.mid').write_text('no music')
  (folder / 'z.mid').write_bytes(good[:100])
  (folder / 'nothing.mid').write_bytes(b'')
  return folder


def songs_of(directory):
  splits = json.loads((directory / 'dataset.json').read_text())['splits']
  return {song.source: (split, song) for split in splits for song in Songs(directory, split)}


def prepare(root, output, kind='auto', names=None, num_workers=2):
  return ingest.prepare(sources.find(root, kind, names, True), output, num_workers, False)


def test_a_folder_of_midi_files_and_what_is_reported(spoilt, tmp_path):
  found = report(f'--input={spoilt}', f'--output={tmp_path}/songs', '--workers=2')
  songs = songs_of(tmp_path / 'songs')
  assert found['songs'] == len(songs) == 8
  assert found['notes'] == sum(len(song.notes_Nx4) for _, song in songs.values())
  assert found['bars'] == sum(song.num_bars for _, song in songs.values())
  assert found['rejected'] == {'damaged': 1, 'not_midi': 2}
  assert found['onset_error_mean'] == pytest.approx(0, abs=1e-6) and found['seconds'] > 0
  expected = corpus.song(0, 4, num_bars=4)
  np.testing.assert_array_equal(songs['d/f/g.Mid'][1].notes_Nx4, expected.notes_Nx4)


def test_what_is_left_out_is_shown_on_stderr(spoilt, tmp_path):
  code, out, err = run(f'--input={spoilt}', f'--output={tmp_path}/songs')
  assert code == 0 and len(out.splitlines()) == 1
  for name in ('text.mid', 'z.mid', 'nothing.mid'):
    assert name in err
  assert 'Traceback' not in err


@pytest.mark.parametrize('num_good', [2, 3, 8])
def test_a_small_folder_has_songs_for_training_and_for_validation(num_good, spoilt, tmp_path):
  for path in [path for path in sorted(spoilt.rglob('*')) if path.is_file()][num_good:8]:
    path.unlink()
  prepare(spoilt, tmp_path / 'songs')
  assert len(Songs(tmp_path / 'songs', 'valid')) >= 1
  assert len(Songs(tmp_path / 'songs', 'train')) >= 1


def test_names_decide_the_split_once_and_for_all():
  names = [f'folder/{i}.mid' for i in range(4000)]
  splits = [sources.split_by_name(name) for name in names]
  assert 0.03 < splits.count('valid') / len(splits) < 0.07
  assert splits[:40] == [sources.split_by_name(name) for name in names[:40]]


def test_what_is_written_does_not_depend_on_the_number_of_workers(spoilt, tmp_path):
  for num_workers in (1, 2, 3):
    prepare(spoilt, tmp_path / str(num_workers), num_workers=num_workers)
  files = [
    {path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ('1', '2', '3')
  ]
  assert files[0] == files[1] == files[2]


def test_a_list_restricts_and_what_is_missing_is_counted(folder, tmp_path):
  (tmp_path / 'list.txt').write_text('a.mid\n\nd/e.mid\r\nnot_there.mid\na.mid\n')
  found = report(f'--input={folder}', f'--output={tmp_path}/songs', f'--list={tmp_path}/list.txt')
  assert set(songs_of(tmp_path / 'songs')) == {'a.mid', 'd/e.mid'}
  assert found['songs'] == 2 and found['rejected'] == {'missing': 1}


def test_no_song_at_all_names_the_input_and_leaves_nothing(tmp_path):
  (tmp_path / 'input').mkdir()
  (tmp_path / 'input' / 'a.mid').write_text('no music')
  code, out, err = run(f'--input={tmp_path}/input', f'--output={tmp_path}/songs')
  assert code == 2 and out == ''
  assert f'{tmp_path}/input' in err.splitlines()[-1] and 'not_midi: 1' in err
  assert [path.name for path in tmp_path.iterdir()] == ['input']


@pytest.mark.parametrize(
  'flags, words',
  [
    ((), '--input'),
    (('--input=nowhere',), 'nowhere'),
    (('--input=fractaljax',), '--input=fractaljax has no songs'),
    (('--input=fractaljax', '--list=nowhere.txt'), 'nowhere.txt'),
    (('--format=corpus', '--songs=1'), 'songs'),
    (('--format=wav',), 'format'),
  ],
)
def test_wrong_flags_are_one_line(flags, words, tmp_path):
  code, _, err = run(f'--output={tmp_path}/songs', *flags)
  assert code == 2 and len(err.splitlines()) == 1 and words in err
  assert not list(tmp_path.iterdir())


def test_existing_songs_are_only_replaced_when_asked(folder, tmp_path):
  flags = f'--input={folder}', f'--output={tmp_path}/songs'
  report(*flags)
  code, _, err = run(*flags)
  assert code == 2 and '--overwrite' in err
  assert report(*flags, '--overwrite')['songs'] == 8


@pytest.fixture
def interruptible():
  """A shell that started the tests in the background has SIGINT ignored, in children too."""
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  yield
  signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_preparation_leaves_nothing(number, interruptible, tmp_path):
  process = command('--format=corpus', '--songs=100000', f'--output={tmp_path}/songs')
  end = time.monotonic() + 60
  while not list(tmp_path.iterdir()) and time.monotonic() < end:
    time.sleep(0.02)
  assert list(tmp_path.iterdir())
  process.send_signal(number)
  try:
    out, err = process.communicate(timeout=60)
  finally:
    process.kill()
  assert process.returncode == 130 and out == '' and 'nothing was written' in err
  assert 'Traceback' not in err
  assert list(tmp_path.iterdir()) == []


def test_the_built_in_corpus(tmp_path):
  found = report('--format=corpus', '--songs=40', '--seed=3', f'--output={tmp_path}/songs')
  assert found['songs'] == 40 and found['rejected'] == {}
  train, valid = (Songs(tmp_path / 'songs', split) for split in ('train', 'valid'))
  assert len(train) == 38 and len(valid) == 2
  np.testing.assert_array_equal(valid[1].notes_Nx4, corpus.song(3, 39).notes_Nx4)


def test_rolls_come_back_as_they_were(tmp_path):
  rng = np.random.default_rng(0)
  rolls = {f'arr_{i}': rng.random((20 + i, 88)) < 0.1 for i in range(3)}
  np.savez(tmp_path / 'toy_train.npz', **rolls)
  np.savez(tmp_path / 'toy_valid.npz', arr_0=rolls['arr_0'], bad=np.zeros((4, 7), bool))
  found = prepare(tmp_path, tmp_path / 'songs')
  assert found['songs'] == 4 and found['rejected'] == {'shape': 1}
  train = Songs(tmp_path / 'songs', 'train')
  for song, roll_TxP in zip(train, rolls.values(), strict=True):
    assert song.num_steps == len(roll_TxP)
    codec = Codec('binary', low=21, num_pitches=88)
    np.testing.assert_array_equal(codec.encode(song.notes_Nx4, song.num_steps).T, roll_TxP)
    assert set(song.notes_Nx4[:, 3]) == {80}
  assert len(Songs(tmp_path / 'songs', 'valid')) == 1


def test_a_list_of_rolls_takes_some_of_the_files(tmp_path):
  for name in ('a_train', 'a_valid', 'b_train'):
    np.savez(tmp_path / f'{name}.npz', np.ones((8, 88), bool))
  (tmp_path / 'c_train.npz').write_bytes((tmp_path / 'a_train.npz').read_bytes()[:300])
  names = ['a_train.npz', 'a_valid.npz', 'c_train.npz', 'd_train.npz']
  found = prepare(tmp_path, tmp_path / 'songs', names=names)
  assert found['songs'] == 2 and found['rejected'] == {'damaged': 1, 'missing': 1}
  assert set(songs_of(tmp_path / 'songs')) == {'a_train.npz/arr_0', 'a_valid.npz/arr_0'}


def pop909_like(root, names, beats=True):
  for i, name in enumerate(names):
    (root / name).mkdir(parents=True)
    midi.write(corpus.song(0, i, num_bars=4), root / name / f'{name}.mid')
    if beats:
      rows = [f'{0.5 * k} {k % 2 == 0:d} {k % 4 == 0:d}\n' for k in range(80)]
      (root / name / 'beat_midi.txt').write_text(''.join(rows))


def test_splits_of_pop909_are_those_of_its_lists(tmp_path):
  root = tmp_path / 'input'
  pop909_like(root, ['001', '002', '003', '004'])
  (root / '004' / 'versions').mkdir()
  (root / '004' / 'versions' / '004-v1.mid').write_bytes(b'')
  (root / 'train.txt').write_text('001\n003\n')
  (root / 'valid.txt').write_text('002\n')
  prepare(root, tmp_path / 'songs')
  splits = {source: split for source, (split, _) in songs_of(tmp_path / 'songs').items()}
  assert splits == {
    '001/001.mid': 'train', '002/002.mid': 'valid', '003/003.mid': 'train', '004/004.mid': 'test',
  }  # fmt: skip
  prepare(root, tmp_path / 'some', names=['003', '002/002.mid'])
  assert set(songs_of(tmp_path / 'some')) == {'002/002.mid', '003/003.mid'}


@pytest.mark.parametrize('text', ['0.5 1\n', 'x y z\n', '0 1 1\n0 0 0\n', '1 1 1\n0.5 0 0\n', ''])
def test_a_song_with_broken_beats_is_left_out(text, tmp_path):
  root = tmp_path / 'input'
  pop909_like(root, ['001', '002'])
  (root / '002' / 'beat_midi.txt').write_text(text)
  assert prepare(root, tmp_path / 'songs')['rejected'] == {'beats': 1}


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are text elsewhere')
def test_file_names_of_any_bytes(folder, tmp_path):
  os.rename(folder / 'a.mid', os.fsencode(folder) + b'/caf\xe9.mid')
  assert report(f'--input={folder}', f'--output={tmp_path}/songs')['songs'] == 8


@pytest.fixture
def pop909():
  directory = ROOT.parent / 'shared' / 'data' / 'pop909'
  if not directory.is_dir():
    pytest.skip('POP909 is absent')
  return directory


@pytest.mark.parametrize('flags', [(), ('--nobeats',)])
def test_pop909_as_a_whole(flags, pop909, tmp_path):
  found = report(f'--input={pop909}', f'--output={tmp_path}/songs', '--workers=2', *flags)
  assert found['songs'] == 863 and found['rejected'] == {}
  assert found['onset_error_mean'] <= 0.03
  train, valid = (Songs(tmp_path / 'songs', split) for split in ('train', 'valid'))
  assert len(train) == 818 and len(valid) == 45
  named = (pop909 / 'valid.txt').read_text().split()
  assert sorted(song.source for song in valid) == [f'{name}/{name}.mid' for name in named]
  triple = sum(song.metre == (3, 4) for songs in (train, valid) for song in songs)
  assert flags or triple == 29
