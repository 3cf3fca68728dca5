"""Rolls in REMI words: nothing is lost, and miditok spells the same."""

import dataclasses
import sys

import numpy as np
import pytest
import symusic

from fractaljax.baselines.config import base, build, settle
from fractaljax.baselines.excerpts import check_bars, windows
from fractaljax.baselines.spelling import read, spell
from fractaljax.baselines.vocabulary import HALO, VELOCITY, Vocabulary
from fractaljax.data import pipeline
from fractaljax.errors import UserError
from fractaljax.music.codec import FIRST_ONSET, NUM_BINS, Codec, onset_token
from fractaljax.music.crop import cut
from fractaljax.music.notes import Song


def test_every_crop_survives(vocabulary, songs):
  for song in songs:
    for start in range(0, song.num_steps, 64):
      crop = cut(song, vocabulary.codec, start, 64, HALO)
      tokens_PxT = crop.tokens_PxT[:, crop.valid_T]
      metre = start % song.steps_per_bar, song.steps_per_bar
      words = [word for word, _ in spell(vocabulary, tokens_PxT, *metre)]
      assert np.array_equal(read(vocabulary, words, *metre, tokens_PxT.shape[1]), tokens_PxT)


def test_notes_survive_velocity_to_its_bin(vocabulary):
  """Notes that ring over both edges, are struck again at once, or last from edge to edge."""
  notes_Nx4 = np.array(
    [
      [-3, 5, 60, 9],
      [-9, 99, 61, 1],
      [0, 64, 40, 127],
      [2, 3, 60, 80],
      [5, 1, 60, 81],
      [63, 9, 95, 5],
    ]
  )
  tokens_PxT = vocabulary.codec.encode(notes_Nx4, 64)
  words = [word for word, _ in spell(vocabulary, tokens_PxT, 0, 16)]
  back_PxT = read(vocabulary, words, 0, 16, 64)
  assert np.array_equal(back_PxT, tokens_PxT)
  found_Nx4 = vocabulary.codec.decode(back_PxT)
  struck_Nx4 = notes_Nx4[notes_Nx4[:, 0] >= 0]
  assert found_Nx4[:, [0, 2]].tolist() == struck_Nx4[:, [0, 2]].tolist()
  assert found_Nx4[:, 1].tolist() == [64, 3, 1, 1]
  assert np.array_equal(onset_token(found_Nx4[:, 3]), onset_token(struck_Nx4[:, 3]))


def test_miditok_spells_the_same(vocabulary, songs):
  (song,) = [song for song in songs if song.metre == (4, 4)][:1]
  tokens_PxT = vocabulary.codec.encode(song.notes_Nx4, 64)
  words = [word for word, _ in spell(vocabulary, tokens_PxT, 0, 16)]
  velocities = vocabulary.tokenizer.velocities
  score = symusic.Score(4)
  track = symusic.Track()
  for onset, duration, pitch, velocity in vocabulary.codec.decode(tokens_PxT).tolist():
    velocity = int(velocities[onset_token(velocity) - FIRST_ONSET])
    track.notes.append(symusic.Note(onset, duration, pitch, velocity))
  score.tracks.append(track)
  assert vocabulary.tokenizer(score)[0].ids == words


def test_velocities_and_durations_are_those_of_the_codec(vocabulary):
  bins_K = onset_token(vocabulary.tokenizer.velocities) - FIRST_ONSET
  assert bins_K.tolist() == list(range(NUM_BINS))
  assert sorted(vocabulary.value_V[vocabulary.kind_V == VELOCITY]) == list(range(NUM_BINS))
  assert sorted(vocabulary.value_V[vocabulary.kind_V == VELOCITY + 1]) == list(range(1, 65))


def test_excerpts_are_the_crops_of_the_fractal(vocabulary, songs):
  found = list(windows(vocabulary, songs))
  crops = list(pipeline.windows(songs, vocabulary.codec, 64, HALO, ()))
  assert [int(one.frame.num_steps) for one in found] == [crop.valid_T.sum() for crop in crops]
  onsets = [(crop.tokens_PxT >= FIRST_ONSET).sum() for crop in crops]
  assert [int(one.num_notes) for one in found] == onsets


def test_bars_too_long_few_steps_and_no_miditok_are_refused(songs, monkeypatch):
  song = Song(np.zeros((0, 4), np.int32), 24, (6, 4), source='six.mid')
  with pytest.raises(UserError, match='six.mid has bars of 24 steps'):
    check_bars([*songs, song])
  check_bars([*songs, dataclasses.replace(song, metre=(4, 4))])
  for num_steps in (12, 18):
    with pytest.raises(UserError, match=f'--steps={num_steps}'):
      build(settle(base(), 'songs', True, num_steps, 1.0))
  monkeypatch.setitem(sys.modules, 'miditok', None)
  with pytest.raises(UserError, match=r'fractaljax\[baselines\]'):
    Vocabulary(Codec('onset'), 64)
