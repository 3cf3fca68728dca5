import json

import numpy as np
import pytest

from fractaljax.music import corpus
from fractaljax.music.comparison import compare
from fractaljax.music.excerpt import beginnings, excerpts
from fractaljax.music.metrics import FIGURES
from fractaljax.music.notes import Song

STEPS = 64


@pytest.fixture(scope='module')
def songs():
  return [corpus.song(3, i, num_bars=8) for i in range(6)]


def test_songs_beside_themselves_overlap_wholly_and_copy_every_bar(songs):
  found = compare(songs, songs, songs, STEPS)
  for row in found.rows:
    assert row.samples == row.songs
    assert (row.overlap, row.ceiling) == (pytest.approx(1), pytest.approx(1))
  assert (found.num_close, found.overlap) == (len(FIGURES), pytest.approx(1))
  assert found.ceiling == pytest.approx(1)
  assert (found.copied.samples, found.copied.ceiling) == (1, None)
  assert found.onsets[0] == found.onsets[1]


def test_a_mean_is_close_within_5_percent_on_either_side(songs):
  found = compare(songs, songs, None, STEPS)
  for factor, is_close in ((1.049, 1), (0.951, 1), (1.051, 0), (0.949, 0)):
    rows = [row._replace(samples=row.songs * factor) for row in found.rows if row.songs]
    assert found._replace(rows=rows).num_close == is_close * len(rows)
    rows = [row._replace(train=row.songs * factor) for row in found.rows if row.songs]
    assert found._replace(rows=rows).num_close_in_train == is_close * len(rows)
  assert found.num_close_in_train is None


def test_the_ceiling_is_of_as_many_excerpts_as_there_are_samples(songs):
  train = songs[:1] + [Song(song.notes_Nx4 + [0, 0, 12, 0], song.num_steps) for song in songs[1:]]
  pitch = [
    next(row for row in compare(samples, songs[:1], train, STEPS).rows if row.name == 'pitch_mean')
    for samples in ([Song(songs[0].notes_Nx4, STEPS)], songs)
  ]
  # One excerpt is of the first song; all of them are mostly of those an octave higher.
  assert pitch[0].ceiling > pitch[1].ceiling + 0.1


def test_the_error_is_that_of_the_difference_of_two_means_of_songs(songs):
  few = songs[:3]
  variances = [
    np.var([song.notes_Nx4[:, 2].mean() for song in excerpts(side, STEPS)], ddof=1)
    / len(excerpts(side, STEPS))
    for side in (few, songs)
  ]
  pitch = {row.name: row for row in compare(few, songs, None, STEPS).rows}['pitch_mean']
  assert pitch.error == pytest.approx(sum(variances) ** 0.5)
  assert pitch.z == pytest.approx((pitch.samples - pitch.songs) / pitch.error)
  alike = [Song(songs[0].notes_Nx4, STEPS)] * 4
  assert all(row.error < 1e-9 for row in compare(alike, alike, None, STEPS).rows)
  assert compare(alike[:1], alike[:1], None, STEPS).rows[0].z is None


def test_songs_can_be_represented_by_their_beginnings(songs):
  # An octave higher after the first four bars.
  shift_N = [12 * (song.notes_Nx4[:, :1] >= STEPS) * [0, 0, 1, 0] for song in songs]
  risen = [
    Song(song.notes_Nx4 + shift, song.num_steps) for song, shift in zip(songs, shift_N, strict=True)
  ]
  pitch, first = (
    next(row for row in compare(songs, risen, risen, STEPS, cut).rows if row.name == 'pitch_mean')
    for cut in (excerpts, beginnings)
  )
  assert first.songs < pitch.songs - 3
  assert first.ceiling == pytest.approx(1)


def test_silence_beside_songs_and_no_training_songs(songs):
  silence = Song(np.zeros((0, 4), np.int32), STEPS)
  found = compare([silence], songs, None, STEPS)
  assert [row.name for row in found.rows] == list(FIGURES)
  row_of = {row.name: row for row in found.rows}
  assert (row_of['notes_per_bar'].ratio, row_of['pitch_mean'].overlap) == (0, 0)
  assert all(row.ceiling is None for row in found.rows)
  assert (found.copied, found.ceiling) == (None, None)
  assert compare(songs, [silence], None, STEPS).rows[0].ratio is None


def test_the_table_and_its_json_have_every_figure(songs):
  found = compare(songs[:2], songs[2:4], songs[4:], STEPS)
  lines = found.table().splitlines()
  names = [*FIGURES, 'copied_bars']
  assert [line.split()[0] for line in lines[1:-1]] == names
  assert len(set(map(len, lines))) == 1
  assert lines[-1].split()[:3] == [str(found.num_close), 'of', str(len(FIGURES))]
  assert f'of training songs {found.num_close_in_train} ' in lines[-1]
  assert float(lines[-1].split()[-1]) == pytest.approx(found.ceiling, abs=1e-2)
  summary = json.loads(json.dumps(found.summary()))
  shown = [float(text) for text in lines[1].split()[1:3]]
  assert summary['within_5_percent'] == [found.num_close, len(FIGURES)]
  assert summary['within_5_percent_train'] == found.num_close_in_train
  assert summary['errors']['notes_per_bar'] == pytest.approx(found.rows[0].error, abs=1e-3)
  assert summary['notes_per_bar'] == pytest.approx(shown, abs=1e-3)
  for part in ('errors', 'ratios', 'overlaps', 'ceilings'):
    assert list(summary[part]) == names
