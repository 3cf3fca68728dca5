import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.masking import num_done, random_order, training_mask

NUM = 40


def masks(open_NxL, num=2000, **level):
  """Masks by `num` keys: bool (num, N, L)."""

  def draw(key):
    return training_mask(key, models.level((1, 1), 'mar', **level), open_NxL)

  return np.asarray(jax.vmap(draw)(jax.random.split(jax.random.key(0), num)))


@pytest.mark.parametrize('mask', ['uniform', 'normal'])
def test_masks_hide_at_least_one_open_patch_and_none_that_is_not_open(mask):
  open_NxL = np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 1], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
  mask_KxNxL = masks(open_NxL, mask=mask, mask_mean=0.5, mask_std=0.5)
  assert not np.any(mask_KxNxL & ~open_NxL)
  count_KxN = mask_KxNxL.sum(axis=2)
  assert np.all(count_KxN[:, :3] >= 1) and np.all(count_KxN[:, 3] == 0)
  # Every number from one to all of them comes up.
  for n, num_open in enumerate(open_NxL.sum(axis=1)[:3]):
    assert set(count_KxN[:, n]) == set(range(1, num_open + 1))


def test_uniform_masks_hide_every_number_of_patches_equally_often():
  count_K = masks(np.ones((1, 8), bool), 8000, mask='uniform').sum(axis=(1, 2))
  share_8 = np.bincount(count_K, minlength=9)[1:] / 8000
  np.testing.assert_allclose(share_8, 1 / 8, atol=4 * np.sqrt(1 / 8 / 8000))


@pytest.mark.parametrize('mask', ['uniform', 'normal'])
def test_every_open_patch_is_hidden_equally_often(mask):
  open_1xL = np.array([[1, 0, 1, 1, 1, 0, 1, 1]], bool)
  mask_KxL = masks(open_1xL, 8000, mask=mask, mask_mean=0.5)[:, 0]
  share_L = mask_KxL.mean(axis=0)[open_1xL[0]]
  np.testing.assert_allclose(share_L, share_L.mean(), atol=4 * 0.5 / np.sqrt(8000))


def test_normal_masks_are_the_left_half_of_the_bell_if_the_mean_is_one():
  ratio_K = masks(np.ones((1, NUM), bool), mask='normal', mask_mean=1.0).sum(axis=(1, 2)) / NUM
  # Mean and median of 1 - |N(0, 0.25)|; counts are rounded up, half a patch on average.
  mean, median = 1 - 0.25 * np.sqrt(2 / np.pi), 1 - 0.25 * 0.6745
  assert abs(ratio_K.mean() - 0.5 / NUM - mean) < 4 * 0.15 / np.sqrt(2000)
  assert abs(np.median(ratio_K) - median) < 1 / NUM + 0.02
  assert np.mean(ratio_K < 0.5) < 0.07  # two standard deviations, both tails


@pytest.mark.parametrize(('mean', 'hidden'), [(0.0, {1}), (0.51, {20, 21}), (1.0, {40})])
def test_narrow_normal_masks_hide_the_mean_share(mean, hidden):
  mask_Kx1xL = masks(np.ones((1, NUM), bool), 200, mask='normal', mask_mean=mean, mask_std=1e-4)
  assert set(mask_Kx1xL.sum(axis=(1, 2))) <= hidden


def test_random_order_ranks_open_patches_before_the_others():
  rng = np.random.default_rng(0)
  open_NxL = rng.random((50, 7)) < 0.6
  noise_NxL = rng.random((50, 7)).astype(np.float32)
  rank_NxL = np.asarray(random_order(noise_NxL, open_NxL))
  np.testing.assert_array_equal(np.sort(rank_NxL, axis=1), np.tile(np.arange(7), (50, 1)))
  for rank_L, open_L, noise_L in zip(rank_NxL, open_NxL, noise_NxL, strict=True):
    assert set(rank_L[open_L]) == set(range(open_L.sum()))
    # In the order of their noise.
    np.testing.assert_array_equal(np.argsort(noise_L[open_L]), np.argsort(rank_L[open_L]))


def schedule(num_iterations: int, num_patches) -> np.ndarray:
  """Patches known after each iteration: (iterations, N)."""
  num_N = jnp.asarray(num_patches)
  return np.stack([num_done(k, num_iterations, num_N) for k in range(num_iterations)])


@pytest.mark.parametrize('num_iterations', [1, 2, 3, 7, 16, 40])
def test_schedules_reach_every_patch_and_never_go_back(num_iterations):
  num_N = np.arange(41)
  done_KxN = schedule(num_iterations, num_N)
  np.testing.assert_array_equal(done_KxN[-1], num_N)
  step_KxN = np.diff(done_KxN, axis=0, prepend=0)
  assert np.all(step_KxN >= 0)
  # No iteration is idle while patches are left.
  left_KxN = num_N - done_KxN + step_KxN
  assert np.all((step_KxN > 0) | (left_KxN == 0))


def test_iterations_as_many_as_patches_or_more_do_one_patch_each():
  num_N = np.arange(17)
  expected_KxN = np.minimum(np.arange(1, 17)[:, None], num_N)
  np.testing.assert_array_equal(schedule(16, num_N), expected_KxN)


def test_schedule_is_the_cosine_of_maskgit():
  np.testing.assert_array_equal(schedule(4, [100])[:, 0], [8, 30, 62, 100])
  np.testing.assert_array_equal(schedule(2, [64])[:, 0], [19, 64])
  np.testing.assert_array_equal(schedule(5, [8])[:, 0], [1, 2, 4, 6, 8])
