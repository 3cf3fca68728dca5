import numpy as np
import pytest

from fractaljax.errors import UserError
from fractaljax.music.fold import fold, unfold


@pytest.mark.parametrize('shape', [(128, 512), (128, 2), (3, 10)])
def test_unfold_undoes_fold_and_fold_undoes_unfold(shape):
  roll_PxT = np.random.default_rng(0).random(shape, np.float32)
  np.testing.assert_array_equal(unfold(fold(roll_PxT)), roll_PxT)
  if shape[0] % 2 == 0:
    np.testing.assert_array_equal(fold(unfold(roll_PxT)), roll_PxT)


def test_the_first_half_of_the_time_is_the_upper_half():
  roll_PxT = np.arange(128 * 512).reshape(128, 512)
  folded_QxS = fold(roll_PxT)
  assert folded_QxS.shape == (256, 256) and folded_QxS.dtype == roll_PxT.dtype
  np.testing.assert_array_equal(folded_QxS[:128], roll_PxT[:, :256])
  np.testing.assert_array_equal(folded_QxS[128:], roll_PxT[:, 256:])


def test_odd_sizes_are_refused():
  with pytest.raises(UserError, match='511 steps'):
    fold(np.zeros((128, 511)))
  with pytest.raises(UserError, match='255 rows'):
    unfold(np.zeros((255, 256)))
