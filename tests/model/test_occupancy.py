import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fractaljax.model.occupancy import gather, is_sounding, not_all_empty, occupied_logit

CHOSEN_M = np.array([0, 1, 1, 0, 1, 1, 0, 1, 1, 1], bool)


def test_sounding_is_neither_silent_nor_unknown_nor_outside():
  np.testing.assert_array_equal(is_sounding(np.arange(5), num_values=3), [0, 1, 1, 0, 0])


@pytest.mark.parametrize('seed', [None, 0, 1, 2])
def test_gather_packs_all_in_order_if_they_fit(seed):
  rng = None if seed is None else jax.random.key(seed)
  for capacity in (7, 9):
    gathered = gather(CHOSEN_M, capacity, rng)
    np.testing.assert_array_equal(gathered.flat_K[:7], [1, 2, 4, 5, 7, 8, 9])
    np.testing.assert_array_equal(gathered.weight_K, [1.0] * 7 + [0.0] * (capacity - 7))
    assert gathered.num_dropped == 0


def test_gather_without_chance_keeps_the_first():
  gathered = gather(CHOSEN_M, 3)
  np.testing.assert_array_equal(gathered.flat_K, [1, 2, 4])
  assert gathered.num_dropped == 4


@pytest.mark.parametrize('capacity', [1, 4, 6])
def test_overflow_keeps_a_random_subset_without_bias(capacity):
  keys_J = jax.random.split(jax.random.key(0), 8000)
  gathered = jax.vmap(lambda key: gather(CHOSEN_M, capacity, key))(keys_J)
  flat_JxK, weight_JxK = np.asarray(gathered.flat_K), np.asarray(gathered.weight_K)
  np.testing.assert_array_equal(gathered.num_dropped, 7 - capacity)
  assert np.all(CHOSEN_M[flat_JxK])
  assert all(len(set(flat_K)) == capacity for flat_K in flat_JxK[:100])
  np.testing.assert_allclose(weight_JxK, 7 / capacity, rtol=1e-6)
  # Mean weight of each: 1 if it is chosen.
  total_M = np.bincount(flat_JxK.ravel(), weights=weight_JxK.ravel(), minlength=10) / 8000
  error = 4 * 7 / capacity * 0.5 / np.sqrt(8000)
  np.testing.assert_allclose(total_M, CHOSEN_M, atol=error)


@pytest.mark.parametrize('rng', [None, 0])
def test_gather_of_none_uses_no_place(rng):
  rng = None if rng is None else jax.random.key(rng)
  gathered = gather(np.zeros(6, bool), 4, rng)
  assert not gathered.weight_K.any() and gathered.num_dropped == 0
  np.testing.assert_array_equal(gathered.flat_K, 0)


@pytest.mark.parametrize('chosen', [False, True])
def test_gather_of_one(chosen):
  gathered = gather(np.array([chosen]), 1)
  assert gathered.flat_K == 0 and gathered.weight_K == chosen and gathered.num_dropped == 0


def test_occupied_logit_is_the_log_odds_of_sound():
  logits_NxV = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
  silence_N = jax.nn.softmax(logits_NxV)[:, 0]
  np.testing.assert_allclose(
    jax.nn.sigmoid(occupied_logit(jnp.asarray(logits_NxV))), 1 - silence_N, rtol=1e-5
  )


def chain_probability(first_A, prob_A, member_A, bit_A):
  """Of a pattern, drawn in order: by `first` as long as all are empty, by `prob` after that."""
  total, any_yet = 1.0, False
  for first, prob, member, bit in zip(first_A, prob_A, member_A, bit_A, strict=True):
    used = prob if any_yet else first
    if member:
      total *= used if bit else 1 - used
    any_yet |= bool(bit and member)
  return total


@pytest.mark.parametrize('scale', [0.9, 0.05, 1e-4])
@pytest.mark.parametrize('member', [(1, 1, 1, 1), (0, 1, 0, 1), (1, 1, 0, 0), (0, 0, 1, 0)])
def test_a_group_that_cannot_be_empty_has_the_conditional_distribution(scale, member):
  member_A = np.array(member, bool)
  prob_A = (scale * np.random.default_rng(1).random(4)).astype(np.float32)
  first_A = np.asarray(not_all_empty(prob_A[None], member_A[None], np.array([True])))[0]
  free_A = prob_A.astype(np.float64)
  num = int(member_A.sum())
  any_free = -np.expm1(np.log1p(-free_A[member_A]).sum())
  total = 0.0
  for bits in itertools.product((False, True), repeat=num):
    bit_A = np.zeros(4, bool)
    bit_A[member_A] = bits
    got = chain_probability(first_A, prob_A, member_A, bit_A)
    if not any(bits):
      assert got == 0
      continue
    free = np.prod(np.where(bits, free_A[member_A], 1 - free_A[member_A]))
    np.testing.assert_allclose(got, free / any_free, rtol=2e-3 if scale < 1e-3 else 1e-4)
    total += got
  np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_a_group_that_can_be_empty_is_free():
  prob_NxA = np.random.default_rng(0).random((3, 4)).astype(np.float32)
  member_NxA = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]], bool)
  free_NxA = not_all_empty(prob_NxA, member_NxA, np.zeros(3, bool))
  np.testing.assert_array_equal(free_NxA, prob_NxA)


def test_certain_and_impossible_members_give_no_nan():
  prob_NxA = np.array([[0, 0, 0], [1, 0, 1], [1, 1, 1]], np.float32)
  first_NxA = np.asarray(not_all_empty(prob_NxA, np.ones((3, 3), bool), np.ones(3, bool)))
  np.testing.assert_allclose(first_NxA, [[0, 0, 1], [1, 0, 1], [1, 1, 1]], atol=1e-6)
