"""What a region is told of its surroundings."""

import itertools

import numpy as np
import pytest

import models
from fractaljax.model.echoes import ECHO_PITCHES, ECHO_STEPS
from fractaljax.model.matches import EQUAL_NOTE
from fractaljax.model.region import whole_roll
from fractaljax.model.trust import NUM_LIKENESSES
from fractaljax.music.codec import FIRST_ONSET

NUM_PITCHES, NUM_STEPS, ECHOES = 4, 8, (3, 5)
SILENT = NUM_LIKENESSES - 1


@pytest.mark.parametrize('patches', [((4, 2), (2, 1), (1, 1)), ((2, 2), (1, 2), (1, 1))])
@pytest.mark.parametrize('depth', [1, 2])
def test_echoes_are_what_was_there_so_many_steps_before(patches, depth):
  config = models.tiny(patches, num_pitches=NUM_PITCHES, codec='onset', halo=2, echoes=ECHOES)
  outside = config.codec.outside
  roll_PxT = np.random.default_rng(0).integers(0, outside - 1, (NUM_PITCHES, NUM_STEPS))
  region = whole_roll(models.as_crop(roll_PxT[None], config.halo, config.codec), config)
  corners = [(0, 0)]
  for level in config.levels[:depth]:
    region, grid = models.all_children(region, config, level)
    corners = [
      (row + int(r) * level.patch[0], col + int(c) * level.patch[1])
      for row, col in corners
      for r, c in zip(grid.row_L, grid.col_L, strict=True)
    ]
  far = max(ECHOES) + config.halo
  around = ((ECHO_PITCHES, ECHO_PITCHES), (far, ECHO_STEPS))
  wide_QxW = np.pad(roll_PxT, around, constant_values=outside)
  p, t = config.levels[depth - 1].patch
  for (row, col), echo_ExQxW in zip(corners, region.memory.echo_NxExQxW, strict=True):
    for steps, echo_QxW in zip(ECHOES, echo_ExQxW, strict=True):
      first, last = col - steps - config.halo + far, col - steps + t + ECHO_STEPS + far
      there = wide_QxW[row : row + p + 2 * ECHO_PITCHES, first:last]
      np.testing.assert_array_equal(echo_QxW, there)


def repetitive_roll(num_values=3):
  roll_PxT = np.random.default_rng(1).integers(0, num_values, (4, 24))
  roll_PxT[:, 14:18] = roll_PxT[:, 4:8]
  return roll_PxT


def first_patches(roll_PxT, config):
  """The patches of the first level as regions, in order."""
  region = whole_roll(models.as_crop(roll_PxT[None], config.halo, config.codec), config)
  return models.all_children(region, config, config.levels[0])[0]


