"""A run of a REMI transformer: it learns, stops when its minutes are over, and goes on."""

import dataclasses

import pytest

from fractaljax.baselines.budget import Budget
from fractaljax.baselines.config import base, settle
from fractaljax.baselines.folder import load
from fractaljax.baselines.training import train
from fractaljax.data import ingest, sources
from fractaljax.errors import UserError
from fractaljax.music import corpus, midi
from fractaljax.training.interrupt import Interrupt


class StopAfter:
  """Asks for a stop once it was looked at so often."""

  def __init__(self, looks: int):
    self._looks = looks

  @property
  def requested(self) -> bool:
    self._looks -= 1
    return self._looks < 0


def tiny_config(songs, minutes, **changes):
  config = base()
  config.model.width, config.model.depth, config.model.heads = 16, 1, 2
  config.eval_excerpts, config.log_every, config.eval_every = 2, 2, 2
  config.update_from_flattened_dict(changes)
  return settle(config, str(songs), True, 64, minutes)


def test_a_run_goes_on_and_keeps_its_model(tmp_path):
  ingest.prepare_corpus(tmp_path / 'songs', 4, seed=1)
  songs, workdir = tmp_path / 'songs', str(tmp_path / 'run')
  first = int(train(tiny_config(songs, 1e3), workdir, StopAfter(4)).step)
  assert (load(workdir, 'best').step, load(workdir, 'latest').step) == (2, first)
  more = int(train(tiny_config(songs, 1e3), workdir, StopAfter(2)).step)
  assert more > first > 2
  over = train(tiny_config(songs, 1e-4), workdir, Interrupt())
  assert int(over.step) == load(workdir, 'latest').step == more
  with pytest.raises(UserError, match='another config.model'):
    train(tiny_config(songs, 1e3, **{'model.width': 32}), workdir, Interrupt())


def test_bad_settings_and_songs_are_refused_before_anything_is_learned(tmp_path):
  workdir = str(tmp_path / 'run')
  ingest.prepare_corpus(tmp_path / 'songs', 4, seed=1)
  for key, value in (('data.batch_size', 0), ('eval_excerpts', 0), ('data.transpose', (6, -5))):
    with pytest.raises(UserError, match=f'config.{key}='):
      train(tiny_config(tmp_path / 'songs', 1e3, **{key: value}), workdir, Interrupt())
  (tmp_path / 'midi').mkdir()
  for i in range(24):
    song = dataclasses.replace(corpus.song(0, i, num_bars=9), metre=(12, 8))
    midi.write(song, tmp_path / f'midi/{i}.mid')
  items = sources.find(tmp_path / 'midi', 'midi', None, use_beats=False)
  ingest.prepare(items, tmp_path / 'long', num_workers=1)
  with pytest.raises(UserError, match='mid has bars of 24 steps'):
    train(tiny_config(tmp_path / 'long', 1e3), workdir, Interrupt())


def test_the_learning_rate_falls_with_the_time():
  shares = [Budget(1.0, seconds, 0.1).share for seconds in (0, 30, 60, 90)]
  assert shares == pytest.approx([1, 0.55, 0.1, 0.1])
