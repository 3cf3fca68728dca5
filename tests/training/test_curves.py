"""Learning curves: of all runs, from what they logged so far."""

import json

import numpy as np
import pytest
from matplotlib.image import imread

from fractaljax.errors import UserError
from fractaljax.training.curves import read_metrics, save_curves


def run_of(folder, *rows, end=''):
  folder.mkdir()
  lines = [json.dumps(row) + '\n' for row in rows]
  (folder / 'metrics.jsonl').write_text(''.join(lines) + end)
  return read_metrics(str(folder))


def test_a_run_can_be_read_while_it_writes(tmp_path):
  rows = run_of(tmp_path / 'run', {'step': 1, 'x': 2.0}, end='{"step": 2, "x"')
  assert rows == [{'step': 1, 'x': 2.0}]


def test_what_is_no_run_is_named(tmp_path):
  with pytest.raises(UserError, match=r'--workdir=.*nowhere'):
    read_metrics(str(tmp_path / 'nowhere'))


def test_every_run_and_every_part_leaves_its_mark(tmp_path):
  def rows(height, **more):
    return [{'step': s, 'eval_valid/bits_per_note': height - s / 10} | more for s in (1, 2, 3)]

  def picture(**runs):
    save_curves(runs, str(tmp_path / 'curves.png'))
    return imread(tmp_path / 'curves.png')

  one = picture(a=rows(9))
  both = picture(a=rows(9), b=rows(8))
  parts = picture(a=rows(9, **{'eval_valid/bits_per_note/long': 2.0}))
  assert one.shape == both.shape == parts.shape
  half = one.shape[1] // 2
  assert np.any(one[:, :half] != both[:, :half])
  assert np.any(one[:, half:] != parts[:, half:])
  assert picture(a=[{'step': 1}]).size
