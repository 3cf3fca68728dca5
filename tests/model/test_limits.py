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
def nats(config, params, crop, said=None):
  rngs = {'mask': jax.random.key(0)}
  return sum(loss.nats for loss in Fractal(config).apply(params, crop, False, said=said, rngs=rngs))


@pytest.mark.parametrize('generators', [('ar',) * 4, ('ar', 'mar', 'ar', 'mar')])
def test_what_songs_have_is_possible(generators):
  config = with_generators(*generators)
  assert nats(config, models.random_params(config), crop_of(random_songs(64))) < 1e6


def test_more_or_higher_notes_than_are_said_are_not():
  params, crop = models.random_params(CONFIG), crop_of(random_songs(1))
  own_1xL = np.asarray(form_of(whole_roll(crop, CONFIG), CONFIG))
  _, num_densities, num_tops = num_parts(CONFIG)
  densities_L, tops_L = own_1xL[0] // num_tops % num_densities, own_1xL[0] % num_tops
  for bar in range(4):
    for change, is_least, is_most in (
      (1, tops_L[bar] == 0, tops_L[bar] == num_tops - 1),
      (num_tops, densities_L[bar] == 0, densities_L[bar] == num_densities - 1),
    ):
      for sign, is_end in ((-1, is_least), (1, is_most)):
        said_1xL = own_1xL.copy()
        said_1xL[0, bar] += sign * change
        if not is_end:
          assert (nats(CONFIG, params, crop, {'form': said_1xL}) > 1e8) == (sign < 0)


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
