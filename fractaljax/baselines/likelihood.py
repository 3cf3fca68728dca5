"""The likelihood of excerpts under a REMI transformer, split by what the words are about."""

import functools
import math
from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fractaljax.baselines import grammar
from fractaljax.baselines.excerpts import Excerpt
from fractaljax.baselines.transformer import Transformer, counted, next_logits
from fractaljax.baselines.vocabulary import DURATION, VELOCITY, Vocabulary
from fractaljax.model.detail import PARTS


class Likelihood(NamedTuple):
  """Negative log likelihood of excerpts, summed over all of them.

  Attributes:
    nats: of each of PARTS, probabilities renormalised over the words that the grammar allows.
      'when' is when and what: Bar, Position, Pitch, EOS; 'long' Duration; 'loud' Velocity.
    nats_free: the same over all words, as the transformer is trained.
    num_steps, num_notes, num_words: what they are of.
  """

  nats: np.ndarray
  nats_free: np.ndarray
  num_steps: int
  num_notes: int
  num_words: int

  def report(self) -> dict[str, float]:
    """Bits a note and nats a step, by name."""
    bits, notes = math.log(2), max(self.num_notes, 1)
    parts = dict(zip(PARTS, self.nats / bits / notes, strict=True))
    return {
      'bits_per_note': float(self.nats.sum() / bits / notes),
      **{f'bits_per_note/{name}': float(value) for name, value in parts.items()},
      'bits_per_note_without_grammar': float(self.nats_free.sum() / bits / notes),
      'nats_per_step': float(self.nats.sum() / max(self.num_steps, 1)),
      'words_per_note': self.num_words / notes,
    }


def score_batches(model: Transformer, params, batches: Iterable[Excerpt]) -> Likelihood:
  """Scores batches of excerpts, teacher-forced, without dropout; exact.

  The HALO steps before an excerpt are seen and not counted, as by the fractal.
  """
  totals = Likelihood(np.zeros(len(PARTS)), np.zeros(len(PARTS)), 0, 0, 0)
  for batch in batches:
    nats_BxK, free_BxK = (np.asarray(x, np.float64) for x in _nats(model, params, batch))
    totals = Likelihood(
      totals.nats + nats_BxK.sum(axis=0),
      totals.nats_free + free_BxK.sum(axis=0),
      totals.num_steps + int(batch.frame.num_steps.sum()),
      totals.num_notes + int(batch.num_notes.sum()),
      totals.num_words + int((batch.length - batch.context - 1).sum()),
    )
  return totals


def excerpt_nats(model: Transformer, params, batch: Excerpt):
  """Nats of each excerpt by PARTS, over the allowed words and over all: two (B, 3)."""
  logits_BxLxV = next_logits(model, params, batch, train=False)
  word_BxL, counted_BxL = jnp.asarray(batch.word_S)[:, 1:], counted(batch)
  allowed_BxLxV = jax.vmap(functools.partial(_allowed, model.config.vocabulary))(batch)
  own_BxLx3 = part_of(model.config.vocabulary, word_BxL) & counted_BxL[..., None]

  def by_part(logits_BxLxV):
    log_BxLxV = jax.nn.log_softmax(logits_BxLxV)
    log_BxL = jnp.take_along_axis(log_BxLxV, word_BxL[..., None], axis=-1)
    return -jnp.where(own_BxLx3, log_BxL, 0.0).sum(axis=1)

  return by_part(jnp.where(allowed_BxLxV, logits_BxLxV, -jnp.inf)), by_part(logits_BxLxV)


def part_of(vocabulary: Vocabulary, word_L) -> jax.Array:
  """Which of PARTS each word belongs to, bool (..., 3)."""
  kind_L = jnp.asarray(vocabulary.kind_V)[word_L]
  long_L, loud_L = kind_L == DURATION, kind_L == VELOCITY
  return jnp.stack([~(long_L | loud_L), long_L, loud_L], axis=-1)


def _allowed(vocabulary: Vocabulary, one: Excerpt) -> jax.Array:
  """Words that may come after each word of an excerpt but its last, bool (S - 1, V)."""
  begin = grammar.start(one.frame)

  def follow(at, seen):
    place, word = seen
    after = grammar.advance(vocabulary, one.frame, at, word)
    at = jax.tree.map(lambda new, old: jnp.where(place > one.context, new, old), after, at)
    return at, grammar.allowed(vocabulary, one.frame, at)

  word_L = jnp.asarray(one.word_S)[:-1]
  return jax.lax.scan(follow, begin, (jnp.arange(len(word_L)), word_L))[1]


_nats = jax.jit(excerpt_nats, static_argnums=0)
