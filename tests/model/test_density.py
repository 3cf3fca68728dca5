"""How dense bars are: counted as defined, told to every level, kept to themselves by the form."""

import itertools

import jax
import numpy as np
import pytest

import models
from fractaljax.model import density, room
from fractaljax.model.form import form_of, num_ids, with_form
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import hide, whole_roll

EDGES = 1, 3, 5
# Bars, steps, registers, pitches.
PATCHES = (4, 4), (4, 1), (2, 1), (1, 1)


def model(**changes):
  return models.tiny(PATCHES, None, 4, 'onset', repeats=3, densities=EDGES, **changes)


def random_rolls(config, num=5, num_steps=16, share=0.3):
  rng = np.random.default_rng(0)
  shape = (num, config.codec.num_pitches, num_steps)
  tokens_NxPxT = rng.integers(1, config.codec.num_values, shape)
  return np.where(rng.random(shape) < share, tokens_NxPxT, 0)


def num_notes(config, tokens_PxT):
  return int(config.codec.is_note(tokens_PxT).sum())


def test_a_density_is_how_many_edges_the_notes_of_a_bar_reach():
  config = model()
  tokens_NxPxT = random_rolls(config)
  tokens_NxPxT[0, :, 4:8] = 0
  tokens_NxPxT[1, :, 8:] = config.codec.unknown
  found_NxL = np.asarray(density.of_rolls(tokens_NxPxT, config))
  for tokens_PxT, found_L in zip(tokens_NxPxT, found_NxL, strict=True):
    counts = [num_notes(config, tokens_PxT[:, t : t + 4]) for t in range(0, 16, 4)]
    assert found_L.tolist() == [sum(count >= edge for edge in EDGES) for count in counts]
  assert set(found_NxL.ravel()) == {0, 1, 2, 3}


