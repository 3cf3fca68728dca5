"""What of an echo is due: the notes that keep to what was said, and what share of those left."""

import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model import density, due, repeat, returns
from fractaljax.model.region import whole_roll

EDGES = (0, *returns.EDGES, 9)
PATCHES = ((4, 4), (4, 1), (2, 1), (1, 1))
CONFIG = models.tiny(PATCHES, None, 4, 'onset', repeats=2, echoes=(8, 12),
                     densities=(1, 3, 6), returns=True)  # fmt: skip


def test_the_middle_of_a_density_is_that_of_its_counts():
  config = models.tiny(densities=(1, 9, 13, 17), repeats=1)
  # No note; 1 to 8; 9 to 12; 13 to 16; and as if it were 17 to 20.
  assert density.middles(config) == [0, 4, 10, 14, 18]
  assert density.middles(models.tiny(densities=(5,), repeats=1)) == [2, 7]


@pytest.mark.parametrize('has_density', [True, False])
def test_notes_due_are_all_counts_in_common_that_have_the_eighths_that_are_said(has_density):
  config = CONFIG if has_density else models.tiny(PATCHES, None, 4, repeats=2)
  for least, end in zip(EDGES, EDGES[1:], strict=False):
    for held, bin_ in np.ndindex(12, 4 if has_density else 1):
      here = density.middles(config)[bin_] if has_density else held
      density_N = np.array([bin_]) if has_density else None
      said = (np.full((1, 1), x) for x in (least, end, held))
      fewest, most, of = np.asarray(due.notes_due(*said, density_N, config))[0, 0]
      counts = range((here + held) // 2 + 1)
      wanted = [b for b in counts if least <= 8 * b // max(here + held - b, 1) < end]
      if wanted and here + held:
        assert (fewest, most) == (min(wanted), max(wanted)) or end == 9 and fewest == min(wanted)
      assert of == held


def test_the_share_is_of_what_is_left():
  def share(fewest, most, held, again=0, missed=0):
    id_ = int(due.ids(np.array([fewest, most, held]), again, missed))
    return None if id_ == 0 else (id_ - 1) / due.NUM_SHARES

  assert share(2, 4, 6) == 0.5
  assert share(2, 4, 6, again=2) == 0.25
  assert share(2, 4, 6, again=4) == 0  # as many as may
  assert share(2, 4, 6, missed=4) == 1  # both that are left must
  assert share(3, 4, 6, missed=4) == 1  # and would not do
  assert share(0, 1, 6, missed=5) == 0.5  # the last one may
  assert share(2, 4, 6, again=3, missed=3) is None  # nothing left
  assert share(0, 0, 0) is None  # nothing said
  shares = [share(fewest, fewest, 12) for fewest in range(13)]
  assert shares == sorted(shares) and len(set(shares)) == 13


def test_without_returns_only_what_is_repeated_is_due():
  config = models.tiny(PATCHES, None, 4, repeats=2, echoes=(8, 12), matches=1)
  roll_1xPxT = np.ones((1, 4, 24), np.int32)
  region = whole_roll(models.as_crop(roll_1xPxT, config.halo, config.codec), config)
  region, _ = models.all_children(region, config, config.levels[0])
  due_LxEx3 = np.asarray(region.memory.due_NxEx3)
  assert not due_LxEx3[:, [0, 1, 3]].any()
  # All sixteen notes of the bar before, from the second bar on; the first has none to repeat.
  assert due_LxEx3[1:, 2].tolist() == [[16, 16, 16]] * 5 and due_LxEx3[0, 2, 2] == 0


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
  wanted_LxEx3 = np.zeros((6, 3, 3), int)
  for bar in range(6):
    eighths = int(repeat.eighths_of(repeat_L[bar]))
    said = [(e + 2, EDGES[b], EDGES[b + 1]) for e, b in enumerate(return_LxE[bar])]
    said.append((int(repeat.lag_of(repeat_L[bar])), eighths, eighths + 1))
    for e, (lag, least, end) in enumerate(said):
      held = count_L[bar - lag] if 0 < lag <= bar else 0
      one = (np.full((1, 1), x) for x in (least, end, held))
      wanted_LxEx3[bar, e] = due.notes_due(*one, density_L[bar : bar + 1], CONFIG)[0, 0]
  for level in CONFIG.levels[:-1]:
    region, _ = models.all_children(region, CONFIG, level)
    num = len(region.row_N) // 6
    np.testing.assert_array_equal(region.memory.due_NxEx3, np.repeat(wanted_LxEx3, num, axis=0))
  assert num == 8 and wanted_LxEx3.any(axis=0).all()
