"""Sampling from a REMI transformer, with a key-value cache, one excerpt after another."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from fractaljax.baselines import grammar
from fractaljax.baselines.excerpts import Excerpt, from_rolls, stack
from fractaljax.baselines.spelling import read
from fractaljax.baselines.transformer import Transformer
from fractaljax.baselines.vocabulary import BOS, EOS, HALO, PAD, Vocabulary
from fractaljax.model.trunk import empty_cache
from fractaljax.music.crop import phase
from fractaljax.music.notes import Song

WORDS_PER_STEP = 12  # room for an excerpt; POP909's densest needs 11.5


class Place(NamedTuple):
  """The metre of each step of the excerpts, as `Excerpt` has it of each word."""

  phase_T: np.ndarray
  bar_T: np.ndarray


class Sampled(NamedTuple):
  """Rolls, and the excerpts in them that had no room for all their words."""

  tokens_BxPxT: np.ndarray
  num_cut: int


def sample(
  model: Transformer, params, num: int, num_excerpts: int, batch_size: int, seed: int
) -> Sampled:
  """Draws rolls in 4/4 of `num_excerpts` excerpts, each told the HALO steps before it.

  Sample i is a function of the seed and i.
  """
  batch_size = min(batch_size, num)
  shown = tqdm(total=-(-num // batch_size) * num_excerpts, unit='excerpt', desc='sampling')
  rolls, num_cut = [], 0
  with shown:
    for first in range(0, num, batch_size):
      key_B = _fold(jax.random.key(seed), np.arange(first, first + batch_size))
      tokens_BxPxT = _no_steps(model, batch_size)
      for _ in range(num_excerpts):
        more_BxPxT, unfinished_B = _excerpts(model, params, tokens_BxPxT, key_B)
        tokens_BxPxT = np.concatenate([tokens_BxPxT, more_BxPxT], axis=2)
        num_cut += int(unfinished_B[: num - first].sum())
        shown.update()
      rolls.append(tokens_BxPxT)
  return Sampled(np.concatenate(rolls)[:num], num_cut)


def _no_steps(model: Transformer, batch_size: int) -> np.ndarray:
  return np.zeros((batch_size, model.config.vocabulary.codec.num_pitches, 0), np.uint8)


_fold = jax.vmap(jax.random.fold_in, (None, 0))


def _excerpts(model: Transformer, params, before_BxPxT, key_B):
  """The next excerpt of each roll, and whether it had no room for all its words."""
  vocabulary, start = model.config.vocabulary, before_BxPxT.shape[2]
  size = vocabulary.num_steps
  song = Song(np.zeros((0, 4), np.int32), start + size)
  nothing_PxT = np.zeros((vocabulary.codec.num_pitches, size), np.uint8)
  prompt = stack(
    [from_rolls(vocabulary, song, start, x_PxT[:, -HALO:], nothing_PxT) for x_PxT in before_BxPxT]
  )
  step_T, per_bar = start + np.arange(size), song.steps_per_bar
  place = Place(phase(step_T, per_bar).astype(np.int32), (step_T // per_bar).astype(np.int32))
  now_B = jax.vmap(jax.random.fold_in, (0, None))(key_B, start)
  word_BxM = np.asarray(draw(model, size * WORDS_PER_STEP, params, prompt, place, now_B))
  rolls = [
    read(vocabulary, word_M, start % per_bar, per_bar, size)
    for word_M in after_bos(vocabulary, word_BxM)
  ]
  unfinished_B = ~(vocabulary.kind_V[word_BxM] == EOS).any(axis=1)
  return np.stack(rolls), unfinished_B


def after_bos(vocabulary: Vocabulary, word_BxM: np.ndarray) -> list[np.ndarray]:
  """The words that are an excerpt's own."""
  first_B = (vocabulary.kind_V[word_BxM] == BOS).argmax(axis=1) + 1
  return [word_M[first:] for word_M, first in zip(word_BxM, first_B, strict=True)]


@functools.partial(jax.jit, static_argnums=(0, 1))
def draw(
  model: Transformer, room: int, params, prompt: Excerpt, place: Place, key_B: jax.Array
) -> jax.Array:
  """Draws the words of a batch of excerpts.

  Args:
    model, params: the transformer.
    room: M, words at most.
    prompt: excerpts of which the words up to BOS are given, and the frame.
    place: the metre of their steps.
    key_B: of each sample.

  Returns:
    word_BxM: the given words, the drawn ones up to EOS if there was room, PAD.
  """
  vocabulary, batch = model.config.vocabulary, len(prompt.context)
  follow = jax.vmap(functools.partial(grammar.advance, vocabulary))
  may_follow = jax.vmap(functools.partial(grammar.allowed, vocabulary))

  def body(state):
    i, word_BxM, phase_B, bar_B, cache, at, done_B = state
    word_B = word_BxM[:, i]
    logits_BxV, cache = model.apply(params, word_B, phase_B, bar_B, cache, i, method='step')
    logits_BxV = jnp.where(may_follow(prompt.frame, at), logits_BxV, -jnp.inf)
    drawn_B = _draw_one(key_B, i, logits_BxV)
    given_B, next_i = i < prompt.context, jnp.minimum(i + 1, prompt.word_S.shape[1] - 1)
    word_B = jnp.where(given_B, prompt.word_S[:, next_i], jnp.where(done_B, PAD, drawn_B))
    after = follow(prompt.frame, at, word_B)
    at = jax.tree.map(lambda new, old: _where(given_B | done_B, old, new), after, at)
    phase_B = jnp.where(given_B, prompt.phase_S[:, next_i], place.phase_T[at.step])
    bar_B = jnp.where(given_B, prompt.bar_S[:, next_i], place.bar_T[at.step])
    done_B |= ~given_B & (at.kind == EOS)
    return i + 1, word_BxM.at[:, i + 1].set(word_B), phase_B, bar_B, cache, at, done_B

  word_BxM = jnp.full((batch, room), PAD).at[:, 0].set(prompt.word_S[:, 0])
  cache = empty_cache(model.config.level, batch, room, model.config.dtype)
  at = jax.vmap(grammar.start)(prompt.frame)
  begin = (0, word_BxM, prompt.phase_S[:, 0], prompt.bar_S[:, 0], cache, at, jnp.zeros(batch, bool))
  goes_on = lambda state: (state[0] < room - 1) & ~state[-1].all()  # noqa: E731
  return jax.lax.while_loop(goes_on, body, begin)[1]


@functools.partial(jax.vmap, in_axes=(0, None, 0))
def _draw_one(key, i, logits_V) -> jax.Array:
  return jax.random.categorical(jax.random.fold_in(key, i), logits_V)


def _where(mask_B, yes, no):
  return jnp.where(mask_B.reshape(-1, *(1,) * (yes.ndim - 1)), yes, no)
