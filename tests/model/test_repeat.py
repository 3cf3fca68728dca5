"""What bars repeat: found as defined, decided with probabilities that sum to one, and shown."""

import itertools

import jax
import numpy as np
import pytest

import models
from fractaljax.model import repeat
from fractaljax.model.echoes import ECHO_PITCHES, ECHO_STEPS, steps_before
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import whole_roll
from fractaljax.model.trust import NUM_LIKENESSES
from fractaljax.music.codec import Codec

# Patches and steps of rolls that can be enumerated: three bars of a step, three of two.
ROLLS = {'steps': (((2, 1), (1, 1)), 3), 'bars': (((1, 2), (1, 1)), 6)}


def random_rolls(codec, num, num_steps, seed=0):
  """Rolls of notes, some bars of four steps of which come again, or nearly."""
  rng = np.random.default_rng(seed)
  shape = (num, codec.num_pitches, num_steps)
  tokens_NxPxT = np.where(rng.random(shape) < 0.3, rng.integers(1, codec.num_values, shape), 0)
  for n, bar in itertools.product(range(num), range(1, num_steps // 4)):
    if rng.random() < 0.6:
      lag = rng.integers(1, bar + 1)
      then_PxS = tokens_NxPxT[n, :, 4 * (bar - lag) : 4 * (bar - lag + 1)]
      is_kept_PxS = rng.random(then_PxS.shape) < rng.choice([0.6, 0.8, 1.0])
      tokens_NxPxT[n, :, 4 * bar : 4 * (bar + 1)] = np.where(is_kept_PxS, then_PxS, 0)
  return tokens_NxPxT.astype(np.int32)


def notes_of(codec, tokens_PxT, bar):
  """The set of (pitch, step in the bar) of a bar's notes; of one before the roll, none."""
  bar_PxS = tokens_PxT[:, 4 * bar : 4 * (bar + 1)] if bar >= 0 else np.zeros((1, 4), int)
  return set(zip(*np.nonzero(codec.is_note(bar_PxS)), strict=True))


def found(tokens_NxPxT, *settings):
  return np.asarray(repeat.find(*repeat.overlaps(tokens_NxPxT, *settings)))


def shared(one, other):
  """How much of two sets is in both, in parts of 4096."""
  return 4096 * len(one & other) // max(len(one | other), 1)


@pytest.mark.parametrize('most', [1, 3, 9])
@pytest.mark.parametrize('codec', ['onset', 'velocity'])
def test_a_bar_repeats_the_one_most_like_it(codec, most):
  codec = Codec(codec, 60, 5)
  tokens_NxPxT = random_rolls(codec, 60, 32)
  found_NxL = found(tokens_NxPxT, 4, most, codec)
  lag_NxL, eighths_NxL = repeat.lag_of(found_NxL), np.asarray(repeat.eighths_of(found_NxL))
  for tokens_PxT, lag_L, eighths_L in zip(tokens_NxPxT, lag_NxL, eighths_NxL, strict=True):
    bars = [notes_of(codec, tokens_PxT, bar) for bar in range(8)]
    for bar, (lag_found, eighths) in enumerate(zip(lag_L, eighths_L, strict=True)):
      worth = {
        lag: 2 * shared(bars[bar], bars[bar - lag])
        + (shared(bars[bar - 1], bars[bar - 1 - lag]) if lag < bar else 0)
        for lag in range(1, min(most, bar) + 1)
        if shared(bars[bar], bars[bar - lag]) >= 2048
      }
      # Of equals the first, the newest.
      assert lag_found == max(worth, key=worth.get, default=0)
      common = shared(bars[bar], bars[bar - lag_found]) if lag_found else 0
      assert eighths == 8 * common // 4096
  assert len(np.unique(lag_NxL)) == min(most, 7) + 1
  assert set(np.unique(eighths_NxL)) == {0, *repeat.EIGHTHS}
  assert found_NxL.max() < repeat.num_repeats(most)


def test_what_is_to_come_repeats_nothing_and_changes_nothing():
  codec = Codec('onset', 60, 5)
  tokens_NxPxT = random_rolls(codec, 20, 32)
  unknown_NxPxT = np.where(np.arange(32) < 20, tokens_NxPxT, codec.unknown)
  found_NxL, until_NxL = (found(x, 4, 7, codec) for x in (tokens_NxPxT, unknown_NxPxT))
  np.testing.assert_array_equal(until_NxL[:, :5], found_NxL[:, :5])
  assert not np.any(until_NxL[:, 5:])


def model_of(name, **changes):
  patches, num_steps = ROLLS[name]
  config = models.tiny(patches, num_pitches=patches[0][0], repeats=3, **changes)
  return config, models.random_params(config, scale=0.2), num_steps


CASES = [
  ('bars', True, (1, 2), ()),
  ('bars', False, (), ()),
  ('steps', True, (), (61,)),
  ('steps', False, (1,), ()),
]


@pytest.mark.parametrize(('name', 'gate', 'densities', 'tops'), CASES)
def test_rolls_and_forms_sum_to_one_and_a_roll_is_scored_with_its_own(name, gate, densities, tops):
  config, params, num_steps = model_of(
    name, gate=gate, matches=int(gate), densities=densities, tops=tops
  )
  rolls_RxPxT, form_ZxL, prob_RxZ = models.joint_probability(config, params, num_steps)
  np.testing.assert_allclose(prob_RxZ.sum(), 1, atol=1e-5)
  steps = config.levels[0].patch[1]
  own_RxL = found(rolls_RxPxT, steps, 3, config.codec)
  if densities:
    count_RxL = (rolls_RxPxT > 0).sum(axis=1).reshape(*own_RxL.shape, steps).sum(axis=2)
    own_RxL = (len(densities) + 1) * own_RxL + np.minimum(count_RxL, len(densities))
  if tops:  # whether the upper of two pitches sounds
    own_RxL = 2 * own_RxL + rolls_RxPxT[:, 1].reshape(*own_RxL.shape, steps).max(axis=2)
  is_own_RxZ = (own_RxL[:, None] == form_ZxL).all(axis=2)
  crop = models.as_crop(rolls_RxPxT, config.halo, config.codec)
  nats_R = models.teacher_forced_nats(config, params, crop)
  np.testing.assert_allclose(np.exp(-nats_R), prob_RxZ[is_own_RxZ], rtol=1e-4)
  assert not config.exact
  np.testing.assert_allclose(-nats_R, models.log_probability(config, params, crop), atol=1e-4)


def test_notes_depend_on_what_is_said_to_repeat():
  config, params, num_steps = model_of('bars')
  _, repeat_ZxL, prob_RxZ = models.joint_probability(config, params, num_steps)
  # After two bars that are full, of which the second repeats none: the last one, if it sounds.
  last_3xZ = prob_RxZ[-3:, (repeat_ZxL[:, 1] == 0)]
  assert last_3xZ.shape == (3, 11)
  assert np.ptp(last_3xZ / last_3xZ.sum(axis=0), axis=1).max() > 0.02


def test_patches_are_told_what_they_repeat():
  config, params, num_steps = model_of('bars')
  crop = models.as_crop(np.ones((1, 1, num_steps)), config.halo, config.codec)
  repeat_1xL = np.array([[0, 2, 0]])  # five eighths of the bar before

  def notes_nats(params):
    losses = Fractal(config).apply(params, crop, False, said={'form': repeat_1xL})
    return losses[1].nats

  gradient = jax.jit(jax.grad(notes_nats))(params)['params']['splits_0']['place']['form']
  for name, rows in (('lag', [0, 1]), ('eighths', [0, 5])):
    changes_K = np.any(gradient[name]['embedding'], axis=1)
    np.testing.assert_array_equal(np.flatnonzero(changes_K), rows)


def test_the_form_hears_no_notes():
  config, params, num_steps = model_of('bars')
  rolls_RxPxT = models.all_rolls(1, num_steps)
  crop = models.as_crop(rolls_RxPxT, config.halo, config.codec)
  region = whole_roll(crop, config)
  region = region.replace(repeat_NxL=np.tile([0, 2, 6], (len(rolls_RxPxT), 1)))
  logits_NxLxK = Fractal(config).apply(params, 'form', region, method='bar_logits')
  assert np.ptp(logits_NxLxK, axis=0).max() == 0 and np.ptp(logits_NxLxK[0, 2, :6]) > 0.1


def test_whether_a_bar_repeats_any_does_not_depend_on_how_many_there_are():
  config = models.tiny(((2, 2), (1, 1)), repeats=6)
  params = jax.tree.map(np.zeros_like, models.random_params(config))
  bias_K = params['params']['form']['out']['bias']
  bias_K[:] = np.random.default_rng(0).standard_normal(len(bias_K))
  bias_K[0] = np.log(3)
  region = models.random_region(config, 0, num_steps=20, num=1)
  logits_1xLxK = Fractal(config).apply(params, 'form', region, method='bar_logits')
  prob_LxR = np.asarray(jax.nn.softmax(logits_1xLxK))[0]
  np.testing.assert_allclose(prob_LxR[:, 0], [1] + [0.75] * 9, rtol=1e-5)
  # As many ids of each lag, of those bars that there are.
  assert np.count_nonzero(prob_LxR, axis=1).tolist() == [1 + 5 * min(bar, 6) for bar in range(10)]


@pytest.mark.parametrize('lag', [1, 2])
def test_how_much_is_repeated_is_told_at_every_level(lag):
  config = models.tiny(((2, 2), (2, 1), (1, 1)), num_pitches=2, repeats=3, echoes=(4,))
  tokens = np.ones((1, 2, 6))
  region = whole_roll(models.as_crop(tokens, config.halo, config.codec), config)
  for eighths in repeat.EIGHTHS:
    each = region.replace(repeat_NxL=np.array([[0, 0, repeat.id_of(lag, eighths)]]))
    for level in config.levels[:-1]:
      grid = make_grid(each.size, level.patch, level.scan)
      last_C = np.array([each.row_N.shape[0] * len(grid) - 1])
      cond_CxD = np.zeros((1, 1))
      each = models.children_of(each, grid, each.canvas_NxQxW, last_C, cond_CxD, config, level)
      assert each.memory.trust_NxE[0, 1] // NUM_LIKENESSES == eighths


@pytest.mark.parametrize('echoes', [(), (5,), (40,)])
def test_a_repeat_is_an_echo_of_the_bar_that_is_repeated(echoes):
  config = models.tiny(((5, 4), (5, 1), (1, 1)), None, 5, 'onset', halo=3, echoes=echoes, repeats=7)
  codec = config.codec
  tokens_NxPxT = random_rolls(codec, 3, 32)
  region = whole_roll(models.as_crop(tokens_NxPxT, 3, codec), config)
  grid = make_grid(region.size, (5, 4), 'time')
  cond_CxD = np.zeros((24, 1))
  bars = models.children_of(
    region, grid, region.canvas_NxQxW, np.arange(24), cond_CxD, config, config.levels[0]
  )
  lag_C = repeat.lag_of(found(tokens_NxPxT, 4, 7, codec)).reshape(-1)
  assert 0 < (lag_C > 0).sum() < 24
  around = ((0, 0), (ECHO_PITCHES, ECHO_PITCHES), (32, 0))
  padded_NxQxW = np.pad(tokens_NxPxT, around, constant_values=codec.outside)
  for c, lag in enumerate(lag_C):
    begin = 32 + 4 * (c % 8 - lag)
    columns = slice(begin - steps_before(3), begin + 4 + ECHO_STEPS)
    want_QxW = padded_NxQxW[c // 8, :, columns].copy()
    if lag == 1:
      want_QxW[:, -ECHO_STEPS:] = codec.unknown
    if not lag:
      want_QxW = np.full_like(want_QxW, codec.outside)
    np.testing.assert_array_equal(bars.memory.echo_NxExQxW[c, len(echoes)], want_QxW)
