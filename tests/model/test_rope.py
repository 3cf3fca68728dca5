import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.rope import rope_table, rotate
from fractaljax.model.trunk import Trunk, empty_cache

ROW_L = np.array([0, 1, 0, 1, 5])
COL_L = np.array([0, 0, 3, 3, 9])


def products(head_dim, row_L, col_L, row_M, col_M):
  """Dot products of random queries at (row, col) of L with random keys at those of M."""
  q_LxHxK, k_MxHxK = np.random.default_rng(0).standard_normal((2, len(row_L), 2, head_dim))
  q_LxHxK = rotate(jnp.asarray(q_LxHxK, jnp.float32), rope_table(row_L, col_L, head_dim))
  k_MxHxK = rotate(jnp.asarray(k_MxHxK, jnp.float32), rope_table(row_M, col_M, head_dim))
  return np.einsum('LHK,MHK->HLM', q_LxHxK, k_MxHxK)


@pytest.mark.parametrize('head_dim', [2, 4, 5, 6, 8, 10, 16, 32])
def test_attention_sees_only_how_far_apart_patches_are(head_dim):
  here = products(head_dim, ROW_L, COL_L, ROW_L, COL_L)
  moved = products(head_dim, ROW_L + 7, COL_L + 30, ROW_L + 7, COL_L + 30)
  np.testing.assert_allclose(moved, here, atol=2e-4)


@pytest.mark.parametrize('head_dim', [4, 6, 8, 10, 16])
def test_attention_tells_rows_from_columns_and_before_from_after(head_dim):
  here = products(head_dim, ROW_L, COL_L, ROW_L, COL_L)
  shifts = [(1, 0), (0, 1), (-1, 0), (0, -1)]
  moved = [products(head_dim, ROW_L, COL_L, ROW_L + r, COL_L + c) for r, c in shifts]
  everything = np.stack([here, *moved])
  for i in range(5):
    for j in range(i):
      assert np.abs(everything[i] - everything[j]).max() > 0.1


@pytest.mark.parametrize('head_dim', [2, 4, 6, 10, 16])
def test_rotation_keeps_lengths(head_dim):
  x_BxLxHxK = np.random.default_rng(0).standard_normal((2, 5, 2, head_dim)).astype(np.float32)
  turned = rotate(jnp.asarray(x_BxLxHxK), rope_table(ROW_L, COL_L, head_dim))
  np.testing.assert_allclose(
    np.linalg.norm(turned, axis=-1), np.linalg.norm(x_BxLxHxK, axis=-1), rtol=1e-5
  )


@pytest.mark.parametrize(('width', 'heads'), [(24, 2), (12, 2), (10, 1), (15, 3), (6, 6)])
def test_a_trunk_of_any_width_decodes_as_it_trains(width, heads):
  level = models.level((1, 1), width=width, heads=heads, depth=1)
  trunk = Trunk(level, False, 'float32')
  rope = rope_table(ROW_L, COL_L, width // heads)
  x_BxLxD = np.random.default_rng(0).standard_normal((2, 5, width)).astype(np.float32)
  shapes = jax.eval_shape(lambda: trunk.init(jax.random.key(0), x_BxLxD, rope))
  rng = np.random.default_rng(1)
  params = jax.tree.map(lambda s: jnp.asarray(0.5 * rng.standard_normal(s.shape)), shapes)

  @jax.jit
  def both(x_BxLxD):
    y_BxLxD, _ = trunk.apply(params, x_BxLxD, rope)
    first_Bx3xD, cache = trunk.apply(
      params,
      x_BxLxD[:, :3],
      jax.tree.map(lambda t: t[:3], rope),
      empty_cache(level, 2, 5, 'float32'),
      0,
    )
    rest_Bx2xD, _ = trunk.apply(
      params, x_BxLxD[:, 3:], jax.tree.map(lambda t: t[3:], rope), cache, 3
    )
    return y_BxLxD, jnp.concatenate([first_Bx3xD, rest_Bx2xD], axis=1)

  whole_BxLxD, stepped_BxLxD = both(x_BxLxD)
  assert whole_BxLxD.shape == x_BxLxD.shape and np.all(np.isfinite(whole_BxLxD))
  np.testing.assert_allclose(stepped_BxLxD, whole_BxLxD, atol=1e-5)
