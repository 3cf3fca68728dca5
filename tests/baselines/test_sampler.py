"""The sampler: cached as uncached, and nothing but whole rolls."""

import jax
import numpy as np
import pytest

from fractaljax.baselines.excerpts import stack, windows
from fractaljax.baselines.sampler import sample
from fractaljax.baselines.vocabulary import Vocabulary
from fractaljax.model.trunk import empty_cache
from fractaljax.music.codec import HOLD, SILENCE, Codec


def test_cached_is_uncached(tiny, vocabulary, songs):
  model, params = tiny(vocabulary)
  batch = stack(list(windows(vocabulary, songs))[:2])
  seen = [x_BxS[:, :12] for x_BxS in (batch.word_S, batch.phase_S, batch.bar_S)]
  whole_BxSxV = jax.jit(model.apply)(params, *seen)
  step = jax.jit(lambda *args: model.apply(params, *args, method='step'))
  cache = empty_cache(model.config.level, 2, 12, 'float32')
  for i in range(12):
    logits_BxV, cache = step(*(x_BxS[:, i] for x_BxS in seen), cache, i)
    np.testing.assert_allclose(logits_BxV, whole_BxSxV[:, i], atol=1e-4)


@pytest.fixture(scope='module')
def drawn(tiny):
  """Samples of a random model, of two excerpts each."""
  vocabulary = Vocabulary(Codec('onset', 60, 3), 16)
  model, params = tiny(vocabulary)
  return vocabulary, sample(model, params, 5, 2, 3, 0), sample(model, params, 4, 2, 2, 0)


def test_what_holds_has_begun(drawn):
  """Over the edge between two excerpts, too."""
  vocabulary, found, _ = drawn
  assert found.tokens_BxPxT.shape == (5, 3, 32)
  was_BxPxT = np.pad(found.tokens_BxPxT, ((0, 0), (0, 0), (1, 0)))[..., :-1]
  held_BxPxT = found.tokens_BxPxT == HOLD
  assert held_BxPxT[..., 16].any()
  assert (was_BxPxT[held_BxPxT] != SILENCE).all()


def test_samples_do_not_depend_on_the_batch(drawn):
  _, by_three, by_two = drawn
  assert np.array_equal(by_three.tokens_BxPxT[:4], by_two.tokens_BxPxT)
  assert by_three.num_cut == 0
