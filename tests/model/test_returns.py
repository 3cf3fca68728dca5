"""What returns: found as defined, decided after the form and before the notes, and told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model import repeat, reprise, returns
from fractaljax.model.form import with_form
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import whole_roll
from fractaljax.model.trust import NUM_LIKENESSES

# What was 4 and 8 steps before: two bars, and four.
PATCHES, ECHOES = ((2, 2), (2, 1), (1, 1)), (4, 8)
CONFIG = models.tiny(PATCHES, repeats=20, densities=(1, 3), echoes=ECHOES, returns=True)
ROLLS = models.tiny(
  ((2, 1), (1, 1)), repeats=2, densities=(1,), echoes=(2, 3), returns=True, chords=True
)


def region_of(return_NxL, **changes):
  """Whole rolls with these returns, dense ones, in which nothing repeats what is not there."""
  region = models.random_region(CONFIG, 0, num_steps=2 * return_NxL.shape[1], num=len(return_NxL))
  lag_NxL = np.minimum(repeat.lag_of(region.repeat_NxL), np.arange(return_NxL.shape[1]))
  repeat_NxL = jnp.where(lag_NxL > 0, repeat.id_of(lag_NxL, 5), 0)
  fields = {
    'return_NxL': jnp.asarray(return_NxL),
    'repeat_NxL': repeat_NxL,
    'density_NxL': jnp.full_like(repeat_NxL, 2),
  }
  return region.replace(**{**fields, **changes})


@jax.jit
def logits_of(params, region):
  return Fractal(CONFIG).apply(params, 'reprise', region, method='bar_logits')


def some_returns(num=2, num_bars=20):
  return np.random.default_rng(0).integers(0, returns.num_ids(CONFIG), (num, num_bars))


def eighths_of(id_x):
  return np.asarray(returns.eighths_of(np.asarray(id_x), CONFIG))


def test_every_return_is_an_id():
  id_Z = np.arange(returns.num_ids(CONFIG))
  assert len(np.unique(eighths_of(id_Z), axis=0)) == len(id_Z) == 81
  np.testing.assert_array_equal(returns.id_of(eighths_of(id_Z)), id_Z)


def test_what_returns_is_the_share_of_the_notes_that_two_bars_have_in_common():
  config = models.tiny(((3, 4), (3, 1), (1, 1)), None, 3, 'onset', repeats=1, echoes=(8, 12),
                       returns=True)  # fmt: skip
  rng = np.random.default_rng(0)
  tokens_NxPxT = rng.integers(1, 34, (400, 3, 24)) * (rng.random((400, 3, 24)) < 0.7)
  # Bars 3 and 4 come from those three before, the last from that two before.
  for first, end, lag in (12, 20, 12), (20, 24, 8):
    is_kept_NxPxS = rng.random((400, 3, end - first)) < rng.random((400, 1, 1))
    then_NxPxS = tokens_NxPxT[:, :, first - lag : end - lag]
    tokens_NxPxT[:, :, first:end] = np.where(is_kept_NxPxS, then_NxPxS, 0)
  tokens_NxPxT[::7, :, 16:] = 0
  found_NxLxE = eighths_of(returns.of_rolls(tokens_NxPxT, config))
  for tokens_PxT, found_LxE in zip(tokens_NxPxT, found_NxLxE, strict=True):
    bars = [
      set(zip(*np.nonzero(config.codec.is_note(tokens_PxT[:, 4 * bar : 4 * bar + 4])), strict=True))
      for bar in range(6)
    ]
    for bar, e in np.ndindex(6, 2):
      then = bars[bar - (2, 3)[e]] if bar >= (2, 3)[e] else set()
      share = len(bars[bar] & then) / max(len(bars[bar] | then), 1)
      assert found_LxE[bar, e] == int(8 * share)
  assert all(set(np.unique(found_NxLxE[..., e])) == set(range(9)) for e in range(2))


def test_nothing_returns_of_what_is_before_the_roll():
  logits_NxLxZ = logits_of(models.random_params(CONFIG), region_of(some_returns()))
  prob_NxLxZ = np.asarray(jax.nn.softmax(logits_NxLxZ))
  for e, lag in enumerate(returns.lags(CONFIG)):
    is_more_Z = eighths_of(np.arange(81))[:, e] > 0
    assert np.all(prob_NxLxZ[:, :lag, is_more_Z] == 0)
    assert np.all(prob_NxLxZ[:, lag:, is_more_Z].sum(axis=2) > 0)


def test_tables_are_of_what_is_repeated_and_of_the_densities():
  params = jax.tree.map(np.zeros_like, models.random_params(CONFIG))
  tables = params['params']['reprise']
  repeat_1xL, density_1xL = np.zeros((1, 20), int), np.full((1, 20), 2)
  repeat_1xL[0, [11, 13]] = repeat.id_of(2, 7), repeat.id_of(7, 5)
  density_1xL[0, 14] = 1
  not_said = reprise.NUM_BETWEEN - 1
  # Seven eighths of a bar that has none of the echo's; five of any.
  tables['like'][1, 1 + 3 * reprise.NUM_BETWEEN, 0] = 2.0
  tables['like'][1, 1 + 1 * reprise.NUM_BETWEEN + not_said, 4] = 1.0
  tables['density'][1, 2, 1, 2] = 3.0
  region = region_of(np.zeros((1, 20), int), repeat_NxL=repeat_1xL, density_NxL=density_1xL)
  found_LxZ = np.asarray(logits_of(params, region))[0, 8:]
  eighths_Z = eighths_of(np.arange(81))[:, 1]
  want = {11: (0, 2.0), 13: (4, 1.0), 14: (2, 3.0)}
  for bar, found_Z in enumerate(found_LxZ, 8):
    which, value = want.get(bar, (0, 0.0))
    can_be_Z = found_Z > -1e8
    np.testing.assert_array_equal(
      found_Z[can_be_Z], np.where(eighths_Z == which, value, 0.0)[can_be_Z]
    )


def test_what_two_bars_have_in_common_is_known_if_one_is_an_echo_of_the_other():
  # Echoes of two and of four bars before.
  eighths_LxE = np.array([[0, 0], [0, 0], [1, 0], [2, 0], [3, 1], [4, 2], [0, 3], [1, 4]])
  region = region_of(returns.id_of(eighths_LxE)[None])
  unknown = reprise.NUM_BETWEEN - 1
  lag_1xL = np.array([[0, 1, 1, 2, 4, 4, 6, 6]])
  found_L = np.asarray(reprise.between(region, 0, jnp.asarray(lag_1xL), CONFIG))[0]
  # Bar 4: of bars 2 and 0. Bar 5: of 3 and 1. Bar 6: 4 and 0, the other echo. Bar 7: 5 and 1.
  assert found_L.tolist() == [unknown] * 4 + [1, 2, 1, 2]
  found_L = np.asarray(reprise.between(region, 1, jnp.full((1, 8), 2), CONFIG))[0]
  assert found_L.tolist() == [unknown] * 4 + [1, 2, 3, 4]


def test_two_echoes_are_decided_by_what_their_bars_have_in_common():
  params = jax.tree.map(np.zeros_like, models.random_params(CONFIG))
  params['params']['reprise']['pair'][0, 3, 2, 1] = 1.0
  eighths_LxE = np.zeros((12, 2), int)
  eighths_LxE[[5, 8], 0] = 3
  # Bars 5 and 8 have as much in common with those two before: so asked are 7 and 10.
  repeat_1xL = np.full((1, 12), repeat.id_of(1, 5)) * (np.arange(12) > 0)
  region = region_of(returns.id_of(eighths_LxE)[None], repeat_NxL=repeat_1xL)
  found_LxZ = np.asarray(logits_of(params, region))[0]
  wanted = [[bar, returns.id_of(np.array([2, 1]))] for bar in (7, 10)]
  assert np.argwhere(found_LxZ == 1).tolist() == wanted
  assert np.all(found_LxZ[found_LxZ > -1e8] <= 1)


def test_no_return_that_a_form_excludes_has_any_probability_and_all_that_notes_have_do():
  rng = np.random.default_rng(0)
  tokens_NxPxT = rng.integers(0, 2, (400, 2, 24))
  # Bars that come again as they were, or nearly.
  for _ in range(3):
    bar, lag = rng.integers(4, 12, 400), rng.integers(1, 5, 400)
    for n in range(400):
      now, then = 2 * bar[n], 2 * (bar[n] - lag[n])
      tokens_NxPxT[n, :, now : now + 2] = tokens_NxPxT[n, :, then : then + 2]
  config = models.tiny(PATCHES, repeats=3, densities=(1, 4), echoes=(4, 6, 8), returns=True)
  region = whole_roll(models.as_crop(tokens_NxPxT, config.halo, config.codec), config)
  eighths_NxLxE, may_be = np.asarray(returns.eighths_of(region.return_NxL, config)), []
  for e, lag in enumerate(returns.lags(config)):
    may_be_NxLxK = np.asarray(reprise.possible(region, lag, config))
    assert np.take_along_axis(may_be_NxLxK, eighths_NxLxE[..., e : e + 1], axis=2).all()
    assert may_be_NxLxK.any(axis=2).all()
    may_be.append(may_be_NxLxK)
  is_none_NxL, lag_NxL = region.repeat_NxL == 0, np.asarray(repeat.lag_of(region.repeat_NxL))
  assert np.all(may_be[0][is_none_NxL][:, 4:] == 0)  # half or more would be a repeat
  assert np.all(may_be[0][lag_NxL == 2].sum(axis=1) == 1)  # just what was said
  assert np.all(may_be[1][lag_NxL == 3].sum(axis=1) == 1)
  # Too far back to be repeated: as much as the densities allow.
  density_NxL, is_first_L = np.asarray(region.density_NxL), np.arange(12) < 4
  then_NxL = np.where(is_first_L, 0, np.roll(density_NxL, 4, axis=1))
  most_NxL = np.array([[0, 0, 0], [0, 8, 6], [0, 6, 8]])[then_NxL, density_NxL]
  np.testing.assert_array_equal(may_be[2].sum(axis=2), 1 + most_NxL)


def test_how_much_returns_is_told_at_every_level():
  region = whole_roll(models.as_crop(np.ones((1, 2, 10)), CONFIG.halo, CONFIG.codec), CONFIG)
  for id_ in range(returns.num_ids(CONFIG)):
    each = region.replace(return_NxL=np.array([[0, 0, 0, 0, id_]]))
    for level in CONFIG.levels[:-1]:
      grid = make_grid(each.size, level.patch, level.scan)
      last_C, cond_CxD = np.array([each.row_N.shape[0] * len(grid) - 1]), np.zeros((1, 1))
      each = models.children_of(each, grid, each.canvas_NxQxW, last_C, cond_CxD, CONFIG, level)
      told_E = np.asarray(each.memory.trust_NxE)[0, :2] // NUM_LIKENESSES
      np.testing.assert_array_equal(told_E, eighths_of(id_))


def test_bars_hear_what_returns_in_them():
  params, return_NxL = models.random_params(CONFIG), some_returns()
  other_NxL = return_NxL.copy()
  other_NxL[:, 5] = (other_NxL[:, 5] + 7) % 81

  @jax.jit
  def place(region):
    return Fractal(CONFIG).apply(params, 0, region, method='place')

  plain, other = (np.asarray(place(region_of(x_NxL))) for x_NxL in (return_NxL, other_NxL))
  assert np.flatnonzero(np.any(plain != other, axis=(0, 2))).tolist() == [5]


@pytest.mark.parametrize('index', [1, 2])
def test_levels_below_hear_it(index):
  params, rng = models.random_params(CONFIG), np.random.default_rng(0)
  tokens_NxPxT = (rng.random((3, 2, 16)) < 0.5).astype(np.int32)
  crop = models.as_crop(tokens_NxPxT, CONFIG.halo, CONFIG.codec)
  nats = jax.jit(lambda return_NxL: [
    loss.nats
    for loss in Fractal(CONFIG).apply(params, crop, False, said={'reprise': return_NxL})
  ])  # fmt: skip
  own_NxL = returns.of_rolls(tokens_NxPxT, CONFIG)
  # Of the last bar, so that no other return follows it.
  other_NxL = own_NxL.at[:, -1].set((own_NxL[:, -1] + 7) % 81)
  assert nats(own_NxL)[index] != nats(other_NxL)[index]


def test_harmony_has_a_table_of_the_chords_that_return():
  config = models.tiny(PATCHES, repeats=2, echoes=ECHOES, returns=True, chords=True)
  params = jax.tree.map(np.zeros_like, models.random_params(config))
  params['params']['harmony']['returning'][1, 3, 7, 5] = 1.0
  chord_1xL, return_1xL = np.zeros((1, 12), int), np.zeros((1, 12), int)
  chord_1xL[0, 4] = chord_1xL[0, 5] = 7
  return_1xL[0, [8, 10]] = returns.id_of(np.array([1, 3]))
  region = models.random_region(config, 0, num_steps=24, num=1)
  region = region.replace(chord_NxL=jnp.asarray(chord_1xL), return_NxL=jnp.asarray(return_1xL))
  logits_LxK = Fractal(config).apply(params, 'harmony', region, method='bar_logits')[0]
  assert np.argwhere(np.asarray(logits_LxK)).tolist() == [[8, 5]]


def test_the_harmony_hears_what_returns():
  config = models.tiny(PATCHES, repeats=2, echoes=ECHOES, returns=True, chords=True)
  params = models.random_params(config)
  params['params']['harmony']['returning'][:] = 0
  region = models.random_region(config, 0, num_steps=24, num=1)
  other_NxL = region.return_NxL.at[0, 7].set((region.return_NxL[0, 7] + 7) % 81)
  plain, other = (
    np.asarray(Fractal(config).apply(params, 'harmony', each, method='bar_logits'))
    for each in (region, region.replace(return_NxL=other_NxL))
  )
  is_same_L = (plain == other).all(axis=(0, 2))
  assert np.all(is_same_L[:7]) and not is_same_L[7]


def test_rolls_sum_to_one_whatever_is_said_to_return():
  params = models.random_params(ROLLS, scale=0.2)
  rolls_RxPxT = models.all_rolls(2, 4)
  crop = models.as_crop(rolls_RxPxT, ROLLS.halo, ROLLS.codec)
  form_L, chord_L = np.array([1, 3, 3, 5]), np.array([3, 20, 4, 8])

  @jax.jit
  @jax.vmap
  def nats_of(return_L):
    def one(crop):
      crop_1 = jax.tree.map(lambda x: x[None], crop)
      asked = {'form': form_L[None], 'reprise': return_L[None], 'harmony': chord_L[None]}
      return sum(loss.nats for loss in Fractal(ROLLS).apply(params, crop_1, False, said=asked))

    return jax.vmap(one)(crop)

  # Of the last bar all returns: those of all rolls together, with each of them.
  return_ZxL = np.stack([np.zeros(81, int), np.zeros(81, int), np.full(81, 2), np.arange(81)], 1)
  prob_ZxR = np.exp(-np.asarray(nats_of(return_ZxL), np.float64))
  logp_Z = said_before(params, form_L, return_ZxL, chord_L)
  np.testing.assert_allclose(prob_ZxR.sum(axis=1), np.exp(logp_Z), rtol=1e-4)
  # They do depend on it.
  assert np.ptp(prob_ZxR / prob_ZxR.sum(axis=1, keepdims=True), axis=0).max() > 0.01


def said_before(params, form_L, return_ZxL, chord_L) -> np.ndarray:
  """Log probabilities of what is said of bars before there is a note, (Z,)."""
  crop = models.as_crop(np.zeros((1, 2, 4)), ROLLS.halo, ROLLS.codec)

  @jax.jit
  @jax.vmap
  def logps(return_L):
    region = with_form(whole_roll(crop, ROLLS), form_L[None], ROLLS)
    region = region.replace(return_NxL=return_L[None], chord_NxL=jnp.asarray(chord_L)[None])
    total = 0.0
    for name, id_L in ('form', form_L), ('reprise', return_L), ('harmony', chord_L):
      logits_1xLxK = Fractal(ROLLS).apply(params, name, region, method='bar_logits')
      total += jax.nn.log_softmax(logits_1xLxK)[0, np.arange(4), id_L].sum()
    return total

  return np.asarray(logps(return_ZxL), np.float64)


@pytest.mark.parametrize('echoes', [(4,), (4, 6, 8)])
def test_any_number_of_echoes_has_parameters_that_can_be_saved(echoes):
  config = models.tiny(PATCHES, repeats=3, echoes=echoes, returns=True)
  shapes = jax.tree.leaves(models.shapes_of_params(config))
  assert all(shape.size for shape in shapes)  # checkpoints refuse empty arrays
