"""What a region is told of its surroundings."""

import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.echoes import ECHO_PITCHES, ECHO_STEPS, NUM_LIKENESSES, likeness
from fractaljax.model.patches import make_grid
from fractaljax.model.region import children, whole_roll

NUM_PITCHES, NUM_STEPS, ECHOES = 4, 8, (3, 5)


@pytest.mark.parametrize('patches', [((4, 2), (2, 1), (1, 1)), ((2, 2), (1, 2), (1, 1))])
@pytest.mark.parametrize('depth', [1, 2])
def test_echoes_are_what_was_there_so_many_steps_before(patches, depth):
  config = models.tiny(patches, num_pitches=NUM_PITCHES, codec='onset', halo=2, echoes=ECHOES)
  outside = config.codec.outside
  roll_PxT = np.random.default_rng(0).integers(0, outside - 1, (NUM_PITCHES, NUM_STEPS))
  region = whole_roll(models.as_crop(roll_PxT[None], config.halo, config.codec), config)
  corners = [(0, 0)]
  for level in config.levels[:depth]:
    region, grid = all_children(region, config, level)
    corners = [
      (row + int(r) * level.patch[0], col + int(c) * level.patch[1])
      for row, col in corners
      for r, c in zip(grid.row_L, grid.col_L, strict=True)
    ]
  far = max(ECHOES) + config.halo
  around = ((ECHO_PITCHES, ECHO_PITCHES), (far, ECHO_STEPS))
  wide_QxW = np.pad(roll_PxT, around, constant_values=outside)
  p, t = config.levels[depth - 1].patch
  for (row, col), echo_ExQxW in zip(corners, region.echo_NxExQxW, strict=True):
    for steps, echo_QxW in zip(ECHOES, echo_ExQxW, strict=True):
      first, last = col - steps - config.halo + far, col - steps + t + ECHO_STEPS + far
      there = wide_QxW[row : row + p + 2 * ECHO_PITCHES, first:last]
      np.testing.assert_array_equal(echo_QxW, there)


def repetitive_roll():
  roll_PxT = np.random.default_rng(1).integers(0, 3, (4, 24))
  roll_PxT[:, 14:18] = roll_PxT[:, 4:8]
  return roll_PxT


def all_children(region, config, level):
  """The patches of a level as regions, in order, and their grid."""
  grid = make_grid(region.size, level.patch, level.scan)
  flat_C = jnp.arange(len(region.row_N) * len(grid))
  cond_Cx1 = jnp.zeros((len(flat_C), 1))
  return children(region, grid, region.canvas_NxQxW, flat_C, cond_Cx1, config, level), grid


def first_patches(roll_PxT, config):
  """The patches of the first level as regions, in order."""
  region = whole_roll(models.as_crop(roll_PxT[None], config.halo, config.codec), config)
  return all_children(region, config, config.levels[0])[0]


def test_matches_are_what_followed_the_halos_most_like_a_patchs_own():
  config = models.tiny(((4, 2), (1, 1)), num_pitches=4, codec='onset', halo=3, matches=2)
  outside, roll_PxT = config.codec.outside, repetitive_roll()
  region = first_patches(roll_PxT, config)
  far = 6
  around = ((ECHO_PITCHES, ECHO_PITCHES), (far, 0))
  wide_QxW = np.pad(roll_PxT, around, constant_values=outside)
  sounds_PxW = np.pad(roll_PxT > 0, ((0, 0), (config.halo, 0)))
  before = [sounds_PxW[:, col : col + config.halo] for col in range(0, 24, 2)]
  for i, echo_ExQxW in enumerate(region.echo_NxExQxW):
    # Those that have ended a step before, so that the step after them is known, too.
    differ = [(before[i] != before[j]).sum(axis=0) @ [1, 1, 3] for j in range(i)]
    unlike = sorted((differ[j], i - j) for j in range(i - 1))
    for e, echo_QxW in enumerate(echo_ExQxW):
      there = np.full((8, 6), outside)
      if e < len(unlike):
        first = 2 * (i - unlike[e][1]) + far
        there = wide_QxW[:, first - 3 : first + 3]
      np.testing.assert_array_equal(echo_QxW, there)
  np.testing.assert_array_equal(
    region.echo_NxExQxW[8, 0, ECHO_PITCHES:-ECHO_PITCHES, 3:5], roll_PxT[:, 6:8]
  )


def test_what_a_mar_level_hides_is_no_match():
  config = models.tiny(((4, 2), (1, 1)), ('mar', 'ar'), 4, 'onset', halo=2, matches=1)
  roll_PxT = np.zeros((4, 14), np.int32)
  roll_PxT[0, 10:12] = 2
  # What is known of the past is less like it than silence, and silence is before the song.
  roll_PxT[1:3, :4] = 2
  roll_PxT[:, 4:10] = config.codec.unknown
  region = first_patches(roll_PxT, config)
  np.testing.assert_array_equal(region.echo_NxExQxW[6, 0, 2:-2, 2:4], roll_PxT[:, :2])


@pytest.mark.parametrize('depth', [1, 2])
def test_likeness_is_the_weighed_overlap_of_what_was_before(depth):
  patches = ((4, 2), (2, 1), (1, 1))
  config = models.tiny(patches, num_pitches=4, codec='onset', halo=3, echoes=(5, 10))
  roll_PxT, seen = repetitive_roll(), set()
  region, corners = first_patches(roll_PxT, config), [(0, col) for col in range(0, 24, 2)]
  if depth == 2:
    region, _ = all_children(region, config, config.levels[1])
    corners = [(row, col + c) for _, col in corners for c in (0, 1) for row in (0, 2)]
  pitches, far = region.size[0], 13
  sounds_PxW = np.pad(roll_PxT > 0, ((0, 0), (far, 0)))
  id_NxE = likeness(region.before_NxPxH, region.echo_NxExQxW, config.codec.num_values)
  for (row, col), id_E in zip(corners, id_NxE, strict=True):
    before = [
      sounds_PxW[row : row + pitches, far + col - s - 3 : far + col - s] for s in (0, 5, 10)
    ]
    for then_PxH, id_1 in zip(before[1:], id_E, strict=True):
      both, here, then = (
        x.sum(axis=0) @ [1, 1, 3] for x in (before[0] & then_PxH, before[0], then_PxH)
      )
      assert id_1 == (16 * both // (here + then) if here + then else NUM_LIKENESSES - 1)
      seen.add(int(id_1))
  assert {0, 8, NUM_LIKENESSES - 1} < seen
