"""What of an echo is due: the notes that keep to what was said, and what share of those left."""

import jax.numpy as jnp
import numpy as np

import models
from fractaljax.model import due, repeat, returns
from fractaljax.model.region import whole_roll

PATCHES = ((4, 4), (4, 1), (2, 1), (1, 1))
CONFIG = models.tiny(PATCHES, None, 4, 'onset', repeats=2, echoes=(8, 12),
                     densities=(1, 3, 6), returns=True)  # fmt: skip


def share(said, added=0, again=0, missed=0):
  id_ = int(due.ids(np.array(said), again, added, missed))
  return None if id_ == 0 else (id_ - 1) / due.NUM_SHARES


def test_what_is_due_is_the_eighths_the_notes_there_and_those_here_by_their_density():
  eighths_NxS, held_NxS = np.array([[3, 8], [0, 5]]), np.array([[7, 2], [9, 0]])
  found_NxSx4 = np.asarray(due.of_bars(eighths_NxS, held_NxS, np.array([1, 3]), CONFIG))
  # One or two notes; from six on, all sixteen cells.
  wanted = [[[3, 7, 1, 2], [8, 2, 1, 2]], [[0, 9, 6, 16], [5, 0, 6, 16]]]
  np.testing.assert_array_equal(found_NxSx4, wanted)
  unsaid = models.tiny(PATCHES, None, 4, 'onset', repeats=2)
  found_NxSx4 = np.asarray(due.of_bars(eighths_NxS, held_NxS, None, unsaid))
  assert np.all(found_NxSx4[..., 2:] == [0, 16])


def test_so_many_come_again_as_bars_have_that_are_as_was_said():
  said = [
    (eighths, held, least, least + more, added)
    for eighths, held, least, more, added in np.ndindex(9, 10, 10, 4, 5)
  ]
  fewest_M, most_M = due.range_of(np.array(said)[:, :4], np.array(said)[:, 4])
  num_exact = num_possible = 0
  for (eighths, held, least, full, added), fewest, most in zip(said, fewest_M, most_M, strict=True):
    counts = [
      both
      for both in range(held + 1)
      for here in range(max(least, both + added), full + 1)
      if 8 * both // max(here + held - both, 1) == eighths
    ]
    if counts and held:
      assert fewest <= min(counts) and max(counts) <= most
      num_exact += (fewest, min(most, held)) == (min(counts), max(counts))
      num_possible += 1
  # Between two counts of notes the eighths may leap.
  assert num_exact > 0.9 * num_possible > 1_000


def test_the_share_is_of_what_is_left():
  # Three eighths of eight notes there and eight here: five in both.
  said = 3, 8, 8, 8
  assert share(said) == 5 / 8
  assert share(said, again=2) == 3 / 6
  assert share(said, again=5) == 0  # as many as may
  assert share(said, missed=3) == 1  # all that are left must
  assert share(said, missed=4) == 1  # and would not do
  assert share(said, again=5, missed=3) is None  # nothing left
  assert share((0, 0, 0, 0)) is None  # nothing said
  # No eighth, which may be one note of eight; half of it, of one that is left.
  assert share((0, 8, 8, 8), missed=7) == 0.5
  # All, whatever the density says; half of those here and there, which the notes added are not in.
  assert share((8, 6, 4, 9)) == 1
  assert share((4, 6, 1, 20), added=6) == 1
  shares = [share((eighths, 12, 12, 12)) for eighths in range(9)]
  assert shares == sorted(shares) and len(set(shares)) == 9


def test_without_returns_only_what_is_repeated_is_due():
  config = models.tiny(PATCHES, None, 4, repeats=2, echoes=(8, 12), matches=1)
  roll_1xPxT = np.ones((1, 4, 24), np.int32)
  region = whole_roll(models.as_crop(roll_1xPxT, config.halo, config.codec), config)
  region, _ = models.all_children(region, config, config.levels[0])
  due_LxEx4 = np.asarray(region.memory.due_NxEx4)
  assert not due_LxEx4[:, [0, 1, 3]].any()
  # All sixteen notes of the bar before, from the second bar on; the first has none to repeat.
  assert due_LxEx4[1:, 2].tolist() == [[8, 16, 0, 16]] * 5 and due_LxEx4[0, 2, 1] == 0


def test_every_region_of_a_bar_is_told_what_is_due_in_it():
  rng = np.random.default_rng(0)
  roll_PxT = rng.integers(0, 5, (4, 24)) * (rng.random((4, 24)) < 0.5)
  region = whole_roll(models.as_crop(roll_PxT[None], CONFIG.halo, CONFIG.codec), CONFIG)
  repeat_L = np.array([0, 0, 0, repeat.id_of(1, 5), repeat.id_of(2, 8), 0])
  return_LxE = np.array([[0, 0], [3, 0], [1, 2], [4, 0], [2, 4], [0, 1]])
  density_L = np.array([0, 1, 2, 3, 2, 1])
  region = region.replace(
    repeat_NxL=jnp.asarray(repeat_L)[None],
    return_NxL=jnp.asarray(returns.id_of(return_LxE))[None],
    density_NxL=jnp.asarray(density_L)[None],
  )
  is_note_PxT = np.asarray(CONFIG.codec.is_note(roll_PxT))
  count_L = is_note_PxT.reshape(4, 6, 4).sum(axis=(0, 2))
  wanted_LxEx4 = np.zeros((6, 3, 4), int)
  for bar in range(6):
    said = [(e + 2, eighths) for e, eighths in enumerate(return_LxE[bar])]
    said.append((int(repeat.lag_of(repeat_L[bar])), int(repeat.eighths_of(repeat_L[bar]))))
    for e, (lag, eighths) in enumerate(said):
      held = count_L[bar - lag] if 0 < lag <= bar else 0
      one = (np.full((1, 1), x) for x in (eighths, held))
      wanted_LxEx4[bar, e] = due.of_bars(*one, density_L[bar : bar + 1], CONFIG)[0, 0]
  for level in CONFIG.levels[:-1]:
    region, _ = models.all_children(region, CONFIG, level)
    num = len(region.row_N) // 6
    np.testing.assert_array_equal(region.memory.due_NxEx4, np.repeat(wanted_LxEx4, num, axis=0))
  assert num == 8 and wanted_LxEx4.any(axis=0).all()
