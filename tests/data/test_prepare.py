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
from fractaljax.data.parts import Part
from fractaljax.data.records import BY_NAME, Songs, read_splits
from fractaljax.errors import UserError
from fractaljax.music import corpus, midi
from fractaljax.music.codec import Codec

ROOT = pathlib.Path(__file__).parents[2]


SMALL_SHARDS = """
import runpy
from fractaljax.data import plan
plan.FILES_PER_SHARD = 100
runpy.run_module('fractaljax.prepare', run_name='__main__')
"""

# However late a signal comes, it finds the second shard begun and not whole.
STUCK = """
import time
from fractaljax.music import corpus
compose = corpus.song
def song(seed, index):
  while index == 150:
    time.sleep(0.1)
  return compose(seed, index)
corpus.song = song
"""


def command(*flags, code=None):
  program = ['-c', code] if code else ['-m', 'fractaljax.prepare']
  arguments = [sys.executable, *program, *map(str, flags)]
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
  splits = read_splits(directory)
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
  train, valid = ([s.source for s in Songs(tmp_path / 'songs', split)] for split in BY_NAME)
  assert train and valid and len({*train, *valid}) == len(train + valid) == num_good


def test_names_decide_the_split_once_and_for_all():
  names = [f'folder/{i}.mid' for i in range(4000)]
  splits = [sources.split_by_name(name) for name in names]
  assert 0.03 < splits.count('valid') / len(splits) < 0.07
  assert splits[:40] == [sources.split_by_name(name) for name in names[:40]]


def test_what_is_written_does_not_depend_on_the_number_of_workers(spoilt, tmp_path):
  for num_workers in (1, 2, 3):
    prepare(spoilt, tmp_path / str(num_workers), num_workers=num_workers)
  files = [
    {path.name: path.read_bytes() for path in (tmp_path / n).glob('*/*')} for n in ('1', '2', '3')
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


def test_rolls_beside_midi_files_are_not_taken_for_all_there_is(tmp_path):
  (tmp_path / 'input').mkdir()
  midi.write(corpus.song(0, 0, num_bars=4), tmp_path / 'input/a.mid')
  np.savez(tmp_path / 'input/cache.npz', np.zeros((16, 88), bool))
  with pytest.raises(UserError, match='a.mid, cache.npz.*--format'):
    sources.find(tmp_path / 'input', 'auto', None, use_beats=True)
  assert len(sources.find(tmp_path / 'input', 'midi', None, use_beats=True)) == 1


def test_the_same_command_again_changes_nothing_and_another_is_refused(folder, tmp_path):
  flags = f'--input={folder}', f'--output={tmp_path}/songs'
  first = report(*flags)
  files = {path: path.stat().st_mtime_ns for path in (tmp_path / 'songs').rglob('*')}
  again = report(*flags)
  timing = {'seconds', 'files_per_second'}
  assert again | dict.fromkeys(timing) == first | dict.fromkeys(timing)
  assert {path: path.stat().st_mtime_ns for path in (tmp_path / 'songs').rglob('*')} == files
  (folder / 'a.mid').rename(folder / 'z.mid')
  code, _, err = run(*flags)
  assert code == 2 and 'files=8' in err.splitlines()[-1] and '--overwrite' in err
  assert report(*flags, '--overwrite')['songs'] == 8
  assert 'z.mid' in songs_of(tmp_path / 'songs')


def test_an_array_of_jobs_prepares_every_file_once(spoilt, tmp_path):
  flags = f'--input={spoilt}', f'--output={tmp_path}/songs', '--workers=1', '--num_shards=3'
  found = [report(*flags, f'--shard_index={i}') for i in range(3)]
  assert sum(part['songs'] for part in found) == len(songs_of(tmp_path / 'songs')) == 8
  assert sum(sum(part['rejected'].values()) for part in found) == 3
  code, _, err = run(*flags, '--shard_index=3')
  assert code == 2 and '--shard_index=3' in err and len(err.splitlines()) == 1


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.slow
def test_a_stopped_preparation_goes_on_from_its_last_shard(number, interruptible, tmp_path):
  flags = '--format=corpus', '--songs=300', f'--output={tmp_path}/songs'
  process = command(*flags, code=STUCK + SMALL_SHARDS)
  part = tmp_path / 'songs' / '.part-00000-of-00001'
  end = time.monotonic() + 60
  # When the second is begun, the first is whole.
  while not (part / 'train-00001.array_record.half').exists() and time.monotonic() < end:
    time.sleep(0.02)
  written = (part / 'train-00000.array_record').stat().st_mtime_ns
  process.send_signal(number)
  try:
    out, err = process.communicate(timeout=60)
  finally:
    process.kill()
  assert process.returncode in (130, -signal.SIGKILL) and out == ''
  assert number == signal.SIGKILL or 'the same command goes on' in err
  assert 'Traceback' not in err
  with pytest.raises(UserError, match='has not finished'):
    Songs(tmp_path / 'songs', 'train')
  out, err = command(*flags, code=SMALL_SHARDS).communicate(timeout=60)
  assert json.loads(out)['songs'] == 300
  (kept,) = (tmp_path / 'songs').glob('*/train-00000.array_record')
  assert kept.stat().st_mtime_ns == written
  sources_read = [song.source for split in BY_NAME for song in Songs(tmp_path / 'songs', split)]
  assert sources_read == [f'corpus/0/{i}' for i in range(300)]


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


def test_folders_of_pop909_have_any_names_and_lists_are_text(tmp_path):
  pop909_like(tmp_path, ['No.1', '002'])
  items = sources.find(tmp_path, 'pop909', None, use_beats=True)
  assert sorted(item.source for item in items) == ['002/002.mid', 'No.1/No.1.mid']
  (tmp_path / 'train.txt').write_bytes(b'\xff\xfe')
  with pytest.raises(UserError, match='train.txt'):
    sources.find(tmp_path, 'pop909', None, use_beats=True)


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


def test_parts_of_which_no_file_could_be_used_are_no_songs(tmp_path):
  (files := tmp_path / 'files').mkdir()
  for name in 'ab':
    (files / f'{name}.mid').write_bytes(b'no MIDI')
  items = sources.find(files, 'auto', None, True)
  for index in range(2):
    found = ingest.prepare(items, tmp_path / 'songs', 1, False, Part(index, 2))
    assert found['songs'] == 0
  with pytest.raises(UserError, match='songs has no songs: none of its files'):
    Songs(tmp_path / 'songs', 'valid')