def test_bars_have_no_more_in_common_than_their_densities_allow():
  # None; one or two; three or four; five or six, which are all cells.
  config = models.tiny(((3, 2), (1, 1)), repeats=1, num_pitches=3, densities=EDGES)
  most_BxB = np.zeros((4, 4), int)
  for here, then in itertools.product(range(7), repeat=2):
    for both in range(min(here, then) + 1):
      bins = tuple(sum(count >= edge for edge in EDGES) for count in (here, then))
      most_BxB[bins] = max(most_BxB[bins], 8 * both // max(here + then - both, 1))
  np.testing.assert_array_equal(density.most_eighths(config), most_BxB)


@pytest.mark.parametrize('generator', ['ar', 'mar'])
def test_every_patch_is_told_the_density_of_its_bar_and_the_notes_before_it(generator):
  config = models.tiny(
    PATCHES, ('ar', generator, 'ar', 'ar'), 4, 'onset', repeats=3, densities=EDGES
  )
  tokens_NxPxT = random_rolls(config)
  region = whole_roll(models.as_crop(tokens_NxPxT, config.halo, config.codec), config)
  densities_NxL, rng = np.asarray(region.density_NxL), np.random.default_rng(1)
  bar_C = [(n, bar) for n in range(5) for bar in range(4)]
  is_note_NxPxT, is_seen_CxPxT = np.asarray(config.codec.is_note(tokens_NxPxT)), None
  for index, level in enumerate(config.levels[:-1]):
    grid = make_grid(region.size, level.patch, level.scan)
    seen_NxQxW = region.canvas_NxQxW
    if not level.causal:
      hidden_NxL = rng.random((region.row_N.shape[0], len(grid))) < 0.5
      seen_NxQxW = hide(region, grid, hidden_NxL, config.codec)
    if index == 1:
      is_seen_CxPxT = np.asarray(config.codec.is_note(region.inner(seen_NxQxW)))
    flat_C = np.arange(region.row_N.shape[0] * len(grid))
    parent_C = flat_C // len(grid)
    if index:
      bar_C = [bar_C[n] for n in parent_C]
    cond_CxD = np.zeros((len(flat_C), 1))
    region = models.children_of(region, grid, seen_NxQxW, flat_C, cond_CxD, config, level)
    assert region.density_NxL[:, 0].tolist() == [densities_NxL[each] for each in bar_C]
    count_C, row_C, col_C = map(np.asarray, (region.count_N, region.row_N, region.col_N))
    for c, (n, bar) in enumerate(bar_C):
      if not index:
        assert count_C[c] == 0
        continue
      row, step = row_C[c], col_C[c] - 4 * bar
      before = is_seen_CxPxT[4 * n + bar][:, :step].sum()
      assert count_C[c] == before + is_note_NxPxT[n, :row, 4 * bar + step].sum()


def test_the_room_is_of_the_density_and_the_notes_until_the_last_edge():
  config = model()
  region = models.random_region(config, 1, num=24)
  # As many notes in the steps before as there are in all of one.
  region = region.replace(
    density_NxL=np.arange(24)[:, None] % 4,
    count_N=np.arange(24) // 4,
    canvas_NxQxW=np.full_like(region.canvas_NxQxW, config.codec.num_values - 1),
  )
  grid = make_grid(region.size, (4, 1), 'time')
  id_NxL = np.asarray(room.ids(region, region.canvas_NxQxW, grid, config))
  assert room.num_ids(config) == 24
  # Of the first step all of them, of each later one those of a bar with so many notes.
  assert sorted(id_NxL[:, 0]) == list(range(24))
  for step in range(4):
    now_N = np.minimum(region.count_N + 4 * step, 5)
    np.testing.assert_array_equal(id_NxL[:, step], 6 * region.density_NxL[:, 0] + now_N)


def test_what_is_left_is_the_room_below_the_next_edge():
  config = model()
  left_DxC = np.asarray(room.left_of(np.arange(24).reshape(4, 6), config))
  # Densities of no notes, of 1 and 2, of 3 and 4, of 5 or more; with 0 to 5 notes until now.
  assert left_DxC[:3].tolist() == [[1, 0, 0, 0, 0, 0], [3, 2, 1, 0, 0, 0], [5, 4, 3, 2, 1, 0]]
  # Of the last, what it asks for, apart from all others: from 5 more to none.
  assert left_DxC[3].tolist() == [11, 10, 9, 8, 7, 6] and room.num_lefts(config) == 12


def test_the_logits_of_a_room_are_those_of_its_step_of_the_bar(no_limits):
  config = model()
  params = models.random_params(config, scale=0.3)
  roll_PxT = random_rolls(config, 1)[0]
  crop = models.as_crop(roll_PxT[None], config.halo, config.codec)
  # Every bar sounds, and so all their steps are decided; of these some are silent.
  assert np.all((roll_PxT > 0).reshape(4, 4, 4).any(axis=(0, 2)))
  assert not np.all((roll_PxT > 0).any(axis=0))

  @jax.jit
  @jax.grad
  def gradient(params):
    return sum(loss.nats for loss in Fractal(config).apply(params, crop, False))

  splits = gradient(params)['params']

  def found(table):
    """The rows that are used, by level."""
    tables = {index: splits[f'splits_{index}']['room'][table]['embedding'] for index in (1, 3)}
    return {index: set(np.flatnonzero(np.any(x, axis=1))) for index, x in tables.items()}

  steps, cells = set(), set()
  for bar, step in itertools.product(range(4), range(4)):
    notes_PxS = config.codec.is_note(roll_PxT[:, 4 * bar : 4 * (bar + 1)])
    dense = sum(notes_PxS.sum() >= edge for edge in EDGES)
    row = 6 * dense + min(notes_PxS[:, :step].sum(), 5)
    steps.add(4 * row + step)
    for pitch in range(4):
      register = pitch // 2 * 2
      if np.any(roll_PxT[register : register + 2, 4 * bar + step]):
        count = notes_PxS[:, :step].sum() + notes_PxS[:pitch, step].sum()
        cells.add(4 * (6 * dense + min(count, 5)) + step)
  assert found('hint') == {1: steps, 3: cells}
  lefts = {
    index: {4 * int(room.left_of(row // 4, config)) + row % 4 for row in rows}
    for index, rows in ((1, steps), (3, cells))
  }
  assert found('left') == lefts


def test_every_level_hears_the_density(no_limits):
  config = model()
  params = models.random_params(config, scale=0.3)
  crop = models.as_crop(random_rolls(config, 1), config.halo, config.codec)
  own_1xL = np.asarray(form_of(whole_roll(crop, config), config))

  @jax.jit
  def nats(params, form_1xL):
    losses = Fractal(config).apply(params, crop, False, said={'form': form_1xL})
    return [loss.nats for loss in losses]

  other_1xL = own_1xL.copy()
  other_1xL[0, 1] = own_1xL[0, 1] // 4 * 4 + (own_1xL[0, 1] + 1) % 4
  plain = np.array(nats(params, own_1xL))
  assert np.all(np.abs(np.array(nats(params, other_1xL)) - plain) > 1e-3)

  def hears(index, table):
    """Which levels' nats another table of one level alone changes."""

    def change(path, x):
      is_it = f"'splits_{index}'" in str(path) and f"'{table}'" in str(path)
      return x + np.arange(x.size).reshape(x.shape) % 3 if is_it else x

    changed = jax.tree_util.tree_map_with_path(change, params)
    return (np.array(nats(changed, own_1xL)) != plain).tolist()

  for index, table in itertools.product((1, 2, 3), ('vector', 'hint', 'left')):
    # Those below hear vectors in what they are told, and nothing of a level's own logits.
    at_least = [level == index or (level > index and table == 'vector') for level in range(4)]
    assert hears(index, table) == at_least


def test_the_first_level_hears_the_densities_of_its_patches():
  config = model()
  params = models.random_params(config, scale=0.3)
  crop = models.as_crop(random_rolls(config, 1), config.halo, config.codec)
  form_1xL = np.array([[3, 1, 3, 1]])

  @jax.jit
  @jax.grad
  def gradient(params):
    return Fractal(config).apply(params, crop, False, said={'form': form_1xL})[1].nats

  changes_DxC = gradient(params)['params']['splits_0']['place']['form']['density']['embedding']
  np.testing.assert_array_equal(np.flatnonzero(np.any(changes_DxC, axis=1)), [1, 3])


def test_the_form_hears_densities_before_a_bar_and_no_notes():
  config = model()
  params = models.random_params(config, scale=0.3)
  rolls = random_rolls(config, 4)
  region = whole_roll(models.as_crop(rolls, config.halo, config.codec), config)

  @jax.jit
  def logp(params, form_NxL):
    logits_NxLxK = Fractal(config).apply(
      params, 'form', with_form(region, form_NxL, config), method='bar_logits'
    )
    return jax.nn.log_softmax(logits_NxLxK)

  form_NxL = np.tile([3, 4 * 2 + 1, 2, 4 * 3 + 3], (4, 1))
  logp_NxLxK = np.asarray(logp(params, form_NxL))
  assert logp_NxLxK.shape == (4, 4, num_ids(config)) and np.ptp(logp_NxLxK, axis=0).max() == 0
  for bar in range(4):
    changed_NxL = form_NxL.copy()
    changed_NxL[:, bar] = form_NxL[:, bar] // 4 * 4 + (form_NxL[:, bar] + 1) % 4
    differs_L = np.any(np.asarray(logp(params, changed_NxL)) != logp_NxLxK, axis=(0, 2))
    assert differs_L.tolist() == [later > bar for later in range(4)]


def test_a_bar_is_as_dense_as_the_one_that_it_repeats_where_that_is_learned():
  config = model()
  params = jax.tree.map(np.zeros_like, models.random_params(config))
  # What is repeated whole has the same density, what repeats none that of the bar before.
  kept = np.zeros((6, 4, 4), np.float32)
  kept[5] = kept[0] = 50 * np.eye(4)
  params['params']['form']['density']['like'] = kept
  region = whole_roll(models.as_crop(random_rolls(config, 1), config.halo, config.codec), config)
  region = with_form(region, np.array([[1, 2, 3, 0]]), config)
  logits_1xLxK = Fractal(config).apply(params, 'form', region, method='bar_logits')
  logp_LxRxB = np.asarray(logits_1xLxK)[0].reshape(4, -1, 4)
  best_R = logp_LxRxB[3].argmax(axis=1)
  assert best_R[0] == 3  # none: bar 2
  assert best_R[[5, 10, 15]].tolist() == [3, 2, 1]  # all of the bar 1, 2, 3 before
  assert np.ptp(logp_LxRxB[3, 1]) == 0  # half of the bar before says nothing here
  assert logp_LxRxB[0, 0].argmax() == 0  # before the first bar there was nothing
