"""Nothing that comes later reaches a prediction: by gradients, and by tokens that are changed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import hide
from fractaljax.model.rope import rope_table
from fractaljax.model.split import Split
from fractaljax.model.trunk import Trunk

NUM_PITCHES, NUM_STEPS = 4, 8
PATCHES = ((4, 4), (2, 2), (1, 1))


@pytest.mark.parametrize('generator', ['ar', 'mar'])
@pytest.mark.parametrize('scan', ['time', 'pitch'])
def test_gradients_of_a_causal_trunk_are_zero_for_what_comes_later(scan, generator):
  level = models.level((1, 1), generator, scan=scan, depth=2)
  grid = make_grid((2, 3), (1, 1), scan)
  rope = rope_table(grid.row_L, grid.col_L, level.width // level.heads)
  trunk = Trunk(level, True, 'float32')
  x_LxD = jnp.asarray(np.random.default_rng(0).standard_normal((6, level.width)), jnp.float32)
  shapes = jax.eval_shape(lambda: trunk.init(jax.random.key(0), x_LxD[None], rope))
  rng = np.random.default_rng(1)
  params = jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape), jnp.float32), shapes)
  jacobian = jax.jit(jax.jacrev(lambda x_LxD: trunk.apply(params, x_LxD[None], rope)[0][0]))
  influence_LxM = np.abs(jacobian(x_LxD)).max(axis=(1, 3))
  later_LxM = np.triu(np.ones((6, 6), bool), 1)
  if level.causal:
    assert np.all(influence_LxM[later_LxM] == 0)
  assert np.all(influence_LxM[~later_LxM if level.causal else ...] > 0)


def outputs_by_level(config, params):
  """A jitted function of a roll and a key: each level's outputs, and what it scored."""

  @jax.jit
  def run(tokens_PxT, key):
    crop = models.as_crop(np.zeros((1, NUM_PITCHES, NUM_STEPS)), config.halo, config.codec)
    losses, state = Fractal(config).apply(
      params,
      crop._replace(tokens_PxT=tokens_PxT[None]),
      False,
      rngs={'mask': key},
      capture_intermediates=lambda module, method: (
        isinstance(module, Split) and method == '__call__'
      ),
      mutable=['intermediates'],
    )
    splits = [state['intermediates'][f'splits_{i}'] for i in range(len(config.levels))]
    outputs = [with_logits(*split['__call__'][0]) for split in splits]
    return outputs, [loss.num_scored for loss in losses]

  return run


def with_logits(y_NxLxD, logits):
  """Outputs of patches beside their logits, where there are any: (N L, D + V)."""
  y_MxD = y_NxLxD.reshape(-1, y_NxLxD.shape[-1])
  if logits is None:
    return y_MxD
  return jnp.concatenate([y_MxD, logits.reshape(len(y_MxD), -1)], axis=1)


def changed_rows(before, after):
  """For each level, which patches have another output than before, to the last bit."""
  return [np.any(a != b, axis=1) for a, b in zip(before, after, strict=True)]


def order_of_cells(config):
  """Cells (row, column) in the order in which the levels come to them, depth first."""
  cells_NxPxT = np.arange(NUM_PITCHES * NUM_STEPS).reshape(1, NUM_PITCHES, NUM_STEPS)
  for level in config.levels:
    grid = make_grid(cells_NxPxT.shape[1:], level.patch, level.scan)
    cells_NxPxT = grid.split(cells_NxPxT).reshape(-1, *level.patch)
  return [divmod(int(cell), NUM_STEPS) for cell in cells_NxPxT.ravel()]


def random_roll(seed=0):
  rng = np.random.default_rng(seed)
  return (rng.random((NUM_PITCHES, NUM_STEPS)) < 0.5).astype(np.int32)


