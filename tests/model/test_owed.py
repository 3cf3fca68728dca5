"""What bars owe to those that they repeat: as defined, told to every level, learned by its rows."""

import itertools
import math

import jax
import numpy as np
import pytest

import models
from fractaljax.model import owed
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import hide, whole_roll
from fractaljax.model.repeat import EIGHTHS, id_of, lag_of
from fractaljax.music.codec import NUM_KINDS

# Bars, steps, registers, pitches.
PATCHES = (4, 4), (4, 1), (2, 1), (1, 1)


def model(generators=None, **changes):
  return models.tiny(PATCHES, generators, 4, 'onset', repeats=3, **changes)


def random_rolls(config, num=5, num_steps=16, share=0.4):
  """Rolls of which some bars resemble those before them."""
  rng = np.random.default_rng(0)
  shape = (num, config.codec.num_pitches, num_steps)
  tokens_NxPxT = rng.integers(1, config.codec.num_values, shape) * (rng.random(shape) < share)
  tokens_NxPxT[:3, :, 4:8] = tokens_NxPxT[:3, :, :4]
  tokens_NxPxT[1, 0, 4:8] = config.codec.num_values - 1
  tokens_NxPxT[:, :, 12:] = tokens_NxPxT[:, :, 4:8]
  tokens_NxPxT[:, 3, 12:14] = 0
  return tokens_NxPxT


def bars_before(region):
  """For each bar of rolls the one that it repeats: index, or None."""
  lag_NxL = np.asarray(lag_of(region.repeat_NxL))
  return [[b - lag if lag else None for b, lag in enumerate(lag_L)] for lag_L in lag_NxL]


def test_bars_owe_what_their_form_says():
  config, edges = model(densities=(1, 5, 9)), np.array([0, 2, 6, 9])
  for density, eighths in itertools.product(range(4), EIGHTHS):
    for there in range(1, 17):
      roll_1xPxT = np.zeros((1, 4, 4), int)
      roll_1xPxT.reshape(-1)[:there] = config.codec.num_values - 1
      id_1 = np.array([id_of(2, eighths)])
      found = owed.of_bars(id_1, roll_1xPxT, np.array([density]), config)
      num_there, both, new = np.asarray(found)[0].tolist()
      share = min(eighths + 0.5, 8) / 8
      # Never fewer than the share of them, nor so many that this would be less than the share.
      fewest, most = math.ceil(there * share), int(there / share)
      assert both + new == np.clip(edges[density], fewest, most)
      assert num_there == there and 0 <= both <= there and new >= 0
      # What both have in common is the share of what either has, up to half a note.
      assert abs(both - share * (both + new + there) / (1 + share)) <= 0.5
      plain = np.asarray(owed.of_bars(id_1, roll_1xPxT, None, config))[0]
      assert plain[1:].sum() == there and abs(plain[1] - share * 2 * there / (1 + share)) <= 0.5
  nothing = owed.of_bars(np.zeros(1, int), np.zeros((1, 4, 4), int), np.array([3]), config)
  assert not np.any(nothing)


