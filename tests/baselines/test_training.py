"""A run of a REMI transformer: it learns, stops when its minutes are over, and goes on."""

import pytest

from fractaljax.baselines.budget import Budget
from fractaljax.baselines.config import base
from fractaljax.baselines.folder import load
from fractaljax.baselines.training import train
from fractaljax.data import ingest
from fractaljax.errors import UserError
from fractaljax.training.interrupt import Interrupt


def tiny_config(**changes):
  config = base()
  config.model.width, config.model.depth, config.model.heads = 16, 1, 2
  config.eval_excerpts, config.log_every, config.eval_every = 2, 2, 1000
  config.update_from_flattened_dict(changes)
  return config


def test_a_run_goes_on_and_keeps_its_model(tmp_path):
  ingest.prepare_corpus(tmp_path / 'songs', 4, seed=1)
  where = str(tmp_path / 'songs'), True, str(tmp_path / 'run')
  first = train(tiny_config(), *where, 64, 0.02, Interrupt())
  assert int(first.step) > 0
  over = train(tiny_config(), *where, 64, 0.02, Interrupt())
  assert int(over.step) == int(first.step)
  more = train(tiny_config(), *where, 64, 0.1, Interrupt())
  assert int(more.step) > int(first.step)
  assert load(where[2], 'best').step in (int(first.step), int(more.step))
  with pytest.raises(UserError, match='another model'):
    train(tiny_config(**{'model.width': 32}), *where, 64, 0.1, Interrupt())


def test_the_learning_rate_falls_with_the_time():
  shares = [Budget(1.0, seconds, 0.1).share for seconds in (0, 30, 60, 90)]
  assert shares == pytest.approx([1, 0.55, 0.1, 0.1])
