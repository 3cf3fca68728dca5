"""What the model knows of a place before anything is generated there."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model import due
from fractaljax.model.echoes import ECHO_PITCHES, ECHO_STEPS, block_size, steps_before
from fractaljax.model.fractal import Fractal
from fractaljax.model.hint import SCALE, Hint
from fractaljax.model.occupancy import is_sounding
from fractaljax.model.patches import make_grid
from fractaljax.model.trust import NUM_ROWS, NUM_TRUSTS
from fractaljax.music.codec import FIRST_ONSET, NUM_KINDS

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
  return jax.tree.map(lambda x: jnp.repeat(x, num, axis=0), region)


@pytest.mark.parametrize('halo', [0, 3])
@pytest.mark.parametrize('index', [1, 2, 3])
def test_each_cell_of_an_echo_reaches_the_patches_it_is_around(index, halo):
  config = models.tiny(PATCHES, num_pitches=NUM_PITCHES, codec='onset', halo=halo, echoes=(5, 6))
  cells = list(np.ndindex(2, *block_size(config.levels[index - 1].patch, halo)))
  region = equal_regions(config, index, len(cells) + 1)
  grid = make_grid(region.size, config.levels[index].patch, 'time')
  flips = (np.arange(len(cells)), *np.array(cells).T)
  memory = region.memory
  echo = memory.echo_NxExQxW
  is_silent_C = ~is_sounding(echo[flips], config.codec.num_values)
  region = region.replace(
    memory=memory.replace(echo_NxExQxW=echo.at[flips].set(FIRST_ONSET * is_silent_C)),
    canvas_NxQxW=jnp.full_like(region.canvas_NxQxW, config.codec.unknown),
  )
  changed_NxL, hinted_NxL = (
    (jnp.abs(x_NxLxD - x_NxLxD[-1]) > 1e-4).any(axis=2)
    for x_NxLxD in place_and_hints(config, index, region)
  )
  (p, t), first = grid.patch, steps_before(halo)
  pitches = 0 if p == NUM_PITCHES else ECHO_PITCHES
  row_L, col_L = ECHO_PITCHES + p * grid.row_L, first + t * grid.col_L
  for (_, row, col), changed_L, hinted_L in zip(cells, changed_NxL, hinted_NxL, strict=False):
    is_around_L = (row_L - pitches <= row) & (row < row_L + p + pitches)
    is_around_L &= (col_L - ECHO_STEPS <= col) & (col < col_L + t + ECHO_STEPS)
    np.testing.assert_array_equal(changed_L, is_around_L)
    is_in_L = (row_L <= row) & (row < row_L + p) & (col_L <= col) & (col < col_L + t)
    assert not (hinted_L & ~is_in_L).any()
    # Of a patch of many cells the others may hold as much.
    assert index < 3 or (hinted_L == is_in_L).all()


def random_trust(num, num_echoes):
  """Ids of trust, notes of the bar so far, notes below, and what is due: (N, E), (N, E, 4), ..."""
  rng = np.random.default_rng(0)
  trust_NxE = rng.integers(0, NUM_TRUSTS, (num, num_echoes))
  counts = rng.integers(0, 10, (2, num, num_echoes, 4))
  return trust_NxE, *counts, rng.integers(0, (9, 30, 15, 40), (num, num_echoes, 4))


def rows_of(trust, so_far_4, below_4, due_4):
  """The five rows of an echo's table that are added."""
  (sounds, notes), (equal, similar, added, missed) = divmod(trust, 10), below_4
  different = added + missed
  again = equal + similar
  chord = 2 * (min(again, 3) if not different else 5 if again else 4) + (similar > 0)
  equal, similar, added, missed = so_far_4 + below_4
  different = added + missed
  copy = 4 * min(equal, 5) + min(similar + different, 3)
  again = sum(equal + similar >= edge for edge in (1, 2, 3, 4, 5, 6, 8, 10, 13, 17))
  repeat = 9 * again + sum(different >= edge for edge in (1, 2, 3, 4, 6, 8, 11, 15))
  rows = trust, 100 + 12 * notes + chord, 220 + 24 * notes + copy, 460 + 99 * sounds + repeat
  return *rows, 1450 + int(due.ids(due_4, equal + similar, added, missed))