@pytest.mark.parametrize('generator', ['ar', 'mar'])
def test_every_patch_is_told_what_its_bar_owes_before_it(generator):
  config = model(('ar', generator, 'ar', 'ar'), densities=(1, 5, 9))
  codec, tokens_NxPxT = config.codec, random_rolls(model())
  region = whole_roll(models.as_crop(tokens_NxPxT, config.halo, codec), config)
  bar_C, rng = [(n, bar) for n in range(5) for bar in range(4)], np.random.default_rng(1)
  then_NxL, seen_CxPxT = bars_before(region), None
  assert sum(then is not None for then_L in then_NxL for then in then_L) > 4
  is_note_NxPxT, at_first = np.asarray(codec.is_note(tokens_NxPxT)), None
  for index, level in enumerate(config.levels[:-1]):
    grid = make_grid(region.size, level.patch, level.scan)
    seen_NxQxW = region.canvas_NxQxW
    if not level.causal:
      hidden_NxL = rng.random((region.row_N.shape[0], len(grid))) < 0.5
      seen_NxQxW = hide(region, grid, hidden_NxL, codec)
    if index == 1:
      seen_CxPxT = np.asarray(region.inner(seen_NxQxW))
    flat_C = np.arange(region.row_N.shape[0] * len(grid))
    if index:
      bar_C = [bar_C[n] for n in flat_C // len(grid)]
    cond_CxD = np.zeros((len(flat_C), 1))
    region = models.children_of(region, grid, seen_NxQxW, flat_C, cond_CxD, config, level)
    found_Cx3 = np.asarray(region.owed_Nx3)
    at_first = found_Cx3 if at_first is None else at_first
    row_C, col_C = np.asarray(region.row_N), np.asarray(region.col_N)
    for c, (n, bar) in enumerate(bar_C):
      then = then_NxL[n][bar]
      there_PxT = np.zeros((4, 4), bool)
      if then is not None:
        there_PxT = is_note_NxPxT[n][:, 4 * then : 4 * then + 4]
      wanted = at_first[4 * n + bar]
      assert wanted[0] == there_PxT.sum()
      if index:
        known_PxT = seen_CxPxT[4 * n + bar] != codec.unknown
        here_PxT = np.asarray(codec.is_note(seen_CxPxT[4 * n + bar]))
        # Of its own step what is below it is there, whatever the level above saw.
        row, step = row_C[c], col_C[c] - 4 * bar
        known_PxT[:, step], here_PxT[:, step] = True, is_note_NxPxT[n][:, 4 * bar + step]
        is_before_PxT = np.arange(4) < np.full((4, 1), step)
        is_before_PxT[:row, step] = True
        wanted = wanted - [
          (there_PxT & known_PxT & is_before_PxT).sum(),
          (there_PxT & here_PxT & is_before_PxT).sum(),
          (here_PxT & ~there_PxT & is_before_PxT).sum(),
        ]
      np.testing.assert_array_equal(found_Cx3[c], wanted)


def test_what_is_owed_is_told_as_a_share_of_what_is_left():
  config = model()
  region = models.random_region(config, 3, num=6)
  owed_Nx3 = np.array([[0, 2, 0], [4, 2, 1], [4, 4, 2], [3, -1, 5], [2, 5, 6], [8, 3, 30]])
  silence_NxQxW = np.zeros_like(region.canvas_NxQxW)
  echo_NxExQxW = np.zeros_like(region.memory.echo_NxExQxW)
  region = region.replace(
    owed_Nx3=owed_Nx3,
    canvas_NxQxW=silence_NxQxW,
    memory=region.memory.replace(echo_NxExQxW=echo_NxExQxW),
  )
  grid = make_grid(region.size, (1, 1), 'time')
  id_NxL = np.asarray(owed.ids(region, silence_NxQxW, grid, config))
  np.testing.assert_array_equal(id_NxL[:, 0], id_NxL[:, 1])
  # None is left; a half, all, none, more than all, three eighths of what is left.
  assert (id_NxL[:, 0] // owed.NUM_NEW).tolist() == [9, 4, 8, 0, 8, 3]
  assert (id_NxL[:, 0] % owed.NUM_NEW).tolist() == [0, 1, 2, 4, 5, 6]


def test_the_logits_are_those_of_what_is_owed_and_what_is_there():
  config = model()
  codec, params = config.codec, models.random_params(config, scale=0.3)
  roll_PxT = random_rolls(config)[1]
  crop = models.as_crop(roll_PxT[None], config.halo, codec)
  assert np.all((roll_PxT > 0).reshape(4, 4, 4).any(axis=(0, 2)))
  assert not np.all((roll_PxT > 0).any(axis=0))

  @models.quick_jit
  @jax.grad
  def gradient(params):
    return sum(loss.nats for loss in Fractal(config).apply(params, crop, False))

  splits = gradient(params)['params']

  def found(table):
    """The rows that are used, by level."""
    tables = {index: splits[f'splits_{index}']['owed'][table]['embedding'] for index in (1, 3)}
    return {index: set(np.flatnonzero(np.any(x, axis=1))) for index, x in tables.items()}

  region = whole_roll(crop, config)
  (then_L,), kinds = bars_before(region), np.asarray(codec.kinds())
  again, new = {1: set(), 3: set()}, {1: set(), 3: set()}
  for bar, step in itertools.product(range(4), range(4)):
    here_PxS = roll_PxT[:, 4 * bar : 4 * bar + 4]
    there_PxS = np.full((4, 4), codec.outside)
    if then_L[bar] is not None:
      there_PxS = roll_PxT[:, 4 * then_L[bar] : 4 * then_L[bar] + 4]
    is_here_PxS, is_there_PxS = (np.asarray(codec.is_note(x)) for x in (here_PxS, there_PxS))
    said = np.asarray(owed.of_bars(region.repeat_NxL[:, bar], there_PxS[None], None, config))[0]

    def add(index, rows, first, given=(is_here_PxS, is_there_PxS, there_PxS, said), step=step):
      """A patch that was decided: the rows by what was before it."""
      is_here_PxS, is_there_PxS, there_PxS, (left, due, others) = given
      is_before_PxS = np.arange(4) < np.full((4, 1), step)
      is_before_PxS[:first, step] = True
      left -= (is_there_PxS & is_before_PxS).sum()
      due -= (is_there_PxS & is_here_PxS & is_before_PxS).sum()
      others -= (is_here_PxS & ~is_there_PxS & is_before_PxS).sum()
      share = np.clip(8 * due // left, 0, 8) if left > 0 else 9
      kind = kinds[there_PxS[rows, step]].max()
      again[index].add(int(share * NUM_KINDS + kind))
      more = sum(others >= edge for edge in owed.NEW)
      new[index].add(int((more * NUM_KINDS + kind) * 4 + step))

    add(1, range(4), 0)
    for pitch in range(4):
      register = pitch // 2 * 2
      if np.any(here_PxS[register : register + 2, step]):
        add(3, [pitch], pitch)
  assert found('again') == again and found('new') == new


def test_what_is_owed_is_heard_at_every_level_below_bars():
  config = model()
  params = models.random_params(config)
  for index in (1, 2, 3):
    region = models.random_region(config, index)

    @models.quick_jit
    def logits(owed_Nx3, region=region, index=index):
      told = region.replace(owed_Nx3=owed_Nx3)
      return Fractal(config).apply(params, index, told, told.canvas_NxQxW, method='predict')[0]

    plain, other = (logits(region.owed_Nx3 + np.array([0, 0, more])) for more in (0, 9))
    assert np.all(np.any(np.asarray(plain != other), axis=1))
