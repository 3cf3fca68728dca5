"""The rhythm: at which steps notes begin, said before any of them; nothing begins at others."""

import functools
import itertools

import jax
import numpy as np
import pytest

import models
from fractaljax.model import rhythm, strikes
from fractaljax.model.form import num_ids, parts_of
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import whole_roll
from fractaljax.sampling.decision import Decoder
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample
from fractaljax.sampling.whole import decide_whole

PATCHES = (2, 4), (2, 1), (1, 1)
CONFIG = models.tiny(PATCHES, repeats=2, densities=(1, 3), rhythms=True)


def test_a_rhythm_is_its_two_halves():
  tokens_1x2x8 = np.array([[[1, 0, 0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0, 1]]])
  rhythm_1x2 = rhythm.of_rolls(tokens_1x2x8, CONFIG)
  assert rhythm_1x2.tolist() == [[0b0011, 0b1000]]
  assert rhythm.half_of(rhythm_1x2, rhythm.PULSE, CONFIG).tolist() == [[0b01, 0b00]]
  assert rhythm.half_of(rhythm_1x2, rhythm.OFFBEATS, CONFIG).tolist() == [[0b01, 0b10]]
  for half in (rhythm.PULSE, rhythm.OFFBEATS):
    other_1x2 = rhythm.with_half(rhythm_1x2, half, np.array([[2, 3]]), CONFIG)
    assert rhythm.half_of(other_1x2, half, CONFIG).tolist() == [[2, 3]]
    np.testing.assert_array_equal(
      rhythm.without(other_1x2, half, CONFIG), rhythm.without(rhythm_1x2, half, CONFIG)
    )


def test_holds_are_no_strikes():
  config = models.tiny(PATCHES, codec='onset', repeats=2, rhythms=True)
  notes_Nx4 = np.array([[0, 3, 60, 80], [3, 2, 61, 80]])
  rhythm_1xL = rhythm.of_rolls(config.codec.encode(notes_Nx4, 8)[None].astype(int), config)
  assert rhythm_1xL.tolist() == [[0b1001, 0]]


def test_rolls_with_all_that_is_said_of_them_sum_to_one():
  params, rolls_RxPxT = models.random_params(CONFIG), models.all_rolls(2, 4)
  crop = models.as_crop(rolls_RxPxT, CONFIG.halo, CONFIG.codec)

  @jax.jit
  @functools.partial(jax.vmap, in_axes=(None, 0))
  @functools.partial(jax.vmap, in_axes=(0, None))
  def nats(crop, said_3):
    crop_1 = jax.tree.map(lambda x: x[None], crop)
    said = {name: said_3[k, None, None] for k, name in enumerate(('form', 'pulse', 'offbeats'))}
    return sum(loss.nats for loss in Fractal(CONFIG).apply(params, crop_1, False, said=said))

  # Of one bar, which repeats none: each density, and each rhythm.
  forms = [k for k in range(num_ids(CONFIG)) if parts_of(k, CONFIG)[0] == 0]
  said_Zx3 = np.array(list(itertools.product(forms, range(4), range(4))))
  prob_ZxR = np.exp(-np.asarray(nats(crop, said_Zx3), np.float64))
  np.testing.assert_allclose(prob_ZxR.sum(), 1, rtol=1e-5)
  # Whatever is said: nothing begins elsewhere, and everywhere there something does.
  rhythm_Z = rhythm.with_half(said_Zx3[:, 1] * 0, rhythm.PULSE, said_Zx3[:, 1], CONFIG)
  rhythm_Z = np.asarray(rhythm.with_half(rhythm_Z, rhythm.OFFBEATS, said_Zx3[:, 2], CONFIG))
  own_R = np.asarray(rhythm.of_rolls(rolls_RxPxT, CONFIG))[:, 0]
  is_more_ZxR = (own_R & ~rhythm_Z[:, None]) > 0
  assert prob_ZxR[is_more_ZxR].max() < 1e-30
  own_Z = prob_ZxR.sum(axis=1) > 1e-6
  is_own_ZxR = own_R == rhythm_Z[:, None]
  assert own_Z.sum() > 20 and np.all(prob_ZxR[own_Z][is_own_ZxR[own_Z]].reshape(-1) >= 0)
  # A bar is neither said to have more struck steps than notes, nor notes and none.
  num_Z, density_Z = np.bitwise_count(rhythm_Z), said_Zx3[:, 0]
  is_possible_Z = (num_Z <= np.array([0, 2, 8])[density_Z]) & ((num_Z > 0) | (density_Z == 0))
  np.testing.assert_array_equal(own_Z, is_possible_Z)


