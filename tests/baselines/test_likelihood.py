"""The grammar and the likelihood: a distribution over rolls, split without a rest."""

import functools
import itertools

import jax
import numpy as np
import optax
import pytest

from fractaljax.baselines.excerpts import BY_WORD, Excerpt, batched, from_rolls, stack, windows
from fractaljax.baselines.likelihood import excerpt_nats, score_batches
from fractaljax.baselines.transformer import counted, next_logits
from fractaljax.baselines.vocabulary import VELOCITY, Vocabulary
from fractaljax.music.codec import FIRST_ONSET, HOLD, SILENCE, Codec
from fractaljax.music.notes import Song


def trimmed(batch: Excerpt) -> Excerpt:
  """Without the PAD that all have."""
  size = int(batch.length.max())
  return batch._replace(**{name: getattr(batch, name)[:, :size] for name in BY_WORD})


def all_rolls(rows: int, num_steps: int, sounding: bool) -> np.ndarray:
  """Every roll of one velocity; what holds has begun, at the left edge only if it sounds before."""
  cells = itertools.product([SILENCE, HOLD, FIRST_ONSET], repeat=rows * num_steps)
  rolls_NxPxT = np.array(list(cells), np.uint8).reshape(-1, rows, num_steps)
  before_NxPx1 = np.full((len(rolls_NxPxT), rows, 1), sounding)
  was_NxPxT = np.concatenate([before_NxPx1, rolls_NxPxT[..., :-1] != SILENCE], axis=2)
  return rolls_NxPxT[((rolls_NxPxT != HOLD) | was_NxPxT).all(axis=(1, 2))]


@pytest.mark.parametrize('start, sounding', [(0, False), (14, True)])
def test_probabilities_of_all_rolls_sum_to_1(tiny, start, sounding):
  """At a song's start, and within a song with notes that may go on and a bar line in between."""
  vocabulary = Vocabulary(Codec('onset', 60, 2), 4)
  model, params = tiny(vocabulary)
  # All velocities but one are out of the question, or there would be too many rolls.
  bias_V = params['params']['out']['bias']
  is_other_V = (vocabulary.kind_V == VELOCITY) & (vocabulary.value_V > 0)
  params['params']['out']['bias'] = np.where(is_other_V, -1e4, bias_V)
  song = Song(np.zeros((0, 4), np.int32), 32)
  left_PxH = np.full((2, 1 if sounding else 0), FIRST_ONSET, np.uint8)
  rolls = all_rolls(2, 3, sounding)
  batch = trimmed(stack([from_rolls(vocabulary, song, start, left_PxH, x_PxT) for x_PxT in rolls]))
  nats_BxK, _ = jax.jit(functools.partial(excerpt_nats, model))(params, batch)
  probability_B = np.exp(-np.asarray(nats_BxK, np.float64).sum(axis=1))
  assert probability_B.max() < 0.9
  np.testing.assert_allclose(probability_B.sum(), 1, rtol=1e-4)


def test_the_parts_are_the_cross_entropy_of_the_counted_words(tiny, vocabulary, songs):
  model, params = tiny(vocabulary)
  batch = trimmed(stack(list(windows(vocabulary, songs))[:4]))

  @jax.jit
  def both(params, batch):
    logits_BxLxV = next_logits(model, params, batch, train=False)
    each_BxL = optax.softmax_cross_entropy_with_integer_labels(logits_BxLxV, batch.word_S[:, 1:])
    return excerpt_nats(model, params, batch), each_BxL

  (nats_BxK, free_BxK), each_BxL = jax.tree.map(np.asarray, both(params, batch))
  np.testing.assert_allclose(free_BxK.sum(), each_BxL[counted(batch)].sum(), rtol=1e-5)
  # The grammar allows what the songs hold, and knows more than nothing.
  assert np.isfinite(nats_BxK).all()
  assert (nats_BxK < free_BxK).all()
  assert counted(batch).sum() == (batch.length - batch.context - 1).sum()


def test_what_comes_before_is_seen_and_not_counted(tiny, vocabulary, songs):
  model, params = tiny(vocabulary)
  (second,) = list(windows(vocabulary, songs))[1:2]
  others = second.word_S.copy()
  others[: second.context] = others[: second.context][::-1]
  batches = [trimmed(stack([one])) for one in (second, second._replace(word_S=others))]
  true, changed = (score_batches(model, params, [batch]) for batch in batches)
  assert second.context > 0
  assert true.num_words == changed.num_words == second.length - second.context - 1
  assert true.nats.sum() != changed.nats.sum()


def test_batches_have_every_excerpt_once(vocabulary, songs):
  found = list(windows(vocabulary, songs))
  batches = batched(found, 4)
  assert sum(int(batch.num_notes.sum()) for batch in batches) == sum(
    int(one.num_notes) for one in found
  )
  assert jax.tree.leaves(batches[-1])[0].shape[0] == (len(found) % 4 or 4)
