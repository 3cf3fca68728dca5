"""Chords: read as they are written, and followed by the sampler."""

import functools

import jax
import numpy as np
import pytest

import models
from fractaljax.errors import UserError
from fractaljax.model import chord
from fractaljax.model.fractal import Fractal
from fractaljax.sampling import chords
from fractaljax.sampling.asked import FREE
from fractaljax.sampling.decision import Decoder
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.whole import decide_whole

BARS = models.tiny(((2, 16), (2, 1), (1, 1)), repeats=2, chords=True)
SMALL = models.tiny(((2, 2), (2, 1), (1, 1)), repeats=1, chords=True, attributes=('density',))


@pytest.mark.parametrize(
  ('text', 'ids'),
  [
    ('C Am F G', [1, 22, 6, 8]),
    ('Bb|Cm % | ? F#m', [11, 13, 13, FREE, 19]),
    ('Cb B# ? %', [12, 1, FREE, FREE]),
    ('', []),
  ],
)
def test_triads_are_read_as_musicians_write_them(text, ids):
  np.testing.assert_array_equal(chords.parse(text, BARS, 128, 16), ids)


def test_they_are_moved_to_the_key_in_which_the_model_writes():
  np.testing.assert_array_equal(chords.parse('D Bm A', BARS, 128, 16, -2), [1, 22, 8])


@pytest.mark.parametrize(
  ('text', 'named'), [('C H', "'H'"), ('C7', "'C7'"), ('% C', "'%'"), ('C ' * 9, '--steps=144')]
)
def test_what_is_no_chord_of_a_bar_is_refused(text, named):
  with pytest.raises(UserError, match=f'--chords={text}.*{named}'):
    chords.parse(text, BARS, 128, 16)


@pytest.mark.parametrize(
  ('config', 'bar'), [(BARS, 12), (models.tiny(((2, 16), (2, 1), (1, 1)), repeats=2), 16)]
)
def test_they_need_a_model_that_says_its_chords(config, bar):
  with pytest.raises(UserError, match=rf'bars of {bar} steps; train one with config.model.chords'):
    chords.parse('C', config, 96, bar)


@pytest.mark.parametrize(('config', 'most'), [(BARS, 24), (models.tiny(), -1)])
def test_there_are_no_others(config, most):
  with pytest.raises(ValueError, match=rf'chord_L\[1\] is 25, not in -1 .. {most}'):
    make_knobs(config, chord_L=(FREE, 25))


def decided(config, params, crop, chord_L=(), guidance=1.0, **plan):
  """The chords of rolls with the log probability of all that is decided of them."""
  noise = make_noise(config, jax.random.split(jax.random.key(0), len(crop.valid_T)), 6)
  knobs = make_knobs(config, guidance=guidance, chord_L=chord_L)
  job, logp_N = decide_whole(Decoder(Fractal(config), params, knobs, Plan(**plan)), crop, noise)
  return job.region.chord_NxL, logp_N


def drawn(tokens_NxPxT, chord_L=(), attribute=0, **plan):
  crop = models.as_crop(tokens_NxPxT, SMALL.halo, SMALL.codec, 1)
  crop = crop._replace(attributes_A=np.full((len(tokens_NxPxT), 1), attribute, np.int32))
  params = models.random_params(SMALL, scale=0.2)
  draw = functools.partial(decided, SMALL, params, chord_L=chord_L, **plan)
  return np.asarray(jax.jit(draw)(crop)[0])


def test_a_chord_is_what_is_asked_for_what_is_known_and_else_drawn():
  unknown_NxPxT = np.full((64, 2, 6), SMALL.codec.unknown)
  free_NxL = drawn(unknown_NxPxT)
  assert len(np.unique(free_NxL[:, 2])) > 5
  asked_NxL = drawn(unknown_NxPxT, (FREE, 13))
  np.testing.assert_array_equal(asked_NxL[:, 0], free_NxL[:, 0])
  assert np.all(asked_NxL[:, 1] == 13)
  # What is known is not drawn, not even if it is asked for; and is heard.
  known_NxPxT = unknown_NxPxT.copy()
  known_NxPxT[:, :, :2] = np.arange(64)[:, None, None] // 2 ** np.arange(2) % 2
  heard_NxL, own_NxL = drawn(known_NxPxT, (5,)), chord.of_rolls(known_NxPxT, SMALL)
  np.testing.assert_array_equal(heard_NxL[:, 0], own_NxL[:, 0])
  assert np.any(heard_NxL[:, 1] != free_NxL[:, 1])


@pytest.mark.parametrize(
  ('field', 'patch', 'num_steps', 'changes'),
  [
    ('chord_NxL', (2, 1), 2, dict(chords=True)),
    ('return_NxL', (2, 1), 3, dict(returns=True, echoes=(2,))),
    ('rhythm_NxL', (2, 2), 4, dict(rhythms=True)),
  ],
)
def test_what_is_said_of_bars_is_as_frequent_as_it_is_likely(field, patch, num_steps, changes):
  config = models.tiny((patch, (1, 1)), repeats=1, **changes)
  params, num = models.random_params(config, scale=0.2), 16_000
  unknown_NxPxT = np.full((num, 2, num_steps), config.codec.unknown)
  crop = models.as_crop(unknown_NxPxT, config.halo, config.codec)

  def draw(crop):
    noise = make_noise(config, jax.random.split(jax.random.key(0), num), num_steps)
    decoder = Decoder(Fractal(config), params, make_knobs(config), Plan())
    job, logp_N = decide_whole(decoder, crop, noise)
    return job.region.repeat_NxL, getattr(job.region, field), logp_N

  repeat_NxL, id_NxL, logp_N = jax.jit(draw)(crop)
  both_NxM = np.concatenate([repeat_NxL, id_NxL], axis=1)
  by_both = {tuple(m): np.exp(logp) for m, logp in zip(both_NxM.tolist(), logp_N, strict=True)}
  assert 0.9 < sum(by_both.values()) < 1 + 1e-5
  for both, prob in by_both.items():
    count = (both_NxM == np.array(both)).all(axis=1).sum()
    assert abs(count - num * prob) < 5 * np.sqrt(num * prob) + 1


def test_guidance_of_chords_is_that_of_the_attributes():
  unknown_NxPxT = np.full((64, 2, 6), SMALL.codec.unknown)
  plain_NxL = drawn(unknown_NxPxT, attribute=5)
  np.testing.assert_array_equal(drawn(unknown_NxPxT, attribute=5, guided=True), plain_NxL)
  assert np.any(drawn(unknown_NxPxT, attribute=5, guidance=8.0, guided=True) != plain_NxL)