@pytest.mark.parametrize(
  'patches', [((4, 2), (1, 1)), ((4, 4), (4, 1), (1, 1)), ((4, 4), (4, 2), (4, 1), (1, 1))]
)
def test_matches_are_what_followed_the_halos_most_like_a_patchs_own(patches):
  config = models.tiny(patches, num_pitches=4, codec='onset', halo=3, echoes=(9,), matches=2)
  outside, roll_PxT = config.codec.outside, repetitive_roll()
  region = whole_roll(models.as_crop(roll_PxT[None], config.halo, config.codec), config)
  for level in config.levels[:-1]:
    region, _ = models.all_children(region, config, level)
  every, (_, t) = patches[0][1], patches[-2]
  assert len(region.memory.echo_NxExQxW) == 24 // t
  far, lags = 6, set()
  around = ((ECHO_PITCHES, ECHO_PITCHES), (far, 0))
  wide_QxW = np.pad(roll_PxT, around, constant_values=outside)
  halos = [wide_QxW[2:-2, col + 3 : col + far] for col in range(24)]
  for col, echo_ExQxW in zip(range(0, 24, t), region.memory.echo_NxExQxW, strict=True):
    # Those that have ended a step before, so that the step after them is known, too.
    earlier = range(col - 2 * every, -1, -every)
    best = sorted((unlikeness(halos[col], halos[then]), col - then) for then in earlier)
    for e, echo_QxW in enumerate(echo_ExQxW[1:]):
      there = np.full((8, 4 + t), outside)
      if e < len(best):
        first = col - best[e][1] + far
        there = wide_QxW[:, first - 3 : first + t + 1]
        lags.add(best[e][1])
      np.testing.assert_array_equal(echo_QxW, there)
    np.testing.assert_array_equal(region.col_N[col // t], col)
  assert len(lags) > 3


def unlikeness(here_PxH, then_PxH):
  """What makes the one halo no match for the other: cells that sound unlike, notes unequal."""
  sounds_here_PxH, sounds_then_PxH = ((x > 0) & (x < 34) for x in (here_PxH, then_PxH))
  unlike_PxH = 2 * (sounds_here_PxH != sounds_then_PxH).astype(int)
  unlike_PxH -= EQUAL_NOTE * ((here_PxH == then_PxH) & sounds_here_PxH & (here_PxH >= FIRST_ONSET))
  return unlike_PxH.sum(axis=0) @ [1, 1, 3]


def test_notes_of_equal_velocity_make_a_better_match():
  config = models.tiny(((4, 2), (1, 1)), num_pitches=4, codec='onset', halo=2, matches=1)
  roll_PxT = np.zeros((4, 14), np.int32)
  for col, velocity in ((0, 9), (4, 20), (10, 9)):
    roll_PxT[1, col : col + 2] = FIRST_ONSET + velocity, 1
  roll_PxT[2, 2], roll_PxT[3, 6] = 2, 2  # what followed
  region = first_patches(roll_PxT, config)
  np.testing.assert_array_equal(region.memory.echo_NxExQxW[6, 0, 2:-2, 2:4], roll_PxT[:, 2:4])


def test_what_a_mar_level_hides_is_no_match():
  config = models.tiny(((4, 2), (1, 1)), ('mar', 'ar'), 4, 'onset', halo=2, matches=1)
  roll_PxT = np.zeros((4, 14), np.int32)
  roll_PxT[0, 10:12] = 2
  # What is known of the past is less like it than silence, and silence is before the song.
  roll_PxT[1:3, :4] = 2
  roll_PxT[:, 4:10] = config.codec.unknown
  region = first_patches(roll_PxT, config)
  np.testing.assert_array_equal(region.memory.echo_NxExQxW[6, 0, 2:-2, 2:4], roll_PxT[:, :2])


@pytest.mark.parametrize('codec', ['onset', 'binary'])
@pytest.mark.parametrize('depth', [1, 2])
def test_trust_is_the_weighted_overlap_of_what_was_before(depth, codec):
  patches = ((4, 2), (2, 1), (1, 1))
  config = models.tiny(patches, num_pitches=4, codec=codec, halo=3, echoes=(5, 10))
  first_note = FIRST_ONSET if codec == 'onset' else 1
  roll_PxT, seen = repetitive_roll(4 if codec == 'onset' else 2), set()
  has_asked = False
  roll_PxT[2:, 8:14] = roll_PxT[2:, 18:] = 0  # There the lower rows alone can tell.
  region, corners = first_patches(roll_PxT, config), [(0, col) for col in range(0, 24, 2)]
  if depth == 2:
    region, _ = models.all_children(region, config, config.levels[1])
    corners = [(row, col + c) for _, col in corners for c in (0, 1) for row in (0, 2)]

  for (row, col), id_E in zip(corners, region.memory.trust_NxE, strict=True):
    for steps, id_1 in zip((5, 10), id_E, strict=True):
      like, equal = in_eighths(roll_PxT, row, col, region.size[0], steps, first_note)
      if depth == 2 and equal == SILENT:
        _, equal = in_eighths(roll_PxT, 0, col // 2 * 2, 4, steps, first_note)
        has_asked |= equal != SILENT
      assert divmod(int(id_1), NUM_LIKENESSES) == (like, equal)
      seen.add((like, equal))
  likes, equals = (set(x) for x in zip(*seen, strict=True))
  assert {0, 8, SILENT} <= likes and {0, 8, SILENT} <= equals
  assert has_asked == (depth == 2)
  assert codec == 'binary' or any(like > equal for like, equal in seen)


@pytest.mark.parametrize('patches', [((4, 4), (4, 1), (2, 1), (1, 1)), ((4, 2), (2, 2), (1, 1))])
@pytest.mark.parametrize('codec', ['onset', 'binary'])
def test_notes_below_at_the_same_steps_are_counted_by_whether_they_came_again(patches, codec):
  config = models.tiny(patches, num_pitches=4, codec=codec, echoes=(5, 10))
  first_note = FIRST_ONSET if codec == 'onset' else 1
  roll_PxT = repetitive_roll(5 if codec == 'onset' else 2)
  roll_PxT[0, 16:18], roll_PxT[1, 20:] = first_note, config.codec.unknown
  roll_PxT[:2, 6:8] = roll_PxT[:2, 16:18]
  region = first_patches(roll_PxT, config)
  # Of each region its corner, and the lowest row that is counted.
  places = [(0, col, 0) for col in range(0, 24, patches[0][1])]
  for level in config.levels[1:]:
    region, grid = models.all_children(region, config, level)
    places = [
      (row + int(r) * grid.patch[0], col + int(c) * grid.patch[1], low if grid.cols == 1 else row)
      for row, col, low in places
      for r, c in zip(grid.row_L, grid.col_L, strict=True)
    ]
    wanted_CxEx4 = [
      [compared(roll_PxT[low:row], col, grid.patch[1], age, config.codec) for age in (5, 10)]
      for row, col, low in places
    ]
    np.testing.assert_array_equal(region.memory.below_NxEx4, wanted_CxEx4)
  assert region.memory.below_NxEx4.any(axis=0).all(axis=0).tolist() == [
    True,
    codec == 'onset',
    True,
    True,
  ]


@pytest.mark.parametrize('halo', [2, 3, 6])
def test_notes_of_the_bar_so_far_are_counted_by_whether_they_came_again(halo):
  patches = ((4, 4), (4, 1), (2, 1), (1, 1))
  config = models.tiny(patches, num_pitches=4, codec='onset', halo=halo, echoes=(5, 10))
  roll_PxT = repetitive_roll(5)
  roll_PxT[1, 20:] = config.codec.unknown
  region = first_patches(roll_PxT, config)
  assert not region.memory.so_far_NxEx4.any()
  region, _ = models.all_children(region, config, config.levels[1])
  wanted_TxEx4 = np.zeros((24, 2, 4), int)
  for col, (e, age) in itertools.product(range(24), enumerate((5, 10))):
    first = max(col // 4 * 4, col - halo)
    wanted_TxEx4[col, e] = compared(roll_PxT, first, col - first, age, config.codec)
  np.testing.assert_array_equal(region.memory.so_far_NxEx4, wanted_TxEx4)
  assert (wanted_TxEx4.max(axis=0) > 1).all()
  # The patches of a step know what the step knows.
  region, _ = models.all_children(region, config, config.levels[2])
  np.testing.assert_array_equal(region.memory.so_far_NxEx4, np.repeat(wanted_TxEx4, 2, axis=0))


def compared(roll_RxT, col, num_steps, age, codec):
  """Notes of these rows and steps equal to those so much earlier, similar, added, missed."""
  now_RxT, then_RxT = (
    np.pad(roll_RxT, ((0, 0), (10, 0)))[:, first : first + num_steps]
    for first in (10 + col, 10 + col - age)
  )
  is_now_RxT, is_then_RxT = (codec.is_note(x) for x in (now_RxT, then_RxT))
  is_both_RxT, is_same_RxT = is_now_RxT & is_then_RxT, now_RxT == then_RxT
  is_missed_RxT = is_then_RxT & ~is_now_RxT & (now_RxT != codec.unknown)
  each = is_both_RxT & is_same_RxT, is_both_RxT & ~is_same_RxT, is_now_RxT & ~is_then_RxT
  return [x.sum() for x in (*each, is_missed_RxT)]


def in_eighths(roll_PxT, row, col, pitches, steps, first_note):
  """How alike in sound, and how equal in notes, 3 steps are to those `steps` before them."""
  here_PxH, then_PxH = (
    np.pad(roll_PxT, ((0, 0), (13, 0)))[row : row + pitches, first : first + 3]
    for first in (col + 10, col + 10 - steps)
  )
  found = []
  for first, same_PxH in ((1, True), (first_note, here_PxH == then_PxH)):
    is_here_PxH, is_then_PxH = here_PxH >= first, then_PxH >= first
    both, here, then = (
      x_PxH.sum(axis=0) @ [1, 1, 3]
      for x_PxH in (is_here_PxH & is_then_PxH & same_PxH, is_here_PxH, is_then_PxH)
    )
    found.append(16 * both // (here + then) if here + then else SILENT)
  return tuple(found)
