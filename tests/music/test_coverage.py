"""Coverage: every value that is used counts once, however often and by whichever song."""

import numpy as np

from fractaljax.music.codec import Codec
from fractaljax.music.coverage import token_coverage


def test_the_tokens_that_songs_use_are_counted_together_and_once():
  held = np.array([[0, 4, 60, 80], [4, 1, 60, 80]])  # silence, hold, one onset
  louder = np.array([[0, 1, 60, 80], [8, 1, 62, 120], [90, 1, 62, 10]])  # the last is too late
  codec = Codec('onset')
  assert token_coverage([held], 16, codec) == 3 / 34
  assert token_coverage([held, louder], 16, codec) == 4 / 34
  assert token_coverage([held[:0]], 16, codec) == 1 / 34
