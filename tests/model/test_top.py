"""How high bars go: counted as defined, told to every level, kept to themselves by the form."""

import itertools

import jax
import numpy as np
import pytest

import models
from fractaljax.model import ceiling, top
from fractaljax.model.ceiling import ABOVE, AT, BELOW
from fractaljax.model.form import form_of, with_form
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import hide, whole_roll

EDGES = 62, 63, 66
# Bars, steps, registers, pitches; from 60 on.
PATCHES = (8, 4), (8, 1), (2, 1), (1, 1)


def model(generators=None, **changes):
  return models.tiny(PATCHES, generators, 8, 'onset', repeats=3, tops=EDGES, **changes)


def random_rolls(config, num=5, num_steps=16, share=0.06):
  rng = np.random.default_rng(0)
  shape = (num, config.codec.num_pitches, num_steps)
  tokens_NxPxT = rng.integers(1, config.codec.num_values, shape)
  return np.where(rng.random(shape) < share, tokens_NxPxT, 0)


def notes_of(config, tokens_PxT):
  """Pitches of notes, with their steps."""
  return [(60 + p, t) for p, t in zip(*np.nonzero(config.codec.is_note(tokens_PxT)), strict=True)]


def bin_of(pitch):
  return sum(pitch >= edge for edge in EDGES)


def test_a_top_is_how_many_edges_the_highest_note_of_a_bar_comes_up_to():
  config = model()
  tokens_NxPxT = random_rolls(config, num=40)
  tokens_NxPxT[0, :, 4:8] = 0
  tokens_NxPxT[1, :, 8:] = config.codec.unknown
  found_NxL = np.asarray(top.of_rolls(tokens_NxPxT, config))
  for tokens_PxT, found_L in zip(tokens_NxPxT, found_NxL, strict=True):
    bars = [notes_of(config, tokens_PxT[:, t : t + 4]) for t in range(0, 16, 4)]
    assert found_L.tolist() == [max([bin_of(pitch) for pitch, _ in bar], default=0) for bar in bars]
  assert set(found_NxL.ravel()) == {0, 1, 2, 3}


