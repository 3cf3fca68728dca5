"""How much of its vocabulary music uses."""

from collections.abc import Sequence

import numpy as np

from fractaljax.music.codec import Codec


def token_coverage(songs: Sequence[np.ndarray], num_steps: int, codec: Codec) -> float:
  """Share of the codec's values that songs, arrays of notes, use in their first `num_steps` steps.

  It grows with the number of songs: compare it between as many.
  """
  used = set().union(*(np.unique(codec.encode(notes, num_steps)) for notes in songs))
  return len(used) / codec.num_values
