"""Every key of the config does something: each is flipped, and something must change."""

import functools
import itertools

import jax
import numpy as np
import pytest

from fractaljax.config import base, check
from fractaljax.data import ingest, pipeline, plan
from fractaljax.errors import UserError
from fractaljax.mesh import make_placement
from fractaljax.model.detail import Detail
from fractaljax.model.fractal import Fractal
from fractaljax.music import corpus
from fractaljax.music.crop import stack
from fractaljax.music.notes import Song
from fractaljax.sampling import known
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample
from fractaljax.training import loop
from fractaljax.training.likelihood import Likelihood
from fractaljax.training.optimizer import make_optimizer
from fractaljax.training.state import State, init_state
from fractaljax.training.step import jit_step
from runs import tiny_config

# Another value of each key that shapes what is computed.
COMPUTED = {
  'seed': 1,
  'num_steps': 7,
  'fsdp': 2,
  'data.batch_size': 8,
  'data.crop_steps': 64,
  'data.beginnings': 0.9,
  'data.transpose': (3, 3),
  'model.codec': 'velocity',
  'model.low_pitch': 33,
  'model.num_pitches': 32,
  'model.patches': ((64, 8), (4, 1), (1, 1)),
  'model.generators': ('ar', 'mar', 'mar'),
  'model.scan': 'pitch',
  'model.widths': (16, 16, 32),
  'model.depths': (1, 1, 2),
  'model.heads': (2, 2, 1),
  'model.dropout': 0.2,
  'model.capacities': (1.0, 0.5),
  'model.gate': False,
  'model.span': 8,
  'model.halo': 3,
  'model.halo_pitches': 1,
  'model.chord_pitches': 1,
  'model.echoes': (17,),
  'model.matches': 1,
  'model.repeats': 2,
  'model.densities': (1, 3),
  'model.tops': (62, 70),
  'model.returns': True,
  'model.chords': True,
  'model.rhythms': True,
  'model.hide': 0.5,
  'model.head_width': 9,
  'model.head_depth': 2,
  'model.qk_norm': False,
  'model.phrase_bars': 7,
  'model.num_phrases': 1,
  'model.mask': 'uniform',
  'model.mask_mean': 0.9,
  'model.mask_std': 0.3,
  'model.iterations': (4, 3, 4),
  'model.attributes': ('key',),
  'model.cond_drop': 0.2,
  'model.dtype': 'bfloat16',
  'model.remat': True,
  'optimizer.learning_rate': 2e-3,
  'optimizer.warmup_steps': 3,
  'optimizer.final_share': 0.1,
  'optimizer.b1': 0.8,
  'optimizer.b2': 0.9,
  'optimizer.weight_decay': 0.1,
  'optimizer.clip_norm': 2.0,
  'optimizer.accumulate': 2,
  'optimizer.ema_decay': 0.9,
}
# Those that shape what a run leaves behind, or where it takes its songs from.
OF_THE_RUN = {
  'log_every': 3,
  'checkpoint_every': 2,
  'keep_checkpoints': 1,
  'eval_every': 3,
  'eval_crops': 5,
  'eval_samples': 1,
  'eval_temperatures': (0.5,),
  'eval_sound': True,
  'data.corpus_songs': 9,
  'data.in_c': True,
}


def computed(config):
  """What is computed, one stage after another, the cheap ones first: the first batch, and as text
  the programs of the loss, of the training step and of the sampler."""
  model = Fractal(check(config, 1))
  c = model.config
  songs = [corpus.song(0, i, num_bars=8) for i in range(4)]
  batch = next(pipeline.training_batches(
    songs, c.codec, config.data.batch_size, config.data.crop_steps, c.halo, config.data.transpose,
    c.attributes, config.seed, beginnings=config.data.beginnings,
  ))  # fmt: skip
  yield tuple(x.tobytes() for x in batch)
  crops = pipeline.empty_batch(c.codec, config.data.crop_steps, c.halo, c.attributes)
  optimizer = make_optimizer(config.optimizer, config.num_steps)
  state = jax.eval_shape(functools.partial(init_state, model, optimizer, seed=0), crops)
  params = state.params
  rngs = {name: jax.random.key(0) for name in ('mask', 'dropout')}
  yield str(jax.make_jaxpr(lambda p: model.apply(p, crops, True, rngs=rngs))(params))
  placement = make_placement(jax.devices()[:2], config.fsdp)
  step = jit_step(config, model, optimizer, placement, state)
  yield str(jax.make_jaxpr(step)(state, batch))
  crop = stack([known.nothing(c, 32)])
  noise = make_noise(c, jax.random.split(jax.random.key(0), 1), 32)
  drawing = functools.partial(sample, model, Plan())
  yield str(jax.make_jaxpr(drawing)(params, crop, noise, make_knobs(c)))


