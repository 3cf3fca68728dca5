"""Keys of songs: the one that fits best, and how well it does."""

import numpy as np

from fractaljax.music.harmony import MODES, SCALES, Key
from fractaljax.music.notes import DURATION, PITCH

# Krumhansl & Kessler 1982: how well each degree above the tonic fits the key.
MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def best_key(notes_Nx4: np.ndarray) -> Key | None:
  """The key that fits best, or None without notes.

  The one of 24 whose profile correlates best with the sounding time of each pitch class
  (Krumhansl 1990, ch. 4).
  """
  if len(notes_Nx4) == 0:
    return None
  time_12 = np.bincount(notes_Nx4[:, PITCH] % 12, weights=notes_Nx4[:, DURATION], minlength=12)
  # The profiles are standardised; the norm of the times would scale all 24 correlations alike.
  score_24 = _KEY_PROFILES_24x12 @ (time_12 - time_12.mean())
  mode, root = divmod(int(np.argmax(score_24)), 12)
  return Key(root, MODES[mode])


def in_key_share(notes_Nx4: np.ndarray) -> float:
  """Share of the notes that lie in the diatonic scale that fits best; 0 without notes."""
  if len(notes_Nx4) == 0:
    return 0.0
  count_12 = np.bincount(notes_Nx4[:, PITCH] % 12, minlength=12)
  return float(np.max(_SCALES_12x12 @ count_12) / len(notes_Nx4))


def _rotations(degree_12: np.ndarray) -> np.ndarray:
  """One row a root: the degrees' values by pitch class."""
  return np.stack([np.roll(degree_12, root) for root in range(12)])


def _key_profiles() -> np.ndarray:
  profile_2x12 = np.array([MAJOR_PROFILE, MINOR_PROFILE])
  profile_2x12 -= profile_2x12.mean(axis=1, keepdims=True)
  profile_2x12 /= np.linalg.norm(profile_2x12, axis=1, keepdims=True)
  return np.concatenate([_rotations(profile_12) for profile_12 in profile_2x12])


_KEY_PROFILES_24x12 = _key_profiles()
_SCALES_12x12 = _rotations(np.isin(np.arange(12), SCALES['major']).astype(np.int64))
