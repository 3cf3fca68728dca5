"""Retries: bars that have what was said are kept, and the others drawn by what is left."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.form import form_of
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import whole_roll
from fractaljax.model.repeat import id_of
from fractaljax.sampling import retry
from fractaljax.sampling.decision import Decoder, lean
from fractaljax.sampling.job import Job, make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.retry import NOT_AS_SAID, coming_again, how_far, leaning
from fractaljax.sampling.sampler import sample
from fractaljax.sampling.spot import Spot
from fractaljax.sampling.whole import decide_whole

draw = jax.jit(sample, static_argnums=(0, 1))


@functools.partial(jax.jit, static_argnums=3)
def far(region, bar_N, canvas, config):
  """How far bars are from what is said of them, (N,)."""
  again = coming_again(region, bar_N, canvas, config)
  return how_far(region, bar_N, canvas, again, config)


@functools.partial(jax.jit, static_argnums=3)
def lean_after(region, bar_N, canvas, config):
  """How far tries lean after such bars, (N, S)."""
  return leaning(coming_again(region, bar_N, canvas, config))


@functools.partial(jax.jit, static_argnums=0)
def off(config, params, crop, noise, tokens_NxPxT):
  """How far the bars of samples are from what is said of them, (N, L)."""
  decoder = Decoder(Fractal(config), params, make_knobs(config), Plan())
  region = decide_whole(decoder, crop, noise)[0].region
  canvas = whole_roll(crop._replace(tokens_PxT=tokens_NxPxT), config).canvas_NxQxW
  num_bars = region.repeat_NxL.shape[1]
  bars = [jnp.full(len(canvas), bar) for bar in range(num_bars)]
  return jnp.stack([far(region, bar_N, canvas, config) for bar_N in bars], axis=1)


def samples(config, params, tokens_NxPxT, tries):
  """Samples, and how far their bars are from what is said of them."""
  crop = models.as_crop(tokens_NxPxT, config.halo, config.codec)
  num, num_steps = crop.valid_T.shape
  noise = make_noise(config, jax.random.split(jax.random.key(0), num), num_steps)
  plan = Plan(chunk=64, tries=tries)
  drawn_NxPxT = np.asarray(draw(Fractal(config), plan, params, crop, noise, make_knobs(config)))
  return drawn_NxPxT, np.asarray(off(config, params, crop, noise, drawn_NxPxT))


def unknown(config, num, num_steps):
  return np.full((num, config.codec.num_pitches, num_steps), config.codec.unknown)


def test_bars_are_drawn_by_what_is_left():
  config = models.tiny(((2, 1), (1, 1)), repeats=1, densities=(1,))
  params, num = models.random_params(config, scale=0.2), 8_000
  # Of bars this small only few repeats can be.
  params['params']['form']['out']['bias'][0] += 2
  drawn_NxPxT, off_NxL = samples(config, params, unknown(config, num, 3), tries=60)
  rolls_RxPxT, form_ZxL, prob_RxZ = models.joint_probability(config, params, 3)
  crop = models.as_crop(rolls_RxPxT, config.halo, config.codec)
  own_RxL = np.asarray(form_of(whole_roll(crop, config), config))
  prob_R = np.zeros(len(rolls_RxPxT))
  for r, own_L in enumerate(own_RxL):
    with_form_R = prob_RxZ[:, (form_ZxL == own_L).all(axis=1)][:, 0]
    prob_R[r] = with_form_R.sum()
    for bar in range(3):
      is_same_R = (rolls_RxPxT[..., :bar] == rolls_RxPxT[r, :, :bar]).all(axis=(1, 2))
      is_next_R = is_same_R & (rolls_RxPxT[..., bar] == rolls_RxPxT[r, :, bar]).all(axis=1)
      is_as_said_R = is_same_R & (own_RxL[:, bar] == own_L[bar])
      prob_R[r] *= with_form_R[is_next_R].sum() / with_form_R[is_as_said_R].sum()
  # Some forms cannot be: no notes have them after what came before.
  is_kept_N = (off_NxL == 0).all(axis=1)
  np.testing.assert_allclose(is_kept_N.mean(), prob_R.sum(), atol=0.02)
  assert 0.1 < prob_R.sum() < 1
  prob_R /= prob_R.sum()
  number_N = (drawn_NxPxT[is_kept_N].reshape(-1, 6) * 2 ** np.arange(5, -1, -1)).sum(axis=1)
  count_R, num = np.bincount(number_N, minlength=64), is_kept_N.sum()
  assert np.all(abs(count_R - num * prob_R) < 5 * np.sqrt(num * prob_R) + 1)


SMALL = models.tiny(
  ((2, 2), (2, 1), (1, 1)), repeats=3, densities=(1, 2), tops=(61,), echoes=(4,), returns=True,
  chords=True,
)  # fmt: skip


def test_more_tries_come_nearer_and_what_is_as_was_said_is_not_drawn_again():
  params = models.random_params(SMALL, scale=0.2)
  (first, off_4), (last, off_9) = (
    samples(SMALL, params, unknown(SMALL, 256, 8), tries) for tries in (4, 9)
  )
  # Later bars follow other ones.
  assert np.all(off_4[:, 0] >= off_9[:, 0])
  assert off_4.mean() > off_9.mean()
  is_same_N = off_4[:, 0] == off_9[:, 0]
  assert not np.all(is_same_N) and np.any(off_4[:, 0] == 0)
  np.testing.assert_array_equal(first[is_same_N, :, :2], last[is_same_N, :, :2])


# Bars of two steps and four pitches, of which the third echoes the first.
ECHOING = models.tiny(((4, 2), (1, 1)), None, 4, repeats=2, echoes=(4,), returns=True)
LAST = np.full(5, 2)


def echoing_rolls():
  """Rolls with the share of notes that the last bar has in common with the first, in 4096ths."""
  rolls_NxPxT, shares = np.zeros((5, 4, 6), np.int32), []
  rolls_NxPxT[:, :2, :2] = 1
  for roll_PxT, again, others in zip(rolls_NxPxT, (2, 1, 0, 3, 4), (2, 0, 2, 0, 0), strict=True):
    roll_PxT[:2, 4:] = np.arange(4).reshape(2, 2) < again
    roll_PxT[2, 4 : 4 + others] = 1
    shares.append(4096 * again // (4 + others))
  crop = models.as_crop(rolls_NxPxT, ECHOING.halo, ECHOING.codec)
  # All repeat none, and are said to have two to three eighths in common with the first.
  region = whole_roll(crop, ECHOING).replace(
    repeat_NxL=jnp.zeros((5, 3), int), return_NxL=jnp.array([[0, 0, 2]] * 5)
  )
  return region, np.array(shares)


def test_how_far_is_by_what_is_not_as_was_said_and_then_by_how_much_comes_again():
  region, share_N = echoing_rolls()
  off_N = np.asarray(far(region, LAST, region.canvas_NxQxW, ECHOING))
  is_repeat_N, is_else_N = share_N >= 2048, (share_N < 1024) | (share_N >= 1536)
  stray_N = np.maximum(np.maximum(1024 - share_N, share_N - 1535), 0)
  wanted_N = (is_repeat_N * 1 + is_else_N) * NOT_AS_SAID + stray_N
  assert off_N.tolist() == wanted_N.tolist()
  assert wanted_N[0] == wanted_N[1] == 0 < wanted_N[2] < wanted_N[3] < wanted_N[4]


def test_what_lacked_is_leant_to_and_what_was_too_much_is_leant_away_from():
  region, _ = echoing_rolls()
  found = lean_after(region, LAST, region.canvas_NxQxW, ECHOING)
  echo_N, repeat_N = np.asarray(found).T
  assert echo_N[0] == echo_N[1] == 0 < echo_N[2]
  assert 0 > echo_N[3] > echo_N[4]
  lacks = np.log(0.3125 / 0.6875) - np.log(0.75 / 0.25)
  np.testing.assert_allclose(echo_N[3], retry.LEAN * lacks, atol=1e-5)
  assert np.all(repeat_N == 0)  # none is said


def test_an_echo_that_is_repeated_counts_once():
  region, share_N = echoing_rolls()
  # Five eighths are said to come again of what is the echo, too.
  both = {
    'repeat_NxL': jnp.array([[0, 0, id_of(2, 5)]] * 5),
    'return_NxL': jnp.array([[0, 0, 5]] * 5),
  }
  region = region.replace(**both)
  lean_NxS = np.asarray(lean_after(region, LAST, region.canvas_NxQxW, ECHOING))
  assert np.all(lean_NxS[:, 0] == 0) and np.all(lean_NxS[:3, 1] > 0) and np.all(lean_NxS[3:, 1] < 0)
  off_N = np.asarray(far(region, LAST, region.canvas_NxQxW, ECHOING))
  stray_N = np.maximum(np.maximum(5 * 512 - share_N, share_N - 6 * 512 + 1), 0)
  np.testing.assert_array_equal(off_N % NOT_AS_SAID, stray_N)


@pytest.mark.parametrize('index', [1, 2, 3])
def test_leaning_adds_to_the_log_odds_of_the_notes_of_echoes(index):
  config = models.tiny(
    ((4, 2), (4, 1), (2, 1), (1, 1)), None, 4, repeats=2, echoes=(4,), returns=True
  )
  region = models.random_region(config, index)
  grid = make_grid(region.size, config.levels[index].patch, 'time')
  lean_NxS = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
  job = Job(region, None, None, None, jnp.asarray(lean_NxS))
  spot = Spot(grid, jnp.arange(len(grid)), jnp.ones((3, len(grid)), bool))
  added = np.asarray(lean(job, spot, config, index == 3))
  note_NxSxPxT = np.asarray(config.codec.is_note(region.there_NxExPxT))
  for n in range(3):
    has_note_SxL = np.stack(
      [grid.split(x_PxT[None])[0].any(axis=(1, 2)) for x_PxT in note_NxSxPxT[n]]
    )
    wanted_L = lean_NxS[n] @ has_note_SxL
    found_L = added[n] if index < 3 else added[n, :, 1]
    np.testing.assert_allclose(found_L, wanted_L, atol=1e-6)
    assert index < 3 or not added[n, :, 0].any()
  assert np.ptp(added) > 0.1


def test_tries_that_lean_find_bars_that_others_do_not(monkeypatch):
  config = models.tiny(((8, 4), (1, 1)), None, 8, repeats=2, echoes=(8,), returns=True)
  params = models.random_params(config, scale=0.2)
  # A note in four cells, whatever is said: it is for the retries to find what was.
  for name, bias in ('splits_0', [4]), ('splits_1', [np.log(3), 0]):
    params['params'][name] = jax.tree.map(np.zeros_like, params['params'][name])
    params['params'][name]['out']['bias'] = np.array(bias, np.float32)
  params['params']['form']['out']['bias'][0] += 5  # no repeats
  shares = []
  for most in (0.0, retry.MOST_LEAN):
    monkeypatch.setattr(retry, 'MOST_LEAN', most)
    draw.clear_cache()
    _, off_NxL = samples(config, params, unknown(config, 128, 16), tries=8)
    shares.append((off_NxL[:, 2:] == 0).mean())
  assert shares[1] > shares[0] + 0.05


def test_the_first_try_is_the_sample_without_any_more():
  config = models.tiny(((2, 1), (1, 1)), repeats=1, densities=(1,))
  params = models.random_params(config, scale=0.2)
  (plain, off_NxL), (again, _) = (
    samples(config, params, unknown(config, 256, 4), tries) for tries in (1, 3)
  )
  num_kept_N = np.cumprod(off_NxL == 0, axis=1).sum(axis=1)
  assert set(num_kept_N) >= {0, 1, 2}
  for plain_PxT, again_PxT, num in zip(plain, again, num_kept_N, strict=True):
    np.testing.assert_array_equal(again_PxT[:, :num], plain_PxT[:, :num])


def test_guidance_with_retries_is_that_of_the_attributes():
  config = models.tiny(
    ((2, 2), (2, 1), (1, 1)), repeats=3, densities=(1, 2), attributes=('density',)
  )
  params = models.random_params(config, scale=0.2)
  crop = models.as_crop(unknown(config, 64, 8), config.halo, config.codec, 1)
  crop = crop._replace(attributes_A=np.full((64, 1), 5, np.int32))
  noise = make_noise(config, jax.random.split(jax.random.key(0), 64), 8)

  def drawn(guidance=1.0, **plan):
    knobs, plan = make_knobs(config, guidance=guidance), Plan(chunk=64, tries=3, **plan)
    return np.asarray(draw(Fractal(config), plan, params, crop, noise, knobs))

  plain = drawn()
  np.testing.assert_array_equal(drawn(guided=True), plain)
  assert np.any(drawn(guidance=4.0, guided=True) != plain)


def test_what_a_roll_gets_does_not_depend_on_the_others():
  params, tokens_NxPxT = models.random_params(SMALL, scale=0.2), unknown(SMALL, 64, 8)
  all_NxPxT, _ = samples(SMALL, params, tokens_NxPxT, tries=4)
  crop = models.as_crop(tokens_NxPxT[:1], SMALL.halo, SMALL.codec)
  for number, key in enumerate(jax.random.split(jax.random.key(0), 64)[:8]):
    noise, knobs = make_noise(SMALL, key[None], 8), make_knobs(SMALL)
    alone = draw(Fractal(SMALL), Plan(chunk=64, tries=4), params, crop, noise, knobs)
    np.testing.assert_array_equal(alone[0], all_NxPxT[number])


def test_what_is_known_is_kept():
  params, tokens_NxPxT = models.random_params(SMALL, scale=0.2), unknown(SMALL, 64, 8)
  tokens_NxPxT[:, :, :3] = np.random.default_rng(0).integers(0, 2, (64, 2, 3))
  drawn_NxPxT, off_NxL = samples(SMALL, params, tokens_NxPxT, tries=4)
  np.testing.assert_array_equal(drawn_NxPxT[:, :, :3], tokens_NxPxT[:, :, :3])
  assert np.all(off_NxL[:, 0] == 0)
  assert set(np.unique(drawn_NxPxT)) == {0, 1}
