"""MIDI in and out: nothing is lost on the grid, other programs read it, bad files are named."""

import dataclasses
import pathlib
import struct

import numpy as np
import pretty_midi
import pytest
import symusic

from fractaljax.errors import UserError
from fractaljax.music import corpus, midi
from fractaljax.music.codec import Codec
from fractaljax.music.notes import VELOCITY, Song


def song_in(metre, num_bars=8, seed=0):
  """Notes of the corpus, as if they were in another metre."""
  notes_Nx4 = corpus.song(seed, 0, num_bars=num_bars).notes_Nx4
  steps_per_bar = metre[0] * 16 // metre[1]
  end = int((notes_Nx4[:, 0] + notes_Nx4[:, 1]).max())
  return Song(notes_Nx4, -(-end // steps_per_bar) * steps_per_bar, metre, 93.0)


def write_score(path, notes, metres=((0, 4, 4),), tempos=((0, 120),), tpq=480):
  """A file of (tick, ticks, pitch, velocity) in one track each, or (..., is_drum)."""
  score = symusic.Score(tpq)
  for time, *metre in metres:
    score.time_signatures.append(symusic.TimeSignature(time, *metre))
  for time, tempo_bpm in tempos:
    score.tempos.append(symusic.Tempo(time, tempo_bpm))
  for *note, is_drum in notes:
    track = symusic.Track('', is_drum=is_drum)
    track.notes.append(symusic.Note(*note))
    score.tracks.append(track)
  path.write_bytes(score.dumps_midi())
  return path


def check_round_trip(song, path):
  midi.write(song, path)
  read = midi.read_song(path)
  np.testing.assert_array_equal(read.notes_Nx4, song.notes_Nx4)
  assert read.notes_Nx4.dtype == np.int32
  found = read.metre, read.num_steps, read.offset_steps
  assert found == (song.metre, song.num_steps, 0)
  assert read.tempo_bpm == pytest.approx(song.tempo_bpm, rel=1e-4)


@pytest.mark.parametrize('index', range(40))
def test_songs_of_the_corpus_survive_a_file_exactly(index, tmp_path):
  check_round_trip(corpus.song(1, index, num_bars=16), tmp_path / 'song.mid')


@pytest.mark.parametrize(
  'metre', [(3, 4), (2, 4), (6, 8), (7, 8), (12, 8), (5, 4), (2, 2), (5, 16)]
)
def test_every_metre_of_whole_16ths_survives(metre, tmp_path):
  check_round_trip(song_in(metre), tmp_path / 'song.mid')


def test_silence_before_the_first_note_survives(tmp_path):
  song = song_in((4, 4))
  late = song.notes_Nx4 + np.array([37, 0, 0, 0], np.int32)
  check_round_trip(dataclasses.replace(song, notes_Nx4=late, num_steps=144), tmp_path / 'song.mid')


def test_pretty_midi_reads_the_same_music(tmp_path):
  song = dataclasses.replace(song_in((3, 4)), tempo_bpm=80.0)
  midi.write(song, tmp_path / 'song.mid', program=48)
  read = pretty_midi.PrettyMIDI(str(tmp_path / 'song.mid'))
  (track,) = read.instruments
  assert track.program == 48 and not track.is_drum
  assert read.get_tempo_changes()[1] == pytest.approx([80.0])
  (metre,) = read.time_signature_changes
  assert (metre.numerator, metre.denominator, metre.time) == (3, 4, 0)
  notes = sorted(track.notes, key=lambda note: (note.start, note.pitch))
  seconds = 60 / 80 / 4
  onset_N, duration_N, pitch_N, velocity_N = song.notes_Nx4.T
  np.testing.assert_allclose([note.start for note in notes], onset_N * seconds, atol=1e-6)
  ends_N = (onset_N + duration_N) * seconds
  np.testing.assert_allclose([note.end for note in notes], ends_N, atol=1e-6)
  assert [note.pitch for note in notes] == pitch_N.tolist()
  assert [note.velocity for note in notes] == velocity_N.tolist()
  converted = midi.to_pretty_midi(song, program=48)
  assert converted.instruments[0].program == 48
  assert [str(note) for note in converted.instruments[0].notes] == [str(n) for n in track.notes]


def test_tracks_merge_without_drums_and_without_overlaps(tmp_path):
  step = 120
  notes = [
    (0, 4 * step, 60, 50, False),
    (0, 2 * step, 60, 70, False),  # the same pitch and step: the longer end, the louder velocity
    (8 * step, 8 * step, 60, 40, False),
    (10 * step, 2 * step, 60, 41, False),  # cuts the one before
    (3 * step, 10, 64, 30, False),  # shorter than a step
    (5 * step, step, 36, 99, True),
  ]
  song = midi.read_song(write_score(tmp_path / 'song.mid', notes))
  expected_Nx4 = [[0, 4, 60, 70], [3, 1, 64, 30], [8, 2, 60, 40], [10, 2, 60, 41]]
  np.testing.assert_array_equal(song.notes_Nx4, expected_Nx4)
  assert song.num_steps == 16


def test_onset_and_end_are_rounded_each_on_its_own(tmp_path):
  # 0.45 .. 2.4 steps is 0 .. 2; its length of 1.95, rounded alone, would be the same 2: so take
  # 1.4 .. 2.6, which is 1 .. 3 though it is only 1.2 long.
  notes = [(120 * k, 120, 40, 9, False) for k in range(0, 64, 4)] + [(168, 144, 60, 9, False)]
  song = midi.read_song(write_score(tmp_path / 'song.mid', notes))
  assert [1, 2, 60, 9] in song.notes_Nx4.tolist()


def test_the_metre_that_holds_longest_and_the_mean_tempo(tmp_path):
  notes = [(0, 480, 60, 9, False), (19 * 480, 480, 60, 9, False)]
  metres = [(0, 3, 4), (480 * 3, 6, 8), (480 * 6, 3, 4)]
  # Ten quarters of a second each, ten of half a second.
  tempos = [(0, 60), (4800, 120)]
  song = midi.read_song(write_score(tmp_path / 'song.mid', notes, metres, tempos))
  assert song.metre == (3, 4) and song.num_steps == 84
  assert song.tempo_bpm == pytest.approx(20 * 60 / 15)


@pytest.mark.parametrize('upbeat', [1, 2, 3])
def test_bars_begin_where_the_metre_does_after_an_upbeat(upbeat, tmp_path):
  # An upbeat of some quarters, then five bars whose first beats are there.
  notes = [(480 * k, 240, 60, 9, False) for k in range(upbeat)]
  notes += [(480 * (upbeat + 4 * bar), 1920, 40, 9, False) for bar in range(5)]
  metres = [(0, upbeat, 4), (480 * upbeat, 4, 4)]
  song = midi.read_song(write_score(tmp_path / 'song.mid', notes, metres))
  onset_N = song.notes_Nx4[:, 0]
  assert song.metre == (4, 4) and song.num_steps == 96
  assert onset_N[song.notes_Nx4[:, 2] == 40].tolist() == [16, 32, 48, 64, 80]
  assert onset_N.min() == 16 - 4 * upbeat and song.offset_steps == 4 * upbeat - 16


def test_a_metre_after_the_last_note_does_not_count(tmp_path):
  notes = [(480 * k, 480, 60, 9, False) for k in range(13)]
  metres = [(0, 3, 4), (12 * 480, 4, 4), (60 * 480, 2, 4)]
  assert midi.read_song(write_score(tmp_path / 'song.mid', notes, metres)).metre == (3, 4)


@pytest.mark.parametrize('metres', [(), ((0, 3, 32),), ((0, 0, 4),)])
def test_without_a_metre_of_whole_16ths_it_is_four_four(metres, tmp_path):
  path = write_score(tmp_path / 'song.mid', [(0, 480, 60, 9, False)], metres)
  assert midi.read_song(path).metre == (4, 4)


def test_a_grid_of_960_ticks_is_the_same(tmp_path):
  notes = [(k * 240, 240, 60, 9, False) for k in range(8)]
  song = midi.read_song(write_score(tmp_path / 'song.mid', notes, tpq=960))
  assert song.notes_Nx4[:, 0].tolist() == list(range(8))


def smpte(data):
  return data[:12] + struct.pack('>h', -25 * 256 + 40) + data[14:]


BAD = {
  'not_midi': lambda data: b'The quick brown fox',
  'damaged': lambda data: data[: len(data) * 2 // 3],
  'smpte': smpte,
}


@pytest.mark.parametrize('reason', BAD)
def test_bad_files_are_named_with_a_reason(reason, tmp_path):
  path = tmp_path / 'bad.mid'
  midi.write(song_in((4, 4)), path)
  path.write_bytes(BAD[reason](path.read_bytes()))
  with pytest.raises(midi.MidiError, match=r'bad\.mid') as caught:
    midi.read_song(path)
  assert caught.value.reason == reason
  assert '\n' not in str(caught.value) and isinstance(caught.value, UserError)


@pytest.mark.parametrize('size', [0, 3, 8, 14, 20])
def test_a_file_cut_anywhere_in_its_head_is_refused(size, tmp_path):
  midi.write(song_in((4, 4)), tmp_path / 'bad.mid')
  (tmp_path / 'bad.mid').write_bytes((tmp_path / 'bad.mid').read_bytes()[:size])
  with pytest.raises(midi.MidiError, match=r'bad\.mid'):
    midi.read_song(tmp_path / 'bad.mid')


def test_missing_empty_and_endless_files_have_their_reasons(tmp_path):
  drums = write_score(tmp_path / 'drums.mid', [(0, 480, 36, 9, True)])
  endless = [(0, 480, 60, 9, False), (0x0FFFFFF0, 480, 60, 9, False)]
  endless = write_score(tmp_path / 'endless.mid', endless)
  for path, reason in [(tmp_path / 'a.mid', 'missing'), (drums, 'empty'), (endless, 'too_long')]:
    with pytest.raises(midi.MidiError, match=path.name) as caught:
      midi.read_song(path)
    assert caught.value.reason == reason


@pytest.fixture
def pop909():
  directory = pathlib.Path(__file__).parents[3] / 'shared' / 'data' / 'pop909'
  if not directory.is_dir():
    pytest.skip('POP909 is absent')
  return directory


@pytest.mark.slow
@pytest.mark.parametrize('with_beats', [True, False])
def test_pop909_survives_tokens_and_files(with_beats, pop909, tmp_path):
  paths = sorted(pop909.glob('*/*.mid'))
  assert len(paths) == 863
  codec, error_sum, num_notes = Codec('onset'), 0.0, 0
  for path in paths[::5]:
    beats_Bx3 = np.loadtxt(path.parent / 'beat_midi.txt') if with_beats else None
    performance = midi.read(path)
    song, error = midi.on_grid(performance, beats_Bx3)
    error_sum += error * len(performance.onset_N)
    num_notes += len(performance.onset_N)
    decoded_Nx4 = codec.decode(codec.encode(song.notes_Nx4, song.num_steps))
    np.testing.assert_array_equal(decoded_Nx4[:, :VELOCITY], song.notes_Nx4[:, :VELOCITY])
    assert np.abs(decoded_Nx4[:, VELOCITY] - song.notes_Nx4[:, VELOCITY]).max() <= 2
    check_round_trip(dataclasses.replace(song, notes_Nx4=decoded_Nx4), tmp_path / 'song.mid')
  assert num_notes > 2.8e5
  assert error_sum / num_notes <= 0.03