def test_rolls_are_scored_as_the_sampler_does():
  params, rolls_RxPxT = models.random_params(CONFIG, scale=0.2), models.all_rolls(2, 4)
  rolls_RxPxT = np.concatenate([rolls_RxPxT, rolls_RxPxT[::-1]], axis=2)
  crop = models.as_crop(rolls_RxPxT, CONFIG.halo, CONFIG.codec)
  nats_R = models.teacher_forced_nats(CONFIG, params, crop)
  np.testing.assert_allclose(-nats_R, models.log_probability(CONFIG, params, crop), atol=1e-4)


def test_patches_hear_what_is_struck_and_what_has_been():
  config = models.tiny(((4, 4), (4, 1), (2, 1), (1, 1)), num_pitches=4, repeats=2, rhythms=True)
  tokens_1x4x4 = np.array([[[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]])
  roll = whole_roll(models.as_crop(tokens_1x4x4, config.halo, config.codec), config)
  found, region = [], roll
  for level in config.levels:
    grid = make_grid(region.size, level.patch, level.scan)
    if region is not roll:
      found.append(strikes.ids(region, region.canvas_NxQxW, grid, config))
    region, _ = models.all_children(region, config, level)
  ahead = 2
  rest, due, struck = (k << ahead for k in (strikes.REST, strikes.DUE, strikes.STRUCK))
  # Step 0 is struck, and so is 3: two steps after 1, the next after 2.
  np.testing.assert_array_equal(found[0], [[due, rest + 0b10, rest + 0b01, due]])
  registers = [[due, struck], [rest + 2, rest + 2], [rest + 1, rest + 1], [due, struck]]
  np.testing.assert_array_equal(found[1], registers)
  cells = np.array([[due, due], [struck, struck], *[[rest + 2] * 2] * 2, *[[rest + 1] * 2] * 2,
                    [due, struck], [struck, struck]])  # fmt: skip
  np.testing.assert_array_equal(found[2], cells)


def drawn(config, crop, with_notes=True):
  """The rhythms that are said of rolls, and the rolls."""
  num, num_steps = crop.valid_T.shape
  params, knobs = models.random_params(config, scale=0.2), make_knobs(config)
  noise = make_noise(config, jax.random.split(jax.random.key(0), num), num_steps)

  @jax.jit
  def draw(params):
    decoder = Decoder(Fractal(config), params, knobs, Plan())
    said_NxL = decide_whole(decoder, crop, noise)[0].region.rhythm_NxL
    if not with_notes:
      return said_NxL, None
    return said_NxL, sample(Fractal(config), Plan(chunk=64), params, crop, noise, knobs)

  return jax.tree.map(np.asarray, draw(params))


@pytest.mark.parametrize('codec', ['binary', 'onset'])
def test_notes_begin_where_it_is_said(codec):
  config = models.tiny(PATCHES, codec=codec, repeats=2, rhythms=True)
  unknown_NxPxT = np.full((64, 2, 12), config.codec.unknown)
  said_NxL, tokens_NxPxT = drawn(config, models.as_crop(unknown_NxPxT, config.halo, config.codec))
  own_NxL = np.asarray(rhythm.of_rolls(tokens_NxPxT, config))
  if codec == 'binary':
    np.testing.assert_array_equal(own_NxL, said_NxL)
  else:  # at a step that is struck a note may also go on alone
    assert np.all(own_NxL & ~said_NxL == 0) and (own_NxL == said_NxL).mean() > 0.5
  assert len(np.unique(own_NxL)) > 8


def test_what_is_known_of_a_bar_is_in_its_rhythm():
  num, unknown = 256, CONFIG.codec.unknown
  # Of the first bar two steps are known, of the second a cell of each, and of the third all.
  tokens_1x2x12 = np.array([[
    [0, 1, unknown, unknown, 0, 1, unknown, unknown, 1, 0, 0, 1],
    [0, 0, unknown, unknown, unknown, unknown, unknown, unknown, 0, 0, 0, 0],
  ]])  # fmt: skip
  crop = models.as_crop(np.repeat(tokens_1x2x12, num, axis=0), CONFIG.halo, CONFIG.codec)

  said_NxL, _ = drawn(CONFIG, crop, with_notes=False)
  first_N, second_N, third_N = said_NxL.T
  assert np.all(first_N & 0b0011 == 0b0010) and len(np.unique(first_N)) == 4
  assert np.all(second_N & 0b0010) and len(np.unique(second_N)) == 8
  assert np.all(third_N == 0b1001)