@pytest.mark.parametrize(
  ('patches', 'scans', 'halo_pitches'),
  [
    (PATCHES, ('time', 'time', 'time'), 1),
    (PATCHES, ('pitch', 'pitch', 'pitch'), 0),
    (PATCHES, ('time', 'pitch', 'time'), 0),
    (((4, 2), (4, 1), (1, 1)), ('time', 'time', 'time'), 1),
  ],
)
def test_tokens_reach_no_prediction_of_their_cell_or_before(patches, scans, halo_pitches):
  levels = [models.level(p, scan=s) for p, s in zip(patches, scans, strict=True)]
  # Without a gate every patch is expanded, so that numbers of patches are places in the order.
  config = models.tiny(
    patches, num_pitches=NUM_PITCHES, levels=tuple(levels), gate=False, halo_pitches=halo_pitches,
    echoes=(5, 6) if scans[0] == 'time' else (), matches=2 * (scans[0] == 'time'),
  )  # fmt: skip
  run = outputs_by_level(config, models.random_params(config))
  run = functools.partial(run, key=jax.random.key(0))
  roll_PxT = random_roll()
  before, _ = run(roll_PxT)
  reached = np.zeros(NUM_PITCHES * NUM_STEPS, bool)
  for number, (row, col) in enumerate(order_of_cells(config)):
    other_PxT = roll_PxT.copy()
    other_PxT[row, col] ^= 1
    changed = changed_rows(before, run(other_PxT)[0])
    for level, changed_M in zip(config.levels, changed, strict=True):
      own = number // (level.patch[0] * level.patch[1])
      assert not changed_M[: own + 1].any()
    # The next cell sees it, if it is of the same patch.
    assert number % 4 == 3 or changed[-1][number + 1]
    reached |= changed[-1]
    # So do later patches of the coarse levels, through the scan.
    later_M = changed[0][number // np.prod(patches[0]) + 1 :]
    assert later_M.all()
  assert reached[1:].all() and not reached[0]


def test_hidden_patches_of_a_mar_level_are_seen_by_themselves_only():
  config = models.tiny(
    ((4, 2), (1, 1)), ('mar', 'ar'), num_pitches=NUM_PITCHES, gate=False, echoes=(3, 4), matches=1
  )
  run = outputs_by_level(config, models.random_params(config))
  roll_PxT, num_hidden = random_roll(), set()
  for seed in range(6):
    run_same = functools.partial(run, key=jax.random.key(seed))
    before, num_scored = run_same(roll_PxT)
    hidden = 0
    for patch in range(4):
      other_PxT = roll_PxT.copy()
      other_PxT[:, 2 * patch : 2 * patch + 2] ^= 1
      parents_M, cells_M = changed_rows(before, run_same(other_PxT)[0])
      if parents_M.any():
        assert parents_M.all()  # A patch that is not hidden is seen by all.
        continue
      hidden += 1
      # Of the patches that are expanded, which come first, its own alone is another.
      expanded_NxL = cells_M.reshape(4, 8)[: num_scored[0]]
      assert expanded_NxL.any(axis=1).sum() == 1
    assert hidden == num_scored[0]
    num_hidden.add(hidden)
  assert len(num_hidden) > 1


def test_masked_cells_are_not_seen_and_no_child_sees_a_later_patch():
  config = models.tiny(((4, 2), (1, 1)), ('ar', 'mar'), num_pitches=NUM_PITCHES, gate=False)
  run = outputs_by_level(config, models.random_params(config))
  roll_PxT = random_roll()
  order = order_of_cells(config)
  seen = []
  for seed in range(3):
    run_same = functools.partial(run, key=jax.random.key(seed))
    before, _ = run_same(roll_PxT)
    for number, (row, col) in enumerate(order):
      other_PxT = roll_PxT.copy()
      other_PxT[row, col] ^= 1
      parents_M, cells_M = changed_rows(before, run_same(other_PxT)[0])
      own = number // 8
      assert not parents_M[: own + 1].any() and parents_M[own + 1 :].all()
      by_region_NxL = cells_M.reshape(4, 8)
      assert not by_region_NxL[:own].any() and by_region_NxL[own + 1 :].any(axis=1).all()
      # All of its own region see it, or (masked) none.
      assert by_region_NxL[own].all() or not by_region_NxL[own].any()
      seen.append(by_region_NxL[own].any())
  assert 0.2 < np.mean(seen) < 0.8


@pytest.mark.parametrize('bins', [{'densities': (1, 3)}, {'tops': (62,)}])
def test_notes_of_masked_cells_are_not_counted(bins):
  patches = (4, 4), (4, 1), (2, 1), (1, 1)
  config = models.tiny(patches, ('ar', 'ar', 'ar', 'mar'), 4, 'onset', repeats=2, **bins)
  params, region = models.random_params(config), models.random_region(config, 3, num=4)
  grid = make_grid(region.size, (1, 1), 'time')
  # Tops that the upper cell comes up to, and notes and high ones before it: none.
  region = region.replace(row_N=np.full(4, 2), count_N=np.zeros(4, int), high_N=np.zeros(4, int))
  if config.tops:
    region = region.replace(top_NxL=np.ones((4, 1), int))

  @jax.jit
  def logits(token, hidden_NxL):
    row, col = region.origin
    told = region.replace(canvas_NxQxW=region.canvas_NxQxW.at[:, row, col].set(token))
    seen_NxQxW = hide(told, grid, hidden_NxL, config.codec)
    return Fractal(config).apply(params, 3, told, seen_NxQxW, method='predict')[0]

  is_first_NxL = np.tile(np.arange(2) == 0, (4, 1))
  silence, onset = (logits(token, is_first_NxL) for token in (0, config.codec.num_values - 1))
  np.testing.assert_array_equal(silence, onset)
  # Shown, it changes what is said of the cell above it.
  silence, onset = (logits(token, ~is_first_NxL) for token in (0, config.codec.num_values - 1))
  assert np.all(np.any(np.asarray(silence != onset)[:, 1], axis=1))


def test_neighbours_condition_the_children_of_mar_levels_only():
  grid = make_grid((2, 2), (1, 1), 'time')
  y_NxLxD = jnp.ones((1, 4, 16))
  for generator, width in (('ar', 16), ('mar', 80)):
    split = Split(models.tiny(((2, 2), (1, 1)), (generator, 'ar')), 0)
    assert split.condition(y_NxLxD, grid).shape[-1] == width
