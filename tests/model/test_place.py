"""What the model knows of a place before anything is generated there."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.echoes import ECHO_PITCHES, ECHO_STEPS, block_size, likeness, steps_before
from fractaljax.model.fractal import Fractal
from fractaljax.model.occupancy import is_sounding
from fractaljax.model.patches import make_grid
from fractaljax.model.split import Split
from fractaljax.music.codec import FIRST_ONSET

PATCHES, NUM_PITCHES = ((8, 4), (8, 1), (2, 1), (1, 1)), 8


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


def equal_regions(config, index, num):
  """The same region of a level so many times."""
  region = models.random_region(config, index, num=1)
  return jax.tree.map(lambda x: jnp.repeat(jnp.asarray(x), num, axis=0), region)


@pytest.mark.parametrize('halo', [0, 3])
@pytest.mark.parametrize('index', [1, 2, 3])
def test_each_cell_of_an_echo_reaches_the_patches_it_is_around_or_by_likeness_all(index, halo):
  config = models.tiny(PATCHES, num_pitches=NUM_PITCHES, codec='onset', halo=halo, echoes=(5, 6))
  cells = list(np.ndindex(2, *block_size(config.levels[index - 1].patch, halo)))
  region = equal_regions(config, index, len(cells) + 1)
  grid = make_grid(region.size, config.levels[index].patch, 'time')
  flips = (np.arange(len(cells)), *np.array(cells).T)
  echo = region.echo_NxExQxW
  is_silent_C = ~is_sounding(echo[flips], config.codec.num_values)
  region = region.replace(echo_NxExQxW=echo.at[flips].set(FIRST_ONSET * is_silent_C))
  run = models.quick_jit(functools.partial(Fractal(config).apply, method='place'), static_argnums=1)
  place_NxLxD = run(models.random_params(config), index, region)
  changed_NxL = (jnp.abs(place_NxLxD - place_NxLxD[-1]) > 1e-4).any(axis=2)
  id_NxE = likeness(region.before_NxPxH, region.echo_NxExQxW, config.codec.num_values)
  (p, t), first = grid.patch, steps_before(halo) - ECHO_STEPS
  pitches = 0 if p == NUM_PITCHES else ECHO_PITCHES
  for (_, row, col), changed_L, id_E in zip(cells, changed_NxL, id_NxE, strict=False):
    row_L, col_L = ECHO_PITCHES + p * grid.row_L, first + t * grid.col_L
    is_around_L = (row_L - pitches <= row) & (row < row_L + p + pitches)
    is_around_L &= (col_L <= col) & (col < col_L + t + 2 * ECHO_STEPS)
    np.testing.assert_array_equal(changed_L, is_around_L | (id_E != id_NxE[-1]).any())
  assert bool(halo) == bool((id_NxE != id_NxE[-1]).any())


def test_the_likeness_of_one_echo_is_not_that_of_another():
  config = models.tiny(PATCHES, num_pitches=NUM_PITCHES, halo=3, echoes=(5, 6))
  region = equal_regions(config, 1, 2)
  echo = jnp.zeros_like(region.echo_NxExQxW).at[[0, 1], [0, 1]].set(1)
  region = region.replace(canvas_NxQxW=region.canvas_NxQxW * 0 + 1, echo_NxExQxW=echo)
  params = models.random_params(config)['params']['splits_1']
  one_D, other_D = Split(config, 1).apply({'params': params}, region, method='trust')
  assert (jnp.abs(one_D - other_D) > 1e-2).all()
