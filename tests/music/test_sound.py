"""Sound: as long as the song, of the pitches that it has, and no louder than can be played."""

import io
import wave

import numpy as np

from fractaljax.music.notes import Song
from fractaljax.music.sound import SAMPLE_RATE, as_wav, synthesise


def song(*notes, num_steps=16):
  return Song(np.array(notes, np.int32).reshape(-1, 4), num_steps, tempo_bpm=60)


def strongest_hertz(wave_S):
  return np.argmax(np.abs(np.fft.rfft(wave_S))) * SAMPLE_RATE / len(wave_S)


def test_a_note_has_its_pitch_and_its_place():
  wave_S = synthesise(song([8, 4, 69, 100]))  # A4, from second 2 to 3
  assert 4 < len(wave_S) / SAMPLE_RATE < 4.3
  assert abs(strongest_hertz(wave_S) - 440) < 2
  assert not wave_S[: 2 * SAMPLE_RATE].any() and not wave_S[int(3.2 * SAMPLE_RATE) :].any()
  assert wave_S[2 * SAMPLE_RATE : 3 * SAMPLE_RATE].any()
  soft_S = synthesise(song([8, 4, 69, 30]))
  assert np.abs(soft_S).max() < 0.5 * np.abs(wave_S).max()


def test_many_notes_are_not_too_loud_and_no_note_is_silence():
  crowd_S = synthesise(song(*([0, 16, pitch, 127] for pitch in range(128))))
  assert 0.9 < np.abs(crowd_S).max() <= 1
  assert not synthesise(song()).any()


def test_a_wav_file_has_the_wave():
  wave_S = synthesise(song([0, 16, 60, 100]))
  with wave.open(io.BytesIO(as_wav(wave_S))) as file:
    assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (
      SAMPLE_RATE, 1, len(wave_S),
    )  # fmt: skip
    played_S = np.frombuffer(file.readframes(len(wave_S)), '<i2') / 32767
  np.testing.assert_allclose(played_S, wave_S, atol=1e-4)
