"""What the model knows of a place in the song."""

import numpy as np

import models


def test_bars_are_told_apart_up_to_the_last_phrase_and_then_by_their_place_in_a_phrase():
  config = models.tiny(phrase_bars=4, num_phrases=3)
  roll_PxT = np.random.default_rng(0).integers(0, 2, (2, 8))
  crop = models.as_crop(np.stack([roll_PxT] * 20), config.halo, config.codec)
  bar_Bx1 = np.arange(20, dtype=np.int32)[:, None]
  crop = crop._replace(bar_T=np.broadcast_to(bar_Bx1, crop.bar_T.shape))
  nats_B = models.teacher_forced_nats(config, models.random_params(config), crop)
  assert len(np.unique(nats_B[:12])) == 12
  np.testing.assert_array_equal(nats_B[12:16], nats_B[8:12])
  np.testing.assert_array_equal(nats_B[16:], nats_B[8:12])
