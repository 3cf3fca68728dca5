import pytest

from fractaljax.data import ingest
from fractaljax.data.reference import read_reference
from fractaljax.errors import UserError
from fractaljax.music import corpus, midi
from fractaljax.music.keys import best_key


def test_prepared_songs_are_a_reference_with_training_songs(tmp_path):
  ingest.prepare_corpus(tmp_path / 'songs', 5, seed=3)
  as_it_is, in_c = (read_reference(str(tmp_path / 'songs'), moved) for moved in (False, True))
  assert (len(as_it_is.songs), len(as_it_is.train), as_it_is.rejected) == (1, 4, {})
  keys = {(0, 'major'), (9, 'minor')}
  assert {best_key(song.notes_Nx4) for song in in_c.songs + in_c.train} <= keys
  assert best_key(as_it_is.songs[0].notes_Nx4) not in keys
  assert best_key(as_it_is.train[0].notes_Nx4) not in keys


def test_a_folder_of_midi_files_is_a_reference_without(tmp_path):
  song = corpus.song(3, 0, num_bars=4)
  midi.write(song, tmp_path / 'song.mid')
  (tmp_path / 'broken.mid').write_bytes(b'MThd nothing that follows')
  found = read_reference(str(tmp_path), in_c=False)
  assert found.songs[0].notes_Nx4.tolist() == song.notes_Nx4.tolist()
  assert (len(found.songs), found.train, found.rejected) == (1, None, {'damaged': 1})
  (tmp_path / 'song.mid').unlink()
  with pytest.raises(UserError, match='damaged: 1'):
    read_reference(str(tmp_path), in_c=False)


def test_a_reference_without_songs_is_named(tmp_path):
  for folder, text in ((tmp_path, 'no .mid files'), (tmp_path / 'none', 'not a folder')):
    with pytest.raises(UserError, match=f'{folder} .*{text}'):
      read_reference(str(folder), in_c=False)
