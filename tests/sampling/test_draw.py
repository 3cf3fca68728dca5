import jax
import numpy as np

import models
from fractaljax.mesh import data_parallel
from fractaljax.model.fractal import Fractal
from fractaljax.sampling.draw import as_songs, draw, make_drawing
from fractaljax.sampling.options import Plan, make_knobs


def drawn(num_devices: int, batch_size: int, seed: int = 3) -> np.ndarray:
  config = models.tiny(generators=('mar', 'ar'))
  crop = models.as_crop(np.full((1, 2, 4), config.codec.unknown), config.halo, config.codec)
  crop = jax.tree.map(lambda x: x[0], crop)
  params = models.random_params(config, scale=0.3)
  model, knobs = Fractal(config), make_knobs(config)
  placement = data_parallel(jax.devices()[:num_devices])
  return draw(model, params, Plan(), knobs, crop, 5, batch_size, seed, placement).tokens_BxPxT


def test_sample_number_i_is_the_same_in_batches_of_any_size_on_any_number_of_devices():
  five = drawn(1, 5)
  assert len(np.unique(five, axis=0)) > 1
  np.testing.assert_array_equal(drawn(1, 3), five)
  np.testing.assert_array_equal(drawn(4, 3), five)


def test_another_seed_draws_others_with_the_same_program():
  three, programs = drawn(1, 5), make_drawing.cache_info().misses
  for seed in (4, 2**32 - 1):
    assert np.any(drawn(1, 5, seed) != three)
  assert make_drawing.cache_info().misses == programs


def test_samples_are_told_with_the_attributes_that_their_notes_were_drawn_by():
  config = models.tiny(attributes=('tempo', 'density'))
  model, params, knobs = (
    Fractal(config),
    models.random_params(config, scale=0.3),
    make_knobs(config),
  )
  placement = data_parallel(jax.devices()[:2])

  def drawn(attributes_A):
    tokens_1xPxT = np.full((1, 2, 8), config.codec.unknown)
    crop = models.as_crop(tokens_1xPxT, config.halo, config.codec, num_attributes=2)
    crop = jax.tree.map(lambda x: x[0], crop)._replace(attributes_A=attributes_A)
    return draw(model, params, Plan(), knobs, crop, 16, 8, 0, placement)

  free = drawn(np.array([0, 4], np.int32))
  assert np.all(free.attributes_BxA[:, 1] == 4)
  assert len(set(free.attributes_BxA[:, 0].tolist())) > 2 and np.all(free.attributes_BxA > 0)
  others, same = 0, 0
  for id_ in np.unique(free.attributes_BxA[:, 0]):
    given = drawn(np.array([id_, 4], np.int32))
    assert np.all(given.attributes_BxA == [id_, 4])
    is_same_B = (given.tokens_BxPxT == free.tokens_BxPxT).all(axis=(1, 2))
    has_it_B = free.attributes_BxA[:, 0] == id_
    assert np.all(is_same_B[has_it_B])
    others, same = others + (~has_it_B).sum(), same + is_same_B[~has_it_B].sum()
  assert same < others
  songs = as_songs(free.tokens_BxPxT, free.attributes_BxA, config)
  tempos = [55 + 10 * (id_ - 1) for id_ in free.attributes_BxA[:, 0]]
  assert all(
    song.tempo_bpm == tempo for song, tempo in zip(songs, tempos, strict=True) if tempo < 140
  )
  assert [song.num_steps for song in songs] == [8] * 16
