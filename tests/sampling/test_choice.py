import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fractaljax.model.occupancy import occupied_logit
from fractaljax.sampling.choice import (
  Gates,
  choose_occupied,
  choose_value,
  gate_logp,
  nucleus,
  temper,
  value_logp,
)

# Probabilities of four values, in no order.
PROBS_V = np.array([0.15, 0.5, 0.05, 0.3], np.float32)


def test_temperature_divides_and_zero_leaves_the_largest():
  logits_V = jnp.log(PROBS_V)
  np.testing.assert_allclose(temper(logits_V, 2.0), logits_V / 2, rtol=1e-6)
  np.testing.assert_array_equal(temper(logits_V, 1.0), logits_V)
  np.testing.assert_array_equal(jax.nn.softmax(temper(logits_V, 0.0)), [0, 1, 0, 0])


@pytest.mark.parametrize(
  ('top_p', 'kept'),
  [(1e-6, [1]), (0.49, [1]), (0.51, [1, 3]), (0.79, [1, 3]), (0.81, [0, 1, 3]), (1.0, range(4))],
)
def test_nucleus_keeps_the_smallest_set_with_the_probability(top_p, kept):
  got_V = np.asarray(jax.nn.softmax(nucleus(jnp.log(PROBS_V) + 3.0, top_p)))
  expected_V = np.where(np.isin(np.arange(4), kept), PROBS_V, 0)
  np.testing.assert_allclose(got_V, expected_V / expected_V.sum(), rtol=1e-5)


def test_nucleus_of_everything_changes_nothing():
  logits_NxV = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
  np.testing.assert_array_equal(nucleus(jnp.asarray(logits_NxV), 1.0), logits_NxV)


def test_a_cell_that_must_sound_keeps_its_probabilities_outside_the_nucleus():
  lowered_V = nucleus(jnp.array([9.0, 1.0, 3.0, -1.0]), 0.5)
  np.testing.assert_allclose(
    jax.nn.softmax(lowered_V[1:]), jax.nn.softmax(jnp.array([1.0, 3.0, -1.0])), rtol=1e-2
  )


def test_nucleus_of_nothing_is_greedy():
  assert jax.nn.softmax(nucleus(jnp.log(PROBS_V), 0.0))[1] == 1


def test_values_have_their_probabilities_by_the_inverse_of_the_distribution_function():
  num = 20000
  uniform_Nx1 = ((np.arange(num) + 0.5) / num).astype(np.float32)[:, None]
  logits_Nx1xV = jnp.broadcast_to(jnp.log(PROBS_V), (num, 1, 4))
  free_N = np.zeros(num, bool)
  gates = choose_occupied(occupied_logit(logits_Nx1xV), uniform_Nx1, ~free_N[:, None], free_N)
  value_N = np.asarray(choose_value(logits_Nx1xV, gates, uniform_Nx1))[:, 0]
  np.testing.assert_allclose(np.bincount(value_N, minlength=4) / num, PROBS_V, atol=2 / num)
  # A forced cell is never silent, and its values keep their proportions.
  gates = choose_occupied(occupied_logit(logits_Nx1xV), uniform_Nx1, ~free_N[:, None], ~free_N)
  value_N = np.asarray(choose_value(logits_Nx1xV, gates, uniform_Nx1))[:, 0]
  share_V = np.bincount(value_N, minlength=4) / num
  np.testing.assert_allclose(share_V, [0, *PROBS_V[1:] / PROBS_V[1:].sum()], atol=2 / num)


def test_values_of_the_largest_uniform_number_are_values():
  logits_1x1xV = jnp.array([[[-50.0, 0.0, 0.0, -50.0]]])
  one_1x1 = jnp.full((1, 1), np.float32(1 - 2**-24))
  gates = Gates(jnp.ones((1, 1), bool), one_1x1)
  assert 1 <= choose_value(logits_1x1xV, gates, one_1x1)[0, 0] <= 3


@pytest.mark.parametrize('must', [False, True])
@pytest.mark.parametrize('member', [(1, 1, 1), (1, 0, 1), (0, 1, 0)])
def test_occupied_patterns_have_the_conditional_probability(must, member):
  num = 40000
  logit_A, member_A = np.array([-1.0, -0.3, -2.0], np.float32), np.array(member, bool)
  draws = (np.tile(x, (num, 1)) for x in (logit_A, member_A))
  logit_NxA, member_NxA = draws
  uniform_NxA = np.random.default_rng(0).random((num, 3)).astype(np.float32)
  gates = choose_occupied(logit_NxA, uniform_NxA, member_NxA, np.full(num, must))
  bit_NxA = np.asarray(gates.bit_NxA)
  assert not bit_NxA[:, ~member_A].any()
  free_A = 1 / (1 + np.exp(-logit_A[member_A]))
  any_free = 1 - np.prod(1 - free_A)
  for bits in itertools.product((False, True), repeat=int(member_A.sum())):
    prob = np.prod(np.where(bits, free_A, 1 - free_A))
    if must:
      prob = prob / any_free if any(bits) else 0.0
    share = np.mean(np.all(bit_NxA[:, member_A] == bits, axis=1))
    assert abs(share - prob) <= 4 * np.sqrt(prob * (1 - prob) / num)


@pytest.mark.parametrize('must', [False, True])
def test_targets_are_taken_with_the_probability_of_being_drawn(must):
  targets_NxA = np.array(list(itertools.product((False, True), repeat=3)))
  member_NxA = np.tile(np.array([True, True, False]), (8, 1))
  logit_NxA = np.tile(np.array([-1.0, 0.5, 3.0], np.float32), (8, 1))
  half_NxA = np.full((8, 3), 0.5, np.float32)
  gates = choose_occupied(logit_NxA, half_NxA, member_NxA, np.full(8, must), targets_NxA)
  np.testing.assert_array_equal(gates.bit_NxA, targets_NxA & member_NxA)
  prob_N = np.exp(gate_logp(gates, member_NxA).sum(axis=1))
  # Each pattern of the two members comes up twice.
  np.testing.assert_allclose(prob_N.sum(), 2, rtol=1e-6)
  empty_N = ~gates.bit_NxA.any(axis=1)
  free = np.prod(1 - 1 / (1 + np.exp(-logit_NxA[0, :2])))
  np.testing.assert_allclose(prob_N[empty_N], 0 if must else free, rtol=1e-5)


def test_gate_and_value_together_are_the_log_softmax():
  logits_Vx1xV = jnp.broadcast_to(jnp.log(PROBS_V) - 7.0, (4, 1, 4))
  token_Vx1 = np.arange(4)[:, None]
  member_Vx1, free_V = np.ones((4, 1), bool), np.zeros(4, bool)
  gates = choose_occupied(
    occupied_logit(logits_Vx1xV), jnp.zeros((4, 1)), member_Vx1, free_V, token_Vx1 > 0
  )
  logp_Vx1 = gate_logp(gates, member_Vx1) + value_logp(logits_Vx1xV, gates, token_Vx1)
  np.testing.assert_allclose(np.exp(logp_Vx1)[:, 0], PROBS_V, rtol=1e-5)
