"""The transformer of one level: one forward for training, scoring and cached decoding."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model.config import Level
from fractaljax.model.rope import Rope, rotate


class Cache(NamedTuple):
  """Keys and values of one block, for M positions; those not yet decoded are zero."""

  k_BxMxHxK: jax.Array
  v_BxMxHxK: jax.Array


def empty_cache(level: Level, batch: int, length: int, dtype: str) -> tuple[Cache, ...]:
  """One empty cache a block, for regions of `length` patches."""
  shape = (batch, length, level.heads, level.width // level.heads)
  return tuple(Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)) for _ in range(level.depth))


class Attention(nn.Module):
  """Multi-head attention with rotary positions and an optional cache.

  A causal level sees the last `reach` positions, its own among them; 0 = all.
  """

  level: Level
  qk_norm: bool
  dtype: str
  reach: int

  @nn.compact
  def __call__(self, x_BxLxD, rope: Rope, cache: Cache | None, index):
    heads, width = self.level.heads, self.level.width
    batch, length, _ = x_BxLxD.shape
    qkv = nn.Dense(3 * width, use_bias=False, dtype=self.dtype, name='qkv')(x_BxLxD)
    qkv_BxLx3xHxK = qkv.reshape(batch, length, 3, heads, width // heads)
    q_BxLxHxK, k_BxMxHxK, v_BxMxHxK = (qkv_BxLx3xHxK[:, :, i] for i in range(3))
    if self.qk_norm:
      q_BxLxHxK = nn.RMSNorm(dtype=self.dtype, name='q_norm')(q_BxLxHxK)
      k_BxMxHxK = nn.RMSNorm(dtype=self.dtype, name='k_norm')(k_BxMxHxK)
    q_BxLxHxK, k_BxMxHxK = rotate(q_BxLxHxK, rope), rotate(k_BxMxHxK, rope)
    if cache is not None:
      k_BxMxHxK = jax.lax.dynamic_update_slice_in_dim(cache.k_BxMxHxK, k_BxMxHxK, index, axis=1)
      v_BxMxHxK = jax.lax.dynamic_update_slice_in_dim(cache.v_BxMxHxK, v_BxMxHxK, index, axis=1)
      cache = Cache(k_BxMxHxK, v_BxMxHxK)
    if self.reach and cache is None and length > 2 * self.reach:
      mixed_BxLxHxK = attend_in_blocks(q_BxLxHxK, k_BxMxHxK, v_BxMxHxK, self.reach)
    else:
      seen_LxM = self._seen(length, k_BxMxHxK.shape[1], index)
      mixed_BxLxHxK = attend(q_BxLxHxK, k_BxMxHxK, v_BxMxHxK, seen_LxM)
    out = _residual_dense(self.level, self.dtype, 'out')
    return out(mixed_BxLxHxK.reshape(batch, length, width)), cache

  def _seen(self, length: int, num_keys: int, index):
    """Which keys each query sees, (L, M); the first query is at `index`."""
    if not self.level.causal:
      return jnp.ones((length, num_keys), bool)
    back_LxM = jnp.arange(length)[:, None] + index - jnp.arange(num_keys)
    return (back_LxM >= 0) & (back_LxM < (self.reach or num_keys))


def attend(q_BxLxHxK, k_BxMxHxK, v_BxMxHxK, seen_LxM):
  """Values mixed by the softmax of scaled products, in float32; (B, L, H, K)."""
  scores_BxHxLxM = jnp.einsum(
    'BLHK,BMHK->BHLM', q_BxLxHxK, k_BxMxHxK, preferred_element_type=jnp.float32
  )
  scores_BxHxLxM *= q_BxLxHxK.shape[-1] ** -0.5
  # Finite, for queries that see nothing: the padding of blocks.
  probs_BxHxLxM = nn.softmax(jnp.where(seen_LxM, scores_BxHxLxM, -1e9))
  return jnp.einsum('BHLM,BMHK->BLHK', probs_BxHxLxM.astype(q_BxLxHxK.dtype), v_BxMxHxK)


def attend_in_blocks(q_BxLxHxK, k_BxLxHxK, v_BxLxHxK, reach: int):
  """Causal attention to the last `reach` positions, whose cost grows with the length alone.

  Blocks of `reach` queries see their own block and the one before it.
  """
  length = q_BxLxHxK.shape[1]
  num_blocks = -(-length // reach)

  def blocks(x_BxLxHxK, before: int):
    after = num_blocks * reach - length
    padded = jnp.pad(x_BxLxHxK, ((0, 0), (before, after), (0, 0), (0, 0)))
    return padded.reshape(padded.shape[0], -1, reach, *padded.shape[2:])

  def with_block_before(x_BxLxHxK):
    x_BxNxSxHxK = blocks(x_BxLxHxK, reach)
    return jnp.concatenate([x_BxNxSxHxK[:, :-1], x_BxNxSxHxK[:, 1:]], axis=2)

  place_S, place_M = np.arange(reach), np.arange(-reach, reach)
  back_SxM = place_S[:, None] - place_M
  seen_SxM = (back_SxM >= 0) & (back_SxM < reach)
  is_there_NxM = np.arange(num_blocks)[:, None] * reach + place_M >= 0
  mixed_BxNxSxHxK = jax.vmap(attend, in_axes=(1, 1, 1, 0), out_axes=1)(
    blocks(q_BxLxHxK, 0),
    with_block_before(k_BxLxHxK),
    with_block_before(v_BxLxHxK),
    jnp.asarray(seen_SxM & is_there_NxM[:, None]),
  )
  flat_BxLxHxK = mixed_BxNxSxHxK.reshape(q_BxLxHxK.shape[0], -1, *q_BxLxHxK.shape[2:])
  return flat_BxLxHxK[:, :length]


class SwiGlu(nn.Module):
  """Gated MLP (Shazeer 2020) with 8/3 hidden channels for each of the width."""

  level: Level
  dtype: str

  @nn.compact
  def __call__(self, x_BxLxD):
    hidden = -(-8 * self.level.width // 24) * 8  # 8/3, rounded up to a multiple of 8
    both = nn.Dense(2 * hidden, use_bias=False, dtype=self.dtype, name='in')(x_BxLxD)
    gate_BxLxF, value_BxLxF = jnp.split(both, 2, axis=-1)
    return _residual_dense(self.level, self.dtype, 'out')(nn.silu(gate_BxLxF) * value_BxLxF)


class Block(nn.Module):
  """Attention and MLP, each added to what came in."""

  level: Level
  qk_norm: bool
  dtype: str
  reach: int

  @nn.compact
  def __call__(self, x_BxLxD, rope: Rope, cache: Cache | None, index, train: bool):
    drop = nn.Dropout(self.level.dropout, deterministic=not train)
    normed_BxLxD = nn.RMSNorm(dtype=self.dtype, name='attention_norm')(x_BxLxD)
    attention = Attention(self.level, self.qk_norm, self.dtype, self.reach, name='attention')
    update_BxLxD, cache = attention(normed_BxLxD, rope, cache, index)
    x_BxLxD += drop(update_BxLxD)
    normed_BxLxD = nn.RMSNorm(dtype=self.dtype, name='mlp_norm')(x_BxLxD)
    x_BxLxD += drop(SwiGlu(self.level, self.dtype, name='mlp')(normed_BxLxD))
    return x_BxLxD, cache


class Trunk(nn.Module):
  """Pre-norm transformer blocks and a last norm.

  `trunk(x_BxLxD, rope, cache, index)` returns `(y_BxLxD, cache)`. Without a cache, x holds whole
  regions. With one, x holds the patches from `index` on, and they see what the cache has of the
  patches before. A causal level's output at a patch depends on inputs up to that patch only.

  A causal trunk with a `reach` sees the last so many positions in each block; 0 = all.

  With `remat`, the backward pass computes the inside of each block anew instead of keeping it.
  """

  level: Level
  qk_norm: bool
  dtype: str
  remat: bool = False
  reach: int = 0

  @nn.compact
  def __call__(self, x_BxLxD, rope: Rope, cache=None, index=0, train: bool = False):
    block = nn.remat(Block, static_argnums=(5,)) if self.remat and train else Block
    new_cache = []
    for i in range(self.level.depth):
      layer = block(self.level, self.qk_norm, self.dtype, self.reach, name=f'block_{i}')
      x_BxLxD, block_cache = layer(x_BxLxD, rope, cache and cache[i], index, train)
      new_cache.append(block_cache)
    y_BxLxD = nn.RMSNorm(dtype=self.dtype, name='norm')(x_BxLxD)
    return y_BxLxD, tuple(new_cache) if cache is not None else None


def _residual_dense(level: Level, dtype: str, name: str) -> nn.Dense:
  """A layer that writes to the residual stream, scaled down so that its sum over blocks is O(1)."""
  init = nn.initializers.variance_scaling(0.5 / level.depth, 'fan_in', 'truncated_normal')
  return nn.Dense(level.width, use_bias=False, dtype=dtype, kernel_init=init, name=name)


def num_parameters(params) -> int:
  return sum(int(np.prod(p.shape)) for p in jax.tree.leaves(params))