PLAIN = {'data.transpose': (0, 0)}
# What else a key needs, before it is changed and after.
NEEDS = {
  'model.scan': {'model.halo_pitches': 0},  # by pitch, an AR level cannot see the rows above
  'model.densities': {'model.repeats': 2},  # they are a part of the form
  'model.tops': {'model.repeats': 2},
  'model.returns': {'model.repeats': 2, 'model.echoes': (16,)},
  'model.chords': {'model.repeats': 2},
  'model.rhythms': {'model.repeats': 2},
}


@functools.cache
def unchanged(key):
  return list(computed(tiny_config(**PLAIN | NEEDS.get(key, {}))))


@pytest.mark.parametrize('key', COMPUTED)
def test_a_key_changes_what_is_computed(key):
  changes = PLAIN | NEEDS.get(key, {}) | {key: COMPUTED[key]}
  if key == 'model.num_pitches':
    changes['model.patches'] = ((32, 8), (8, 1), (1, 1))
  before = unchanged(key if key in NEEDS else None)
  assert any(
    now != then for now, then in zip(computed(tiny_config(**changes)), before, strict=False)
  )


def left_behind(config, workdir, monkeypatch) -> tuple:
  """What a run writes, without the numbers; the programs are not run but replaced."""
  rows, sampled = [], []
  nothing = Song(np.zeros((0, 4), np.int32), 32)
  monkeypatch.setattr(loop.Logs, 'write', lambda self, step, metrics: rows.append((step, *metrics)))

  def samples(self, params, interrupt):
    sampled.append(self._config.eval_samples)
    return {t: [nothing] * self._config.eval_samples for t in self._config.eval_temperatures}

  def likelihoods(self, params, interrupt):
    for batch in self._batches['valid']:
      sampled.append((int(batch.valid_T[:, 0].sum()), batch.tokens_PxT.tobytes()))
    return {'valid': Likelihood((0.0,), 1, 1, (Detail(np.zeros(3), 0.0, 1.0, np.ones((3, 10))),))}

  def fresh(*_):
    one = {'w': np.ones(1, np.float32)}
    return State(np.zeros((), np.int32), one, one, one)

  def no_step(*_):
    metrics = {'bits_per_note': 1.0, 'grad_norm': 1.0, 'skipped': 0.0}
    return lambda state, batch: (state._replace(step=state.step + 1), metrics)

  monkeypatch.setattr(loop.Evaluation, 'samples', samples)
  monkeypatch.setattr(loop.Evaluation, 'likelihoods', likelihoods)
  monkeypatch.setattr(loop, 'jit_step', no_step)
  monkeypatch.setattr(loop, '_start_or_resume', fresh)
  loop.train(config, str(workdir), jax.devices()[:1])
  kept = sorted(path.name for path in (workdir / 'checkpoints').iterdir())
  songs = sorted(path.name for path in workdir.glob('corpus_*'))
  board = b''.join(path.read_bytes() for path in (workdir / 'tensorboard').iterdir())
  return rows, sampled, kept, songs, board.count(b'audio/wav')


@pytest.mark.parametrize('key', OF_THE_RUN)
def test_a_key_changes_what_a_run_leaves_behind(key, tmp_path, monkeypatch):
  before = left_behind(tiny_config(), tmp_path / 'before', monkeypatch)
  after = left_behind(tiny_config(**{key: OF_THE_RUN[key]}), tmp_path / 'after', monkeypatch)
  assert after != before


def test_the_directory_of_the_songs_is_read(tmp_path):
  with pytest.raises(UserError, match='nowhere'):
    config = tiny_config(**{'data.directory': str(tmp_path / 'nowhere')})
    loop.train(config, str(tmp_path / 'run'), jax.devices()[:1])


def test_damaged_songs_are_refused_or_skipped(tmp_path, monkeypatch):
  monkeypatch.setattr(plan, 'FILES_PER_SHARD', 4)
  ingest.prepare_corpus(tmp_path / 'songs', 9, 0)
  next((tmp_path / 'songs').glob('*/train-00001*')).write_bytes(b'')
  changes = {'data.directory': str(tmp_path / 'songs')}
  with pytest.raises(UserError, match='train-00001'):
    left_behind(tiny_config(**changes), tmp_path / 'refused', monkeypatch)
  changes['data.damaged'] = 'skip'
  left_behind(tiny_config(**changes), tmp_path / 'skipped', monkeypatch)


def test_workers_and_beginnings_reach_the_stream(monkeypatch):
  monkeypatch.setattr(loop.pipeline, 'training_batches', lambda *arguments: arguments)
  config = tiny_config(**{'data.workers': 3, 'data.beginnings': 0.25})
  assert loop._stream(config, Fractal(check(config, 1)), [])[-2:] == (3, 0.25)


def test_every_key_is_among_those_tested():
  flat = base().to_dict()
  sections = {k: v for k, v in flat.items() if isinstance(v, dict)}
  keys = {k for k in flat if k not in sections}
  keys |= set(itertools.chain(*([f'{s}.{k}' for k in v] for s, v in sections.items())))
  alone = {'data.directory', 'data.damaged', 'data.workers'}
  in_test_loop = {'optimizer.max_skipped'}
  assert keys == {*COMPUTED, *OF_THE_RUN, *alone, *in_test_loop}
