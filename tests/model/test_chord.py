"""Chords: found as defined, and heard by every level as what they are above the root."""

import jax
import numpy as np
import pytest

import models
from fractaljax.model import chord
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import whole_roll

OCTAVES = models.tiny(
  ((36, 4), (36, 1), (12, 1), (1, 1)), None, 36, 'onset', repeats=3, chords=True
)
PATCHES = (4, 4), (4, 1), (2, 1), (1, 1)


def random_rolls(num=40, share=0.06, top=36):
  """Rolls of four bars of four steps, some without a note."""
  rng = np.random.default_rng(0)
  tokens_NxPxT = rng.integers(1, 34, (num, 36, 16)) * (rng.random((num, 36, 16)) < share)
  tokens_NxPxT[:, top:] = tokens_NxPxT[::5, :, 8:12] = 0
  return tokens_NxPxT


def triad_of(pitches) -> int:
  """The id of the triad that is most like some notes."""
  if not pitches:
    return 0
  best, most = 0, -1
  for above in range(12):
    for quality, third in enumerate((4, 3)):
      root = (min(pitches) + above) % 12
      found = sum((pitch - root) % 12 in (0, third, 7) for pitch in pitches)
      if found + 1.5 * (above == 0) > most:
        best, most = 1 + 12 * quality + root, found + 1.5 * (above == 0)
  return best


def test_a_chord_is_the_triad_with_most_of_the_notes():
  codec, tokens_NxPxT = OCTAVES.codec, random_rolls()
  found_NxL = np.asarray(chord.of_rolls(tokens_NxPxT, OCTAVES))
  for tokens_PxT, found_L in zip(tokens_NxPxT, found_NxL, strict=True):
    for bar, found in enumerate(found_L):
      is_note_PxS = codec.is_note(tokens_PxT[:, 4 * bar : 4 * bar + 4])
      assert found == triad_of([60 + row for row in np.nonzero(is_note_PxS)[0]])
  assert len(np.unique(found_NxL)) > 20 and np.any(found_NxL == 0)


def test_transposed_bars_have_transposed_chords():
  tokens_NxPxT = random_rolls(top=31)
  found_NxL = np.asarray(chord.of_rolls(tokens_NxPxT, OCTAVES))
  higher_NxL = np.asarray(chord.of_rolls(np.roll(tokens_NxPxT, 5, axis=1), OCTAVES))
  moved_NxL = 1 + 12 * ((found_NxL - 1) // 12) + (found_NxL - 1 + 5) % 12
  np.testing.assert_array_equal(higher_NxL, np.where(found_NxL > 0, moved_NxL, 0))


def test_pitches_see_a_chord_from_where_they_are():
  # Of C major and C minor: the root, the third of either, the octave above; nothing of none.
  for row, above in ((0, 0), (4, 4), (12, 0), (35, 11)):
    assert chord.seen_from(np.array([1, 13, 0]), row, OCTAVES).tolist() == [
      1 + above,
      13 + above,
      0,
    ]
  # From C, F is the fourth below it: 7 semitones above.
  assert chord.seen_from(np.array([6]), 0, OCTAVES).tolist() == [8]


def test_what_is_learned_in_one_key_holds_in_all():
  config = OCTAVES
  module = chord.Chord(config, 8, True, 3)
  rows, ids = np.arange(12, 20)[None], np.array([[3]])
  params = module.init(jax.random.key(0), ids, rows)
  params = models.shake(params)
  here, there = (module.apply(params, ids + up, rows + up) for up in (0, 2))
  for one, other in zip(here, there, strict=True):
    np.testing.assert_array_equal(one[:, :6], other[:, :6])  # of the same octave
    assert np.any(one[:, 1:] != one[:, :-1])


@pytest.mark.parametrize('generator', ['ar', 'mar'])
def test_every_patch_is_told_the_chord_of_its_bar(generator):
  config = models.tiny(PATCHES, ('ar', generator, 'ar', 'ar'), 4, repeats=3, chords=True)
  rng = np.random.default_rng(0)
  tokens_NxPxT = (rng.random((5, 4, 16)) < 0.15).astype(np.int32)
  region = whole_roll(models.as_crop(tokens_NxPxT, config.halo, config.codec), config)
  chord_NxL = np.asarray(region.chord_NxL)
  assert len(np.unique(chord_NxL)) > 3
  bar_C = [(n, bar) for n in range(5) for bar in range(4)]
  for index, level in enumerate(config.levels[:-1]):
    grid = make_grid(region.size, level.patch, level.scan)
    flat_C = np.arange(region.row_N.shape[0] * len(grid))
    if index:
      bar_C = [bar_C[n] for n in flat_C // len(grid)]
    cond_CxD = np.zeros((len(flat_C), 1))
    seen_NxQxW = region.canvas_NxQxW
    region = models.children_of(region, grid, seen_NxQxW, flat_C, cond_CxD, config, level)
    assert np.asarray(region.chord_NxL)[:, 0].tolist() == [chord_NxL[each] for each in bar_C]


def test_every_level_hears_the_chord():
  config = models.tiny(PATCHES, None, 4, repeats=3, chords=True)
  params = models.random_params(config)
  for index in range(4):
    region = models.random_region(config, index, num_steps=16)

    @jax.jit
    def logits(chord_NxL, region=region, index=index):
      told = region.replace(chord_NxL=chord_NxL)
      return Fractal(config).apply(params, index, told, told.canvas_NxQxW, method='predict')[0]

    plain, other = (logits(np.full_like(region.chord_NxL, one)) for one in (3, 17))
    assert np.all(np.any(np.asarray(plain != other).reshape(3, -1), axis=1))