@pytest.mark.parametrize('echo', [0, 1])
def test_how_far_each_echo_can_be_trusted_is_told_to_all_patches(echo):
  config = models.tiny(PATCHES, num_pitches=NUM_PITCHES, halo=3, echoes=(5, 6))
  region, trusts = equal_regions(config, 2, 300), random_trust(300, 1)
  memory = region.memory
  names = 'trust_NxE', 'so_far_NxEx4', 'below_NxEx4', 'due_NxEx4'
  for name, x_Nx1x in zip(names, trusts, strict=True):
    x_NxEx = getattr(memory, name).at[:, echo].set(x_Nx1x[:, 0])
    memory = memory.replace(**{name: x_NxEx})
  unknown_NxQxW = jnp.full_like(region.canvas_NxQxW, config.codec.unknown)
  region = region.replace(memory=memory, canvas_NxQxW=unknown_NxQxW)
  different = {rows_of(*(x_Nx1x[n, 0] for x_Nx1x in trusts)) for n in range(300)}
  for x_NxLxD in place_and_hints(config, 2, region):
    assert len(np.unique(x_NxLxD, axis=0)) == len(different) < 300
    assert (x_NxLxD[0] != x_NxLxD[1]).all()


@pytest.mark.parametrize('index', [2, 3])
def test_hints_are_entries_of_the_table_by_echo_trust_notes_and_what_is_there(index):
  config = models.tiny(PATCHES, num_pitches=NUM_PITCHES, codec='onset', halo=3, echoes=(5, 6))
  codec, is_last, region = config.codec, index == 3, models.random_region(config, index)
  grid = make_grid(region.size, config.levels[index].patch, 'time')
  shape = (2, NUM_ROWS, NUM_KINDS, NUM_KINDS if is_last else 1)
  table_ExUxKxG = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
  params = {'embedding': table_ExUxKxG.reshape(-1, shape[-1])}
  trust_NxE, so_far_NxEx4, below_NxEx4, due_NxEx4 = random_trust(3, 2)
  memory = region.memory.replace(
    trust_NxE=trust_NxE, so_far_NxEx4=so_far_NxEx4, due_NxEx4=due_NxEx4
  )
  below_NxExLx4 = below_NxEx4[:, :, None] + np.arange(len(grid))[:, None] // 2
  kind_V, (pitches, steps) = codec.kinds(), region.size
  echo = memory.echo_NxExQxW[:, :, ECHO_PITCHES : ECHO_PITCHES + pitches, 3 : 3 + steps]
  there_NxExLxpxt = np.stack([grid.split(echo_ExPxT) for echo_ExPxT in echo])
  hint = Hint(config, is_last)
  hint_NxLxV = hint.apply({'params': params}, memory, there_NxExLxpxt, below_NxExLx4)
  wanted_NxLxV = np.zeros_like(hint_NxLxV)
  for n, e in np.ndindex(echo.shape[:2]):
    for i, there_pxt in enumerate(there_NxExLxpxt[n, e]):
      kind = kind_V[there_pxt].max()
      rows = rows_of(trust_NxE[n, e], so_far_NxEx4[n, e], below_NxExLx4[n, e, i], due_NxEx4[n, e])
      entry_G = table_ExUxKxG[e, list(rows), kind].sum(axis=0)
      if is_last:
        token = int(there_pxt[0, 0])
        wanted_NxLxV[n, i] += entry_G[kind_V[: codec.num_values] - 1]
        wanted_NxLxV[n, i, token : token + 1] += entry_G[-1] * (token < codec.num_values)
      else:
        wanted_NxLxV[n, i] += entry_G
  np.testing.assert_allclose(hint_NxLxV, SCALE * wanted_NxLxV, atol=1e-5)


def test_levels_that_decide_nothing_have_no_hints():
  config = models.tiny(PATCHES, num_pitches=NUM_PITCHES, halo=3, echoes=(5, 6), gate=False)
  params = models.random_params(config)['params']
  assert ['hint' in params[f'splits_{i}'] for i in range(4)] == [False, False, False, True]


def place_and_hints(config, index, region):
  """What is known of a place, (N, L, D), and the hints of a region that is not yet known."""
  model = Fractal(config)

  def both(model, index, region):
    split = model.splits[index]
    _, hint_NxLxV = split.tables(region, region.canvas_NxQxW, split.grid(region))
    return model.place(index, region), hint_NxLxV

  run = jax.jit(functools.partial(model.apply, method=both), static_argnums=1)
  return run(models.random_params(config), index, region)
