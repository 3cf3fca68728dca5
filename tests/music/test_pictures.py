import numpy as np
import pytest
from matplotlib.image import imread

from fractaljax.music.pictures import roll_image, save_roll

LOW_NOTE = np.array([[4, 3, 40, 90]], np.int32)
HIGH_NOTE = np.array([[4, 3, 90, 90]], np.int32)


def differing_box(image_YxXx3, ground_YxXx3):
  """First and last row, first and last column where two pictures differ."""
  differs_YxX = np.any(image_YxXx3 != ground_YxXx3, axis=2)
  rows, columns = (np.flatnonzero(differs_YxX.any(axis=axis)) for axis in (1, 0))
  return rows[0], rows[-1], columns[0], columns[-1]


@pytest.mark.parametrize('pitch', [0, 61, 127])
def test_image_has_a_note_in_its_cells_and_pitch_goes_up(pitch):
  ground_YxXx3 = roll_image(LOW_NOTE[:0], 16, cell=4)
  image_YxXx3 = roll_image(np.array([[4, 3, pitch, 90]], np.int32), 16, cell=4)
  assert image_YxXx3.shape == (512, 64, 3) and image_YxXx3.dtype == np.uint8
  top, bottom, left, right = differing_box(image_YxXx3, ground_YxXx3)
  assert (top, bottom) == (4 * (127 - pitch), 4 * (127 - pitch) + 3)
  assert 16 <= left <= 17 and right == 27


def test_image_tells_loud_from_soft_and_two_notes_from_one():
  soft, loud = (roll_image(np.array([[0, 4, 60, v]], np.int32), 8) for v in (20, 120))
  assert np.any(soft != loud)
  struck_again = roll_image(np.array([[0, 2, 60, 20], [2, 2, 60, 20]], np.int32), 8)
  assert np.any(soft != struck_again)


def test_saved_picture_has_pitch_upwards_and_time_to_the_right(tmp_path):
  """Two notes span the range in every picture; a third moves, and the ink with it."""
  frame = [[0, 1, 36, 90], [31, 1, 95, 90]]

  def picture(*notes):
    save_roll(np.array([*frame, *notes], np.int32), 32, str(tmp_path / 'roll.png'))
    return imread(tmp_path / 'roll.png')

  ground = picture()
  low, high, late = (
    differing_box(picture(note), ground)
    for note in ((8, 4, 48, 90), (8, 4, 84, 90), (20, 4, 48, 90))
  )
  assert high[1] < low[0] and high[2] == low[2]
  assert late[2] > low[3] and late[0] == low[0]


def test_a_song_without_notes_can_be_drawn(tmp_path):
  save_roll(LOW_NOTE[:0], 640, str(tmp_path / 'empty.png'), steps_per_bar=12, title='nothing')
  assert imread(tmp_path / 'empty.png').size
  assert roll_image(LOW_NOTE[:0], 16).shape == (384, 48, 3)
