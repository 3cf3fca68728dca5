"""The transformer of one level: one forward for training, scoring and cached decoding."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.model.config import Level
from fractaljax.model.rope import Rope, rotate


class Cache(NamedTuple):
  """Keys and values of one block, for M positions of which the first `index` are filled."""

  k_BxMxHxK: jax.Array
  v_BxMxHxK: jax.Array


def empty_cache(level: Level, batch: int, length: int, dtype: str) -> tuple[Cache, ...]:
  """One empty cache a block, for regions of `length` patches."""
  shape = (batch, length, level.heads, level.width // level.heads)
  return tuple(Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)) for _ in range(level.depth))


class Attention(nn.Module):
  """Multi-head attention with rotary positions and an optional cache."""

  level: Level
  qk_norm: bool
  dtype: str

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
    scores_BxHxLxM = jnp.einsum('BLHK,BMHK->BHLM', q_BxLxHxK, k_BxMxHxK).astype(jnp.float32)
    scores_BxHxLxM *= (width // heads) ** -0.5
    if self.level.causal:
      past_LxM = jnp.arange(k_BxMxHxK.shape[1]) <= jnp.arange(length)[:, None] + index
      scores_BxHxLxM = jnp.where(past_LxM, scores_BxHxLxM, -jnp.inf)
    probs_BxHxLxM = nn.softmax(scores_BxHxLxM).astype(self.dtype)
    mixed_BxLxHxK = jnp.einsum('BHLM,BMHK->BLHK', probs_BxHxLxM, v_BxMxHxK)
    out = _residual_dense(self.level, self.dtype, 'out')
    return out(mixed_BxLxHxK.reshape(batch, length, width)), cache


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

  @nn.compact
  def __call__(self, x_BxLxD, rope: Rope, cache: Cache | None, index, train: bool):
    drop = nn.Dropout(self.level.dropout, deterministic=not train)
    normed_BxLxD = nn.RMSNorm(dtype=self.dtype, name='attention_norm')(x_BxLxD)
    attention = Attention(self.level, self.qk_norm, self.dtype, name='attention')
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

  With `remat`, the backward pass computes the inside of each block anew instead of keeping it.
  """

  level: Level
  qk_norm: bool
  dtype: str
  remat: bool = False

  @nn.compact
  def __call__(self, x_BxLxD, rope: Rope, cache=None, index=0, train: bool = False):
    block = nn.remat(Block, static_argnums=(5,)) if self.remat and train else Block
    new_cache = []
    for i in range(self.level.depth):
      layer = block(self.level, self.qk_norm, self.dtype, name=f'block_{i}')
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
