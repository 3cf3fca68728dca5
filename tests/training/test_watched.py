"""What a run says it applies is what it applies, whatever its config says."""

import dataclasses
import functools

import jax
import numpy as np
import optax
import pytest

import models
from fractaljax.config import base
from fractaljax.data.sheets import Sheets
from fractaljax.data.stream import Blocks, Stream
from fractaljax.model.fractal import Fractal
from fractaljax.music import corpus
from fractaljax.music.codec import Codec
from fractaljax.training.optimizer import make_optimizer, make_schedule
from fractaljax.training.watched import WatchedStep, measured_decay

PARAMS = {'matrix': np.zeros((3, 4)), 'bias': np.zeros(4)}


def stream(songs, transpose=(0, 0)):
  return Stream(Blocks(Sheets(songs, Codec(), 64, 0, transpose, ()), 512, 0, 0, 1), 3, 0)


@pytest.mark.parametrize('weight_decay', [0.05, 0.0])
def test_decay_is_what_the_optimizer_does_without_a_gradient(weight_decay):
  config = base().optimizer
  config.weight_decay = weight_decay
  found = measured_decay(make_optimizer(config, 1000), make_schedule(config, 1000), PARAMS)
  assert found['weight_decay'] == pytest.approx(weight_decay)
  assert found['decayed_share'] == (12 / 16 if weight_decay else 0)


@pytest.mark.parametrize('train', [True, False])
def test_dropout_is_told_of_where_it_is_alive(train):
  config = models.tiny()
  first, last = config.levels
  config = dataclasses.replace(config, levels=(dataclasses.replace(first, dropout=0.25), last))
  params = models.random_params(config)
  crop = models.as_crop(np.zeros((1, 2, 4)), config.halo, config.codec)
  rngs = {name: jax.random.key(0) for name in ('mask', 'dropout')}
  apply = functools.partial(Fractal(config).apply, train=train, rngs=rngs)
  optimizer, schedule = optax.sgd(lambda _: 1.0), lambda _: 1.0
  trace = functools.partial(jax.eval_shape, apply)
  step = WatchedStep(trace, optimizer, schedule, PARAMS, stream([]))
  step(params, crop)
  applied = step.applied()
  assert [applied[f'applied/dropout/{i}'] for i in (0, 1)] == [0.25 * train, 0]


@pytest.mark.parametrize(('transpose', 'semitones'), [((0, 0), 0), ((2, 2), 2), ((-3, -3), -3)])
def test_crops_are_told_of_as_they_are(transpose, semitones):
  batches = stream([corpus.song(0, i, num_bars=3 + i) for i in range(4)], transpose)
  assert batches.newest(6) == []
  given = [next(batches) for _ in range(3)]
  newest = batches.newest(6)
  assert [crop.num_steps for crop in newest] == [
    length for batch in given[1:] for length in np.minimum(64, batch.num_steps - batch.start)
  ]
  assert {crop.semitones for crop in newest} == {semitones}
  assert batches.epochs == 9 / 4
