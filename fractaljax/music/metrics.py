"""What a set of songs is like, in a few figures: for data and samples side by side."""

from collections.abc import Sequence

import numpy as np

from fractaljax.music.attributes import in_key_share
from fractaljax.music.codec import Codec
from fractaljax.music.notes import DURATION, PITCH, VELOCITY

# (notes_Nx4, num_steps, steps_per_bar)
Excerpt = tuple[np.ndarray, int, int]


def statistics(songs: Sequence[Excerpt]) -> dict[str, float]:
  """Figures of a set of songs, each (notes_Nx4, num_steps, steps_per_bar).

  All are taken over the notes, or the steps, of all songs together; only the scale and the pitch
  classes are each song's own, weighted by its notes. A figure that has nothing to count is 0.

  Returns:
    notes_per_bar; pitch_mean, pitch_std, pitch_p1, pitch_p99 (MIDI pitch); polyphony (notes
    sounding at a step, on average); silent_steps (share of steps without any); velocity_mean,
    velocity_std; duration_mean (steps); in_key_share (of the notes, in the diatonic scale that fits
    the song best); pitch_class_entropy (bits, at most log2 12 = 3.58).
  """
  empty_0x4 = np.zeros((0, 4), np.int32)
  notes_Nx4 = np.concatenate([empty_0x4, *(notes_Nx4 for notes_Nx4, _, _ in songs)])
  pitch_N, velocity_N = notes_Nx4[:, PITCH], notes_Nx4[:, VELOCITY]
  num_bars = sum(num_steps / steps_per_bar for _, num_steps, steps_per_bar in songs)
  sounding_S = np.concatenate([np.zeros(0), *(_sounding(*song[:2]) for song in songs)])
  return {
    'notes_per_bar': len(notes_Nx4) / num_bars if num_bars else 0.0,
    'pitch_mean': _mean(pitch_N),
    'pitch_std': _std(pitch_N),
    'pitch_p1': _percentile(pitch_N, 1),
    'pitch_p99': _percentile(pitch_N, 99),
    'polyphony': _mean(sounding_S),
    'silent_steps': _mean(sounding_S == 0),
    'velocity_mean': _mean(velocity_N),
    'velocity_std': _std(velocity_N),
    'duration_mean': _mean(notes_Nx4[:, DURATION]),
    'in_key_share': _mean_over_notes(songs, in_key_share),
    'pitch_class_entropy': _mean_over_notes(songs, pitch_class_entropy),
  }


def pitch_class_entropy(notes_Nx4: np.ndarray) -> float:
  """Entropy of the notes' pitch classes, in bits; 0 without notes."""
  count_12 = np.bincount(notes_Nx4[:, PITCH] % 12, minlength=12)
  share_K = count_12[count_12 > 0] / max(len(notes_Nx4), 1)
  return float(np.sum(share_K * np.log2(1 / share_K)))


def _sounding(notes_Nx4: np.ndarray, num_steps: int) -> np.ndarray:
  """Number of notes that sound at each step."""
  return Codec('binary').encode(notes_Nx4, num_steps).sum(axis=0)


def _mean_over_notes(songs: Sequence[Excerpt], figure) -> float:
  total = sum(len(notes_Nx4) * figure(notes_Nx4) for notes_Nx4, _, _ in songs)
  num_notes = sum(len(notes_Nx4) for notes_Nx4, _, _ in songs)
  return total / num_notes if num_notes else 0.0


def _mean(values: np.ndarray) -> float:
  return float(np.mean(values)) if len(values) else 0.0


def _std(values: np.ndarray) -> float:
  return float(np.std(values)) if len(values) else 0.0


def _percentile(values: np.ndarray, q: float) -> float:
  return float(np.percentile(values, q)) if len(values) else 0.0
