import numpy as np
import pytest

from fractaljax.model.patches import cut, cut_steps, make_grid

SCANS = ('time', 'pitch')


def cells(*shape):
  """Numbers that tell every cell from every other."""
  return np.arange(np.prod(shape)).reshape(shape)


@pytest.mark.parametrize('scan', SCANS)
def test_patches_are_blocks_of_cells_in_scan_order(scan):
  grid = make_grid((4, 6), (2, 2), scan)
  order = {
    'time': [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)],
    'pitch': [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)],
  }[scan]
  assert list(zip(grid.row_L, grid.col_L, strict=True)) == order
  x_NxPxT = cells(3, 4, 6)
  expected = [x_NxPxT[:, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2] for r, c in order]
  np.testing.assert_array_equal(grid.split(x_NxPxT), np.stack(expected, axis=1))


@pytest.mark.parametrize('scan', SCANS)
@pytest.mark.parametrize('patch', [(1, 1), (2, 3), (4, 1), (1, 6), (4, 6)])
def test_split_and_scan_are_undone(scan, patch):
  grid = make_grid((4, 6), patch, scan)
  x_NxPxT = cells(2, 4, 6)
  np.testing.assert_array_equal(grid.join(grid.split(x_NxPxT)), x_NxPxT)
  x_NxRxCxD = cells(2, grid.rows, grid.cols, 3)
  np.testing.assert_array_equal(grid.from_scan(grid.to_scan(x_NxRxCxD)), x_NxRxCxD)
  x_NxLxD = cells(2, len(grid), 3)
  np.testing.assert_array_equal(grid.to_scan(grid.from_scan(x_NxLxD)), x_NxLxD)


@pytest.mark.parametrize('scan', SCANS)
def test_split_keeps_what_follows_the_cells(scan):
  grid = make_grid((4, 6), (2, 3), scan)
  x_NxPxTx5 = cells(2, 4, 6, 5)
  features = [grid.split(x_NxPxTx5[..., i]) for i in range(5)]
  np.testing.assert_array_equal(grid.split(x_NxPxTx5), np.stack(features, axis=-1))


@pytest.mark.parametrize('scan', SCANS)
def test_corners_are_the_first_cells_of_patches(scan):
  grid = make_grid((4, 6), (2, 3), scan)
  x_NxPxT = cells(3, 4, 6)
  n_C, row_C, col_C = grid.corners(np.arange(3 * len(grid)))
  first_C = grid.split(x_NxPxT)[..., 0, 0].reshape(-1)
  np.testing.assert_array_equal(x_NxPxT[n_C, row_C, col_C], first_C)


@pytest.mark.parametrize('scan', SCANS)
def test_spread_gives_each_cell_the_value_of_its_patch(scan):
  grid = make_grid((4, 6), (2, 3), scan)
  value_NxL = cells(2, len(grid))
  spread_NxLxpxt = grid.split(np.asarray(grid.spread(value_NxL)))
  same = np.broadcast_to(value_NxL[..., None, None], spread_NxLxpxt.shape)
  np.testing.assert_array_equal(spread_NxLxpxt, same)


@pytest.mark.parametrize('scan', SCANS)
def test_neighbours_are_above_below_before_after_and_zero_beyond_the_edges(scan):
  grid = make_grid((3, 4), (1, 1), scan)
  y_NxLxD = 1.0 + cells(2, len(grid), 3)
  around_NxLx5xD = np.asarray(grid.neighbours(y_NxLxD)).reshape(2, len(grid), 5, 3)
  number = {(r, c): i for i, (r, c) in enumerate(zip(grid.row_L, grid.col_L, strict=True))}
  for (r, c), i in number.items():
    near = [(r, c), (r + 1, c), (r - 1, c), (r, c - 1), (r, c + 1)]
    for k, place in enumerate(near):
      expected = y_NxLxD[:, number[place]] if place in number else 0.0
      np.testing.assert_array_equal(around_NxLx5xD[:, i, k], np.broadcast_to(expected, (2, 3)))


# One block takes another path than many.
@pytest.mark.parametrize('chosen', [slice(0, 1), slice(2, 3), slice(None)])
def test_cut_is_slicing(chosen):
  x_NxPxT = cells(3, 5, 7)
  n_C, row_C, col_C = (np.array(x)[chosen] for x in ([0, 2, 1, 2], [0, 3, 1, 2], [0, 4, 2, 1]))
  corners = list(zip(n_C, row_C, col_C, strict=True))
  expected = [x_NxPxT[n, r : r + 2, c : c + 3] for n, r, c in corners]
  np.testing.assert_array_equal(cut(x_NxPxT, n_C, row_C, col_C, (2, 3)), expected)
  expected = [x_NxPxT[n, 0, c : c + 3] for n, _, c in corners]
  np.testing.assert_array_equal(cut_steps(x_NxPxT[:, 0], n_C, col_C, 3), expected)


@pytest.mark.parametrize('patch', [(3, 1), (1, 4), (8, 1)])
def test_a_patch_that_does_not_divide_the_region_is_refused(patch):
  with pytest.raises(ValueError, match='does not divide'):
    make_grid((4, 6), patch, 'time')