@pytest.mark.parametrize('generator', ['ar', 'mar'])
def test_every_patch_is_told_the_top_of_its_bar_and_the_notes_before_it_that_come_up_to_it(
  generator,
):
  config = model(('ar', generator, 'ar', 'ar'))
  tokens_NxPxT = random_rolls(config, share=0.2)
  region = whole_roll(models.as_crop(tokens_NxPxT, config.halo, config.codec), config)
  # Others than their own, too: what comes up to a top depends on what was said.
  said_NxL, rng = np.arange(20).reshape(5, 4) % 4, np.random.default_rng(1)
  region = region.replace(top_NxL=said_NxL)
  bar_C, seen_CxPxT = [(n, bar) for n in range(5) for bar in range(4)], None
  for index, level in enumerate(config.levels[:-1]):
    grid = make_grid(region.size, level.patch, level.scan)
    seen_NxQxW = region.canvas_NxQxW
    if not level.causal:
      hidden_NxL = rng.random((region.row_N.shape[0], len(grid))) < 0.5
      seen_NxQxW = hide(region, grid, hidden_NxL, config.codec)
    if index == 1:
      seen_CxPxT = np.asarray(region.inner(seen_NxQxW))
    flat_C = np.arange(region.row_N.shape[0] * len(grid))
    if index:
      bar_C = [bar_C[n] for n in flat_C // len(grid)]
    cond_CxD = np.zeros((len(flat_C), 1))
    region = models.children_of(region, grid, seen_NxQxW, flat_C, cond_CxD, config, level)
    assert region.top_NxL[:, 0].tolist() == [said_NxL[each] for each in bar_C]
    high_C, row_C, col_C = map(np.asarray, (region.high_N, region.row_N, region.col_N))
    for c, (n, bar) in enumerate(bar_C):
      step = col_C[c] - 4 * bar
      notes = [] if seen_CxPxT is None else notes_of(config, seen_CxPxT[4 * n + bar][:, :step])
      # Of its own step all that is below it is there.
      notes += notes_of(config, tokens_NxPxT[n, : row_C[c], 4 * bar + step, None])
      assert high_C[c] == sum(bin_of(pitch) >= said_NxL[n, bar] for pitch, _ in notes)


def test_patches_are_told_whether_the_bar_has_come_up_to_its_top():
  config = model()
  region = models.random_region(config, 2, num=5)
  # One note in the step, a pitch from the top's first on: the patches above it come after it.
  tokens_NxPxT = np.zeros((5, 8, 1), int)
  tokens_NxPxT[range(4), [0, 2, 3, 7]] = config.codec.num_values - 1
  canvas_NxQxW = np.zeros_like(region.canvas_NxQxW)
  canvas_NxQxW[:, region.margin : region.margin + 8, region.halo :] = tokens_NxPxT
  region = region.replace(
    canvas_NxQxW=canvas_NxQxW, top_NxL=np.array([[0], [1], [3], [3], [2]]), high_N=np.arange(5) // 4
  )
  grid = make_grid(region.size, (1, 1), 'time')
  id_NxL = np.asarray(ceiling.ids(region, region.canvas_NxQxW, grid, config))
  np.testing.assert_array_equal(id_NxL // 2, np.tile(region.top_NxL, 8))
  is_there_NxL = np.arange(8) > np.array([[0], [2], [7], [7], [-1]])
  np.testing.assert_array_equal(id_NxL % 2, is_there_NxL)


def test_the_side_of_a_patch_is_where_it_lies_from_the_pitches_of_a_top():
  config = model()
  # Tops of 60 and 61, 62, 63 to 65, 66 and 67.
  top_Nx1 = np.arange(4)[:, None]
  pitches = np.asarray(ceiling.sides(top_Nx1, np.arange(8)[None], 1, config))
  B, T, A = BELOW, AT, ABOVE
  assert pitches.tolist() == [
    [T, T, A, A, A, A, A, A], [B, B, T, A, A, A, A, A], [B, B, B, T, T, T, A, A],
    [B, B, B, B, B, B, T, T],
  ]  # fmt: skip
  registers = np.asarray(ceiling.sides(top_Nx1, np.arange(4)[None], 2, config))
  assert registers.tolist() == [[T, A, A, A], [B, T, A, A], [B, T, T, A], [B, B, B, T]]
  assert np.asarray(ceiling.sides(top_Nx1, np.zeros((1, 1), int), 8, config)).tolist() == [[T]] * 4


def test_the_logits_of_a_ceiling_are_those_of_row_step_and_side(no_limits):
  config = model()
  params = models.random_params(config, scale=0.3)
  roll_PxT = random_rolls(config, 1, share=0.15)[0]
  crop = models.as_crop(roll_PxT[None], config.halo, config.codec)
  assert np.all((roll_PxT > 0).reshape(8, 4, 4).any(axis=(0, 2)))
  assert not np.all((roll_PxT > 0).any(axis=0))

  @jax.jit
  @jax.grad
  def gradient(params):
    return sum(loss.nats for loss in Fractal(config).apply(params, crop, False))

  splits = gradient(params)['params']

  def found(table):
    """The rows that are used, by level."""
    tables = {i: splits[f'splits_{i}']['ceiling'][table]['embedding'] for i in (1, 2, 3)}
    return {index: set(np.flatnonzero(np.any(x, axis=1))) for index, x in tables.items()}

  by_row, by_step = ({index: set() for index in (1, 2, 3)} for _ in range(2))
  for bar, step in itertools.product(range(4), range(4)):
    notes = notes_of(config, roll_PxT[:, 4 * bar : 4 * (bar + 1)])
    said, here_P = max(bin_of(pitch) for pitch, _ in notes), roll_PxT[:, 4 * bar + step]

    def add(index, first, num, said=said, notes=notes, step=step):
      """A patch that was decided, with the notes before it and the pitches of the top."""
      before = [pitch for pitch, t in notes if t < step or (t == step and pitch < 60 + first)]
      is_there = any(bin_of(pitch) == said for pitch in before)
      bins = {bin_of(60 + p) for p in range(first, first + num)}
      side = AT if said in bins else ABOVE if min(bins) > said else BELOW
      by_row[index].add((2 * said + is_there) * (8 // num) + first // num)
      by_step[index].add((2 * side + is_there) * 4 + step)

    add(1, 0, 8)
    registers = [p for p in range(0, 8, 2) if np.any(here_P)]
    for p in registers:
      # The last one of those that are all silent is certain, and nothing is decided.
      if p < 6 or np.any(here_P[:6]):
        add(2, p, 2)
      if np.any(here_P[p : p + 2]):
        for cell in (p, p + 1):
          if cell == p or here_P[p] or here_P[p + 1]:
            add(3, cell, 1)
  assert found('by_row') == by_row and found('by_step') == by_step


def test_every_level_hears_the_top(no_limits):
  config = model()
  params = models.random_params(config, scale=0.3)
  crop = models.as_crop(random_rolls(config, 1, share=0.15), config.halo, config.codec)
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

  for index, table in itertools.product((1, 2, 3), ('vector', 'by_row', 'by_step')):
    # Those below hear vectors in what they are told, and nothing of a level's own logits.
    at_least = [level == index or (level > index and table == 'vector') for level in range(4)]
    assert hears(index, table) == at_least


def test_the_first_level_hears_the_tops_of_its_patches():
  config = model()
  params = models.random_params(config, scale=0.3)
  crop = models.as_crop(random_rolls(config, 1), config.halo, config.codec)
  form_1xL = np.array([[3, 1, 3, 1]])

  @jax.jit
  @jax.grad
  def gradient(params):
    return Fractal(config).apply(params, crop, False, said={'form': form_1xL})[1].nats

  changes_HxC = gradient(params)['params']['splits_0']['place']['form']['top']['embedding']
  np.testing.assert_array_equal(np.flatnonzero(np.any(changes_HxC, axis=1)), [1, 3])


def form_logp(config):
  """Log probabilities of repeat, density and top of the bars of a roll of that form."""
  crop = models.as_crop(random_rolls(config, 1), config.halo, config.codec)
  region = whole_roll(crop, config)

  @jax.jit
  def logp(params, form_L):
    logits_1xLxK = Fractal(config).apply(
      params, 'form', with_form(region, form_L[None], config), method='bar_logits'
    )
    return jax.nn.log_softmax(logits_1xLxK)[0].reshape(4, -1, len(config.densities) + 1, 4)

  return logp


def test_the_form_hears_tops_before_a_bar():
  config = model()
  params, logp = models.random_params(config, scale=0.3), form_logp(config)
  form_L = np.array([3, 4 * 2 + 1, 2, 4 * 3 + 3])
  plain = np.asarray(logp(params, form_L))
  for bar in range(4):
    changed_L = form_L.copy()
    changed_L[bar] = form_L[bar] // 4 * 4 + (form_L[bar] + 1) % 4
    differs_L = np.any(np.asarray(logp(params, changed_L)) != plain, axis=(1, 2, 3))
    assert differs_L.tolist() == [later > bar for later in range(4)]


def test_a_bar_of_no_note_is_not_high():
  form_L = np.zeros(4, int)
  # Bars of the first density have no note; or none, or one.
  for densities, num_tops in (((1, 3), 1), ((2, 3), 4)):
    config = model(densities=densities)
    prob_LxRxDxH = np.exp(form_logp(config)(models.random_params(config, scale=0.3), form_L))
    assert np.count_nonzero(prob_LxRxDxH[3, 0, 0]) == num_tops
    assert np.all(prob_LxRxDxH[3, 0, 1:] > 0)


def test_a_bar_is_as_high_as_the_one_that_it_repeats_and_its_density_where_that_is_learned():
  config = model(densities=(2, 3))
  params = jax.tree.map(np.zeros_like, models.random_params(config))
  logp = form_logp(config)
  # What is repeated whole has the same top, what repeats none that of the bar before.
  kept = np.zeros((6, 4, 4), np.float32)
  kept[5] = kept[0] = 50 * np.eye(4)
  params['params']['form']['top']['like'] = kept
  logp_RxDxH = np.asarray(logp(params, np.array([1, 2, 3, 0])))[3]
  assert logp_RxDxH[0].argmax(axis=1).tolist() == [3] * 3  # none: bar 2
  for repeat, want in ((5, 3), (10, 2), (15, 1)):  # all of the bar 1, 2, 3 before
    assert logp_RxDxH[repeat].argmax(axis=1).tolist() == [want] * 3
  assert np.ptp(logp_RxDxH[1]) == 0  # half of the bar before says nothing here
  params['params']['form']['top_of_density'] = np.eye(3, 4, 1, dtype=np.float32)
  logp_RxDxH = np.asarray(logp(params, np.array([1, 2, 3, 0])))[3]
  assert logp_RxDxH[1].argmax(axis=1).tolist() == [1, 2, 3]
  # Densities are as likely whatever is learned of tops.
  np.testing.assert_allclose(np.exp(logp_RxDxH).sum(axis=2).std(axis=1), 0, atol=1e-6)
