"""Limits: what contradicts what is said of a bar is impossible, and what songs have is not."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

import models
from fractaljax.model import density, limits, top
from fractaljax.model.form import form_of, num_parts
from fractaljax.model.fractal import Fractal
from fractaljax.model.patches import make_grid
from fractaljax.model.region import whole_roll
from fractaljax.music.codec import HOLD, SILENCE
from fractaljax.sampling.decision import Decoder
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample
from fractaljax.sampling.whole import decide_whole

# Bars, steps, registers, pitches; from 60 on.
PATCHES = (8, 4), (8, 1), (4, 1), (1, 1)
CONFIG = models.tiny(
  PATCHES, num_pitches=8, codec='onset', repeats=3, densities=(1, 3, 6), tops=(62, 65)
)
STEPS = 16


def random_songs(num):
  """Rolls of notes that are struck before they go on."""
  rng, rolls = np.random.default_rng(0), []
  for _ in range(num):
    onset_N, pitch_N = rng.integers(0, STEPS, 12), 60 + rng.integers(0, 8, 12)
    notes_Nx4 = np.stack([onset_N, rng.integers(1, 5, 12), pitch_N, onset_N * 0 + 80], axis=1)
    rolls.append(CONFIG.codec.encode(notes_Nx4, STEPS))
  return np.stack(rolls).astype(np.int32)


def with_generators(*generators):
  levels = [
    dataclasses.replace(level, generator=generator)
    for level, generator in zip(CONFIG.levels, generators, strict=True)
  ]
  return dataclasses.replace(CONFIG, levels=tuple(levels))


def crop_of(tokens_BxPxT):
  return models.as_crop(tokens_BxPxT, CONFIG.halo, CONFIG.codec)


@functools.partial(jax.jit, static_argnums=0)
def nats(config, params, crop, form_NxL):
  """Nats of rolls with forms, (N,)."""

  def one(crop, form_L):
    crop_1 = jax.tree.map(lambda x: x[None], crop)
    rngs, said = {'mask': jax.random.key(0)}, {'form': form_L[None]}
    losses = Fractal(config).apply(params, crop_1, False, said=said, rngs=rngs)
    return sum(loss.nats for loss in losses)

  return jax.vmap(one)(crop, form_NxL)


def own_forms(crop):
  return np.asarray(form_of(whole_roll(crop, CONFIG), CONFIG))


@pytest.mark.parametrize('generators', [('ar',) * 4, ('ar', 'mar', 'ar', 'mar')])
def test_what_songs_have_is_possible(generators):
  config, crop = with_generators(*generators), crop_of(random_songs(64))
  assert np.all(nats(config, models.random_params(config), crop, own_forms(crop)) < 1e6)


def test_more_or_higher_notes_than_are_said_are_not():
  crop = crop_of(random_songs(64))
  own_NxL = own_forms(crop)
  _, num_densities, num_tops = num_parts(CONFIG)
  said_NxL, rng = own_NxL.copy(), np.random.default_rng(0)
  is_less_N = np.zeros(64, bool)
  # Of one bar of each roll another density or another top is said.
  for n, bar in enumerate(rng.integers(0, 4, 64)):
    density_, top_ = own_NxL[n, bar] // num_tops % num_densities, own_NxL[n, bar] % num_tops
    is_top = n % 2 and density_  # a bar without notes is never said to be high
    now, num, worth = (top_, num_tops, 1) if is_top else (density_, num_densities, num_tops)
    other = rng.choice([x for x in range(num) if x != now])
    said_NxL[n, bar] += (other - now) * worth
    is_less_N[n] = other < now
  nats_N = nats(CONFIG, models.random_params(CONFIG), crop, said_NxL)
  np.testing.assert_array_equal(nats_N > 1e8, is_less_N)
  assert 8 < is_less_N.sum() < 56


@pytest.mark.parametrize('generators', [('ar',) * 4, ('ar', 'ar', 'mar', 'mar')])
def test_samples_keep_to_them_and_nothing_goes_on_that_did_not_begin(generators):
  config = with_generators(*generators)
  # Models that say much of what cannot be.
  params, model, num = models.random_params(config, scale=0.5), Fractal(config), 96
  crop = crop_of(np.full((num, 8, STEPS), config.codec.unknown))
  noise = make_noise(config, jax.random.split(jax.random.key(0), num), STEPS)
  knobs = make_knobs(config)

  @jax.jit
  def drawn(params):
    region = decide_whole(Decoder(model, params, knobs, Plan()), crop, noise)[0].region
    return (
      region.density_NxL,
      region.top_NxL,
      sample(model, Plan(chunk=64), params, crop, noise, knobs),
    )

  densities_NxL, tops_NxL, tokens_NxPxT = map(np.asarray, drawn(params))
  # Masked patches that are decided together do not count one another.
  if set(generators) == {'ar'}:
    assert np.all(np.asarray(density.of_rolls(tokens_NxPxT, config)) <= densities_NxL)
  assert np.all(np.asarray(top.of_rolls(tokens_NxPxT, config)) <= tops_NxL)
  assert len(np.unique(densities_NxL)) == 4 and len(np.unique(tops_NxL)) == 3
  before_NxPxT = np.pad(tokens_NxPxT, ((0, 0), (0, 0), (1, 0)), constant_values=HOLD)[..., :-1]
  assert not np.any((tokens_NxPxT == HOLD) & (before_NxPxT == SILENCE))
  assert np.any(tokens_NxPxT == HOLD)


def test_the_last_patch_that_may_sound_is_the_one_that_must():
  region = models.random_region(CONFIG, 3)  # registers of a step, in cells
  grid = make_grid(region.size, (1, 1), 'time')
  canvas = np.full_like(region.canvas_NxQxW, SILENCE)
  # Up to 61, from 64 on; of the third no note may begin at all, but one sounds at its second pitch.
  canvas[2, region.margin + 1, region.halo - 1] = HOLD
  region = region.replace(
    canvas_NxQxW=canvas, row_N=np.array([0, 4, 4]), top_NxL=np.array([[0], [2], [0]]),
    density_NxL=np.array([[2], [2], [1]]), count_N=np.array([0, 0, 2]),
  )  # fmt: skip
  found = np.asarray(limits.in_silence(region, grid, CONFIG)).astype(int)
  assert found.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]]
