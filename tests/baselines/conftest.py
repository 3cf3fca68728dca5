"""What the tests of baselines share; without miditok they are skipped."""

import jax
import numpy as np
import pytest

from fractaljax.baselines.config import TransformerConfig
from fractaljax.baselines.transformer import Transformer
from fractaljax.baselines.vocabulary import Vocabulary
from fractaljax.music import corpus
from fractaljax.music.codec import Codec
from models import shake


@pytest.fixture(scope='package', autouse=True)
def miditok():
  return pytest.importorskip('miditok', reason='miditok is not installed')


@pytest.fixture(scope='package')
def vocabulary() -> Vocabulary:
  return Vocabulary(Codec('onset', 24, 72), 64)


@pytest.fixture(scope='package')
def songs():
  """In 3/4, where crops of 64 steps begin within a bar, and in 4/4."""
  return [corpus.song(0, i, num_bars=9) for i in range(3)]


@pytest.fixture(scope='package')
def tiny():
  """Makes a transformer for a vocabulary, with parameters of no symmetry."""

  def make(vocabulary: Vocabulary):
    model = Transformer(TransformerConfig(vocabulary, 16, 1, 2, 0.0, 4, 'float32'))
    word_1x1 = np.zeros((1, 1), np.int32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), word_1x1, word_1x1, word_1x1))
    return model, shake(jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes))

  return make
