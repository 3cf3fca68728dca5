"""What a region is told of its surroundings."""

import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.patches import make_grid
from fractaljax.model.region import ECHO_PITCHES, ECHO_STEPS, children, whole_roll

PATCHES, NUM_PITCHES, NUM_STEPS, ECHOES = ((4, 2), (2, 1), (1, 1)), 4, 8, (3, 5)


@pytest.mark.parametrize('depth', [1, 2])
def test_echoes_are_what_was_there_so_many_steps_before(depth):
  config = models.tiny(PATCHES, num_pitches=NUM_PITCHES, codec='onset', halo=2, echoes=ECHOES)
  outside = config.codec.outside
  roll_PxT = np.random.default_rng(0).integers(0, outside - 1, (NUM_PITCHES, NUM_STEPS))
  region = whole_roll(models.as_crop(roll_PxT[None], config.halo, config.codec), config)
  corners = [(0, 0)]
  for level in config.levels[:depth]:
    grid = make_grid(region.size, level.patch, level.scan)
    flat_C = jnp.arange(len(grid) * len(corners))
    region = children(
      region, grid, region.canvas_NxQxW, flat_C, jnp.zeros((len(flat_C), 1)), config, level
    )
    corners = [
      (row + int(r) * level.patch[0], col + int(c) * level.patch[1])
      for row, col in corners
      for r, c in zip(grid.row_L, grid.col_L, strict=True)
    ]
  far = max(ECHOES) + ECHO_STEPS
  around = ((ECHO_PITCHES, ECHO_PITCHES), (far, ECHO_STEPS))
  wide_QxW = np.pad(roll_PxT, around, constant_values=outside)
  p, t = config.levels[depth - 1].patch
  for (row, col), echo_ExQxW in zip(corners, region.echo_NxExQxW, strict=True):
    for steps, echo_QxW in zip(ECHOES, echo_ExQxW, strict=True):
      first = col - steps - ECHO_STEPS + far
      there = wide_QxW[row : row + p + 2 * ECHO_PITCHES, first : first + t + 2 * ECHO_STEPS]
      np.testing.assert_array_equal(echo_QxW, there)


def test_matches_are_what_followed_the_halos_most_like_a_patchs_own():
  config = models.tiny(((4, 2), (1, 1)), num_pitches=4, codec='onset', halo=3, matches=2)
  level, outside = config.levels[0], config.codec.outside
  roll_PxT = np.random.default_rng(1).integers(0, 3, (4, 24))
  roll_PxT[:, 14:18] = roll_PxT[:, 4:8]
  crop = models.as_crop(roll_PxT[None], config.halo, config.codec)
  region = whole_roll(crop, config)
  grid = make_grid(region.size, level.patch, level.scan)
  flat_C, cond_Cx1 = jnp.arange(len(grid)), jnp.zeros((len(grid), 1))
  region = children(region, grid, region.canvas_NxQxW, flat_C, cond_Cx1, config, level)
  far = 4
  around = ((ECHO_PITCHES, ECHO_PITCHES), (far, 0))
  wide_QxW = np.pad(roll_PxT, around, constant_values=outside)
  sounds_PxW = np.pad(roll_PxT > 0, ((0, 0), (config.halo, 0)))
  before = [sounds_PxW[:, col : col + config.halo] for col in range(0, 24, 2)]
  for i, echo_ExQxW in enumerate(region.echo_NxExQxW):
    # Those that have ended a step before, so that the step after them is known, too.
    differ = [(before[i] != before[j]).sum(axis=0) @ [1, 1, 3] for j in range(i)]
    unlike = sorted((differ[j], i - j) for j in range(i - 1))
    for e, echo_QxW in enumerate(echo_ExQxW):
      there = np.full((8, 4), outside)
      if e < len(unlike):
        first = 2 * (i - unlike[e][1]) - ECHO_STEPS + far
        there = wide_QxW[:, first : first + 4]
      np.testing.assert_array_equal(echo_QxW, there)
  np.testing.assert_array_equal(
    region.echo_NxExQxW[8, 0, ECHO_PITCHES:-ECHO_PITCHES, ECHO_STEPS:-ECHO_STEPS], roll_PxT[:, 6:8]
  )
