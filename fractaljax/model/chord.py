"""Chord: the triad that a patch of the first level, a bar, is most like.

Songs come back to the same chords every four or eight bars, also where no note comes again. A model
that has to read that off the notes loses it. So the chords of all bars are decided before any note,
after the form, see `fractaljax.model.harmony`, and every level hears that of its bar.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.initializers import zeros

from fractaljax.model.config import ModelConfig
from fractaljax.model.hint import SCALE

# 0 is none, in a bar without notes; then the major triads from C on, and the minor ones.
NUM_CHORDS = 25
_THIRDS = 4, 3
# Half notes: a root in the bass counts for three of them more.
_NOTE, _IN_THE_BASS = 2, 3


def _triads() -> np.ndarray:
  """Which pitch classes above the bass are in each triad, (12, 24): by root, major and minor."""
  is_in_12x12x2 = np.zeros((12, 12, 2), int)
  for root in range(12):
    for quality, third in enumerate(_THIRDS):
      is_in_12x12x2[(root + np.array([0, third, 7])) % 12, root, quality] = 1
  return is_in_12x12x2.reshape(12, 24)


def of_rolls(tokens_NxPxT, config: ModelConfig):
  """The chords of the bars of rolls, (N, L), by those notes that are known.

  The triad that has most of the notes, where a root in the bass counts for one and a half of them;
  of equals the one with the lowest root above the bass. Transposed bars have transposed chords.
  """
  num, num_pitches, num_steps = tokens_NxPxT.shape
  steps = config.levels[0].patch[1]
  is_note_NxPxLxS = config.codec.is_note(tokens_NxPxT).reshape(num, num_pitches, -1, steps)
  count_NxLxP = is_note_NxPxLxS.sum(axis=3).swapaxes(1, 2)
  class_P = (config.codec.low + np.arange(num_pitches)) % 12
  count_NxLx12 = jnp.stack([count_NxLxP[..., class_P == k].sum(axis=2) for k in range(12)], axis=2)
  bass_NxL = jnp.asarray(class_P)[jnp.argmax(count_NxLxP > 0, axis=2)]
  above_NxLx12 = (bass_NxL[..., None] + np.arange(12)) % 12
  count_NxLx12 = jnp.take_along_axis(count_NxLx12, above_NxLx12, axis=2)
  score_NxLx24 = _NOTE * (count_NxLx12[..., None] * _triads()).sum(axis=2)
  best_NxL = jnp.argmax(score_NxLx24.at[..., :2].add(_IN_THE_BASS), axis=2)
  id_NxL = 1 + 12 * (best_NxL % 2) + (bass_NxL + best_NxL // 2) % 12
  return jnp.where(count_NxLxP.any(axis=2), id_NxL, 0)


def seen_from(chord_x, row_x, config: ModelConfig):
  """Chords with the distance of these rows above their roots in the place of the roots."""
  above_x = (config.codec.low + row_x - (chord_x - 1)) % 12
  return jnp.where(chord_x > 0, 1 + 12 * ((chord_x - 1) // 12) + above_x, 0)


class Chord(nn.Module):
  """Tables by the chord of a bar, learned from zero: vectors, and logits of single pitches.

  Single pitches hear the chord by their interval above its root, so that what is learned in one key
  holds in all.
  """

  config: ModelConfig
  width: int
  is_pitch: bool
  num_out: int

  def setup(self):
    self.vector = nn.Embed(NUM_CHORDS, self.width, embedding_init=zeros)
    if self.is_pitch:
      num_octaves = -(-self.config.codec.num_pitches // 12)
      self.hint = nn.Embed(NUM_CHORDS * num_octaves, self.num_out, embedding_init=zeros)

  def __call__(self, chord_Nx1, row_NxL):
    """Vectors (N, L, D) of patches in these rows, and logits to be added (N, L, G), or 0."""
    if not self.is_pitch:
      id_NxL = jnp.broadcast_to(chord_Nx1, row_NxL.shape)
      return self.vector(id_NxL).astype(self.config.dtype), 0.0
    id_NxL = seen_from(chord_Nx1, row_NxL, self.config)
    hint_NxLxG = self.hint(row_NxL // 12 * NUM_CHORDS + id_NxL)
    return self.vector(id_NxL).astype(self.config.dtype), SCALE * hint_NxLxG
