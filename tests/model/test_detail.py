"""The parts of a decision: each a distribution of its own, all together the whole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.detail import PARTS, gate_detail, tokens_before, value_detail
from fractaljax.model.nats import value_nats
from fractaljax.music.codec import HOLD, SILENCE, Codec


@functools.cache
def program(codec):
  """A function of the token before: nats of each token, whole (V,) and by part (V, 3)."""
  logits_V = np.random.default_rng(0).normal(size=codec.num_values)  # any do
  logp_1x1xV = jax.nn.log_softmax(jnp.asarray(logits_V, jnp.float32))[None, None]

  def of_token(token, before):
    token_1x1, before_1x1, one_1x1 = token[None, None], before[None, None], jnp.ones((1, 1))
    nats_1x1 = value_nats(logp_1x1xV, token_1x1)
    cell = (logp_1x1xV, nats_1x1, token_1x1, before_1x1, one_1x1 > 0, one_1x1)
    return nats_1x1.sum(), value_detail(*cell, codec).nats_3

  token_V = jnp.arange(codec.num_values)
  return jax.jit(lambda before: jax.vmap(of_token, (0, None))(token_V, before))


def parts_of_each_token(codec, before):
  """Nats of each token in a cell after `before`, whole and by part."""
  nats_V, nats_Vx3 = jax.device_get(program(codec)(jnp.int32(before)))
  return nats_V, dict(zip(PARTS, nats_Vx3.T, strict=True))


@pytest.mark.parametrize(
  ('name', 'before', 'going_on'), [('onset', 9, HOLD), ('velocity', 9, 9), ('binary', 1, 1)]
)
def test_after_a_note_each_part_is_a_distribution(name, before, going_on):
  nats_V, parts = parts_of_each_token(Codec(name), before)
  np.testing.assert_allclose(sum(parts.values()), nats_V, rtol=1e-5)
  others = np.delete(np.arange(len(nats_V)), [SILENCE, going_on])
  p = {part: np.exp(-nats_V) for part, nats_V in parts.items()}
  assert p['long'][going_on] + p['long'][SILENCE] == pytest.approx(1, abs=1e-5)
  np.testing.assert_allclose(p['long'][others], p['long'][SILENCE], rtol=1e-5)
  for part in ('when', 'loud'):
    assert p[part][going_on] == pytest.approx(1)
  assert p['when'][SILENCE] + sum(p['when'][others[:1]]) == pytest.approx(1, abs=1e-5)
  assert p['loud'][SILENCE] == 1
  assert p['loud'][others].sum() == pytest.approx(min(len(others), 1), abs=1e-5)


@pytest.mark.parametrize('name', ['onset', 'velocity', 'binary'])
@pytest.mark.parametrize('unsounding', ['silence', 'unknown', 'outside'])
def test_where_no_note_was_nothing_is_long(name, unsounding):
  codec = Codec(name)
  before = SILENCE if unsounding == 'silence' else getattr(codec, unsounding)
  nats_V, parts = parts_of_each_token(codec, before)
  np.testing.assert_allclose(sum(parts.values()), nats_V, rtol=1e-5)
  assert not parts['long'].any()
  onsets = slice(HOLD + 1 if name == 'onset' else 1, None)
  assert np.exp(-parts['loud'][onsets]).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize('halo', [0, 3])
def test_the_token_before_is_that_of_the_step_before(halo):
  codec = Codec('onset', 60, 2)
  crop = models.as_crop(np.arange(8).reshape(1, 2, 4), halo, codec)
  out = codec.outside
  assert tokens_before(crop, codec).tolist() == [[[out, 0, 1, 2], [out, 4, 5, 6]]]
  if halo:
    crop.left_PxH[:, :, -1] = 7
    assert tokens_before(crop, codec)[0, :, 0].tolist() == [7, 7]


def test_gates_are_counted_by_what_was_expected_of_them():
  prob_L = np.array([0.96] * 4 + [0.18] * 5 + [0.5])
  occupied_L = np.array([1, 1, 1, 0] + [0, 0, 0, 0, 1] + [1], bool)
  free_L, weight_L = np.arange(10) < 9, np.where(np.arange(10) < 4, 2.0, 1.0)
  logit_1xL = np.log(prob_L / (1 - prob_L))[None]
  nats_1xL = -np.log(np.where(occupied_L, prob_L, 1 - prob_L))[None]
  detail = gate_detail(logit_1xL, nats_1xL, occupied_L[None], free_L[None], weight_L[None])
  expected_3xK = np.zeros((3, 10))
  expected_3xK[:, 9], expected_3xK[:, 1] = (8, 8 * 0.96, 6), (5, 5 * 0.18, 1)
  np.testing.assert_allclose(detail.bins_3xK, expected_3xK, rtol=1e-5)
  np.testing.assert_allclose(detail.nats_3, [(weight_L * nats_1xL).sum(), 0, 0], rtol=1e-5)
  entropy_L = -prob_L * np.log(prob_L) - (1 - prob_L) * np.log(1 - prob_L)
  assert detail.entropy == pytest.approx((weight_L * entropy_L)[:9].sum(), rel=1e-5)
  assert detail.num == 14
