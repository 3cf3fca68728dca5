"""Sound of songs: decaying harmonics, to hear what was written without any instrument."""

import io
import wave

import numpy as np

from fractaljax.music.notes import Song

SAMPLE_RATE = 22_050  # Hz
RELEASE_SECONDS, ATTACK_SECONDS = 0.15, 0.004
NUM_HARMONICS = 6


def synthesise(song: Song) -> np.ndarray:
  """A song as a wave.

  Returns:
    wave_S, float32 in [-1, 1], at SAMPLE_RATE.
  """
  step_seconds = 15 / song.tempo_bpm
  tail = RELEASE_SECONDS + ATTACK_SECONDS
  wave_S = np.zeros(int((song.num_steps * step_seconds + tail) * SAMPLE_RATE) + 2, np.float32)
  for onset, duration, pitch, velocity in song.notes_Nx4.tolist():
    note_M = _note(pitch, duration * step_seconds, velocity / 127)
    first = int(onset * step_seconds * SAMPLE_RATE)
    wave_S[first : first + len(note_M)] += note_M[: len(wave_S) - first]
  return wave_S / max(np.abs(wave_S).max(), 1)


def as_wav(wave_S: np.ndarray) -> bytes:
  """A wave as a .wav file, 16 bits, one channel."""
  with io.BytesIO() as buffer:
    with wave.open(buffer, 'wb') as file:
      file.setnchannels(1)
      file.setsampwidth(2)
      file.setframerate(SAMPLE_RATE)
      file.writeframes((wave_S * 32767).astype('<i2').tobytes())
    return buffer.getvalue()


def _note(pitch: int, seconds: float, loudness: float) -> np.ndarray:
  """One note: harmonic h as loud as 1/h, dying away faster the higher it is, as on a string."""
  second_M = np.arange(int((seconds + RELEASE_SECONDS) * SAMPLE_RATE), dtype=np.float32)
  second_M /= SAMPLE_RATE
  hertz = 440 * 2 ** ((pitch - 69) / 12)
  audible = [h for h in range(1, NUM_HARMONICS + 1) if h * hertz < SAMPLE_RATE / 2]
  wave_M = sum(
    np.sin(2 * np.pi * h * hertz * second_M) * np.exp(-second_M * (0.5 + hertz / 400) * h) / h
    for h in audible
  )
  ends_M = np.clip((seconds + RELEASE_SECONDS - second_M) / RELEASE_SECONDS, 0, 1)
  begins_M = np.clip(second_M / ATTACK_SECONDS, 0, 1)
  return (0.2 * loudness**1.5 * wave_M * begins_M * ends_M).astype(np.float32)
