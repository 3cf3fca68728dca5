"""What is known stays, the rest is filled, and chance comes from the noise alone."""

import functools

import jax
import numpy as np
import pytest

import models
from fractaljax.model.fractal import Fractal
from fractaljax.music.attributes import num_ids
from fractaljax.sampling.job import make_noise
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample

NUM_PITCHES, NUM_STEPS = 4, 8
PATCHES = ((4, 4), (4, 1), (1, 1))
sample_jit = jax.jit(sample, static_argnums=(0, 1))


@functools.cache
def model_of(*generators, iterations=64, codec='onset', attributes=('tempo', 'key'), gate=True):
  """A model that has been initialised for four steps, one of its first patches."""
  config = models.tiny(
    PATCHES, generators, NUM_PITCHES, codec, iterations=iterations, attributes=attributes,
    gate=gate, repeats=2 * (generators[0] == 'ar'),
  )  # fmt: skip
  return config, models.random_params(config, seed=3, scale=0.25)


AR = model_of('ar', 'ar', 'ar')
MAR = model_of('mar', 'mar', 'mar', codec='binary', attributes=())
MIXED = model_of('ar', 'mar', 'ar')


def noise_of(config, num=6, num_steps=NUM_STEPS, seed=0):
  return make_noise(config, jax.random.split(jax.random.key(seed), num), num_steps)


def fill(model, tokens=None, noise=None, ids=None, valid_T=None, plan=None, **knobs):
  """Samples of a model; by default six rolls of which nothing is known."""
  config, params = model
  noise = noise_of(config) if noise is None else noise
  (num, *_), num_steps = noise.choice[0].shape, noise.choice[-1].shape[-1]
  tokens = config.codec.unknown if tokens is None else tokens
  tokens_BxPxT = np.broadcast_to(tokens, (num, NUM_PITCHES, num_steps))
  crop = models.as_crop(tokens_BxPxT, config.halo, config.codec, len(config.attributes))
  if ids is not None:
    crop = crop._replace(attributes_A=np.tile(np.array(ids, np.int32), (num, 1)))
  if valid_T is not None:
    crop = crop._replace(valid_T=np.tile(valid_T, (num, 1)))
  knobs = make_knobs(config, **knobs)
  plan = Plan(**{'chunk': 5, **(plan or {})})
  return np.asarray(sample_jit(Fractal(config), plan, params, crop, noise, knobs))


def is_full(config, tokens_BxPxT):
  return np.all((tokens_BxPxT >= 0) & (tokens_BxPxT < config.codec.num_values))


KNOWN = {
  'prefix': np.arange(NUM_STEPS) < 3,
  'hole': np.abs(np.arange(NUM_STEPS) - 3.5) > 2,
  'some cells': np.random.default_rng(5).random((NUM_PITCHES, NUM_STEPS)) < 0.4,
  'everything': True,
  'nothing': False,
}


@pytest.mark.parametrize('known', KNOWN)
@pytest.mark.parametrize(
  'model', [AR, MAR, model_of('ar', 'mar', 'ar')], ids=['ar', 'mar', 'mixed']
)
def test_what_is_known_stays_and_the_rest_is_filled(model, known):
  config, _ = model
  given_BxPxT = np.random.default_rng(0).integers(0, config.codec.num_values, (6, 4, NUM_STEPS))
  given_BxPxT *= np.random.default_rng(1).random(given_BxPxT.shape) < 0.3
  known_PxT = np.broadcast_to(KNOWN[known], (NUM_PITCHES, NUM_STEPS))
  tokens_BxPxT = fill(model, np.where(known_PxT, given_BxPxT, config.codec.unknown))
  np.testing.assert_array_equal(tokens_BxPxT[:, known_PxT], given_BxPxT[:, known_PxT])
  assert is_full(config, tokens_BxPxT)


@pytest.mark.parametrize('model', [AR, MAR], ids=['ar', 'mar'])
def test_a_prefix_is_heard_in_what_follows(model):
  config, _ = model
  tokens_PxT = np.full((NUM_PITCHES, NUM_STEPS), config.codec.unknown)
  tokens_PxT[:, :3] = 0
  silent = fill(model, tokens_PxT)
  tokens_PxT[:, :3] = 1
  # In the next patches too: the one with the prefix in it is occupied for that alone.
  assert np.any(fill(model, tokens_PxT)[:, :, 4:] != silent[:, :, 4:])


def test_what_an_ar_level_has_not_reached_does_not_matter_yet():
  config, _ = AR
  noise = noise_of(config, num_steps=16)
  tokens_PxT = np.full((NUM_PITCHES, 16), config.codec.unknown)
  free = fill(AR, tokens_PxT, noise)
  tokens_PxT[:, 8:] = np.random.default_rng(0).integers(0, 34, (NUM_PITCHES, 8))
  np.testing.assert_array_equal(fill(AR, tokens_PxT, noise)[:, :, :8], free[:, :, :8])


@pytest.mark.parametrize('model', [AR, MAR], ids=['ar', 'mar'])
def test_samples_depend_on_nothing_but_their_noise(model):
  noise = noise_of(model[0])
  six = fill(model, noise=noise)
  assert len(np.unique(six.reshape(6, -1), axis=0)) == 6
  # Neither on their neighbours, nor on how many patches are expanded together.
  for start in (0, 4):
    two = fill(model, noise=jax.tree.map(lambda x, s=start: x[s : s + 2], noise))
    np.testing.assert_array_equal(two, six[start : start + 2])
  for chunk in (1, 64):
    np.testing.assert_array_equal(fill(model, noise=noise, plan=dict(chunk=chunk)), six)


def test_at_temperature_zero_noise_does_not_matter():
  greedy = [fill(AR, noise=noise_of(AR[0], seed=seed), temperature=0.0) for seed in (0, 1)]
  assert np.all(np.concatenate(greedy) == greedy[0][0])
  # For MAR levels the order is left.
  noise = noise_of(MAR[0])
  other = noise._replace(choice=noise_of(MAR[0], seed=1).choice)
  first, second = (fill(MAR, noise=x, temperature=0.0) for x in (noise, other))
  np.testing.assert_array_equal(first, second)


def test_temperature_zero_of_one_level_leaves_chance_to_the_others():
  noise, other = noise_of(AR[0]), noise_of(AR[0], seed=1)
  values = noise._replace(choice=(*noise.choice[:2], other.choice[2]))
  gates = noise._replace(choice=(*other.choice[:2], noise.choice[2]))
  by_noise = [fill(AR, noise=n, temperature=(1.0, 1.0, 0.0)) for n in (noise, values, gates)]
  np.testing.assert_array_equal(by_noise[0], by_noise[1])
  assert np.any(by_noise[0] != by_noise[2])


def test_guidance_goes_from_the_unconditional_to_the_conditional_model():
  ids, guided = (3, 9), dict(guided=True)
  conditional, unconditional = fill(AR, ids=ids), fill(unconditional_of(AR), ids=ids)
  assert np.any(conditional != unconditional)
  np.testing.assert_array_equal(fill(AR, ids=ids, plan=guided, guidance=1.0), conditional)
  np.testing.assert_array_equal(fill(AR, ids=ids, plan=guided, guidance=0.0), unconditional)
  assert np.any(fill(AR, ids=ids, plan=guided, guidance=4.0) != conditional)


def unconditional_of(model):
  """The model to which each attribute is as one that is not given."""
  config, params = model

  def change(path, x):
    *_, module, name, _ = [key.key for key in path]
    if module == 'song_hint':  # of each id one row for every row of pitches, or every step
      num = num_ids(name.rsplit('_by_')[0])
      return np.tile(x[: len(x) // num], (num, 1))
    return np.repeat(x[:1], len(x), axis=0) if 'attributes' in str(path) else x

  return config, jax.tree_util.tree_map_with_path(change, params)


def test_a_nucleus_of_everything_is_no_nucleus():
  np.testing.assert_array_equal(fill(AR, plan=dict(nucleus=True), top_p=1.0), fill(AR))


def test_in_the_smallest_nucleus_values_are_not_left_to_chance():
  # With a gate the last cell of an occupied patch may have to sound, though silence is likelier;
  # it is then free among its notes.
  model = model_of('ar', 'ar', 'ar', gate=False)
  noise = noise_of(model[0])
  other = noise._replace(choice=(*noise.choice[:2], noise_of(model[0], seed=1).choice[2]))
  first, second = (
    fill(model, noise=n, plan=dict(nucleus=True), top_p=1e-6) for n in (noise, other)
  )
  np.testing.assert_array_equal(first, second)
  np.testing.assert_array_equal(first, fill(model, noise=noise, temperature=(1.0, 1.0, 0.0)))
  assert np.any(fill(model, noise=noise) != fill(model, noise=other))


@pytest.mark.parametrize('model', [AR, MAR], ids=['ar', 'mar'])
def test_gate_bias_goes_from_silence_to_a_note_in_every_patch(model):
  assert not fill(model, gate_bias=-50.0).any()
  sounding_BxT = fill(model, gate_bias=50.0).any(axis=1)
  assert sounding_BxT.all()
  assert not fill(model).any(axis=1).all()


@pytest.mark.parametrize('model', [AR, MAR], ids=['ar', 'mar'])
def test_a_patch_with_a_known_note_is_filled_though_its_gate_says_empty(model):
  config, _ = model
  tokens_PxT = np.full((NUM_PITCHES, NUM_STEPS), config.codec.unknown)
  tokens_PxT[2, 5] = 1
  tokens_BxPxT = fill(model, tokens_PxT, gate_bias=-50.0)
  assert np.all(tokens_BxPxT[:, 2, 5] == 1)
  np.testing.assert_array_equal(tokens_BxPxT[:, :, np.arange(NUM_STEPS) != 5], 0)
  # The note's own step is left to the values, which know no bias.
  assert tokens_BxPxT[:, [0, 1, 3], 5].any() and is_full(config, tokens_BxPxT)


@pytest.mark.parametrize('model', [AR, MAR], ids=['ar', 'mar'])
def test_padding_stays_outside(model):
  config, _ = model
  valid_T = np.arange(NUM_STEPS) < 5
  tokens_BxPxT = fill(model, valid_T=valid_T)
  assert np.all(tokens_BxPxT[:, :, 5:] == config.codec.outside)
  assert is_full(config, tokens_BxPxT[:, :, :5])


@pytest.mark.parametrize('iterations', [1, 3])
def test_any_number_of_iterations_fills_the_roll(iterations):
  model = model_of('mar', 'mar', 'mar', iterations=iterations, codec='binary', attributes=())
  tokens_BxPxT = fill(model, gate_bias=3.0)
  assert is_full(model[0], tokens_BxPxT) and tokens_BxPxT.any(axis=(1, 2)).all()


def test_a_model_goes_on_beyond_the_steps_it_was_made_for():
  config, _ = AR
  noise = noise_of(config, num_steps=2 * NUM_STEPS)
  long = fill(AR, noise=noise)
  assert is_full(config, long) and long[:, :, NUM_STEPS:].any()
  # It begins as a roll of the usual length does.
  choice, order = (
    tuple(x_BxRxC[:, :, : x_BxRxC.shape[2] // 2] for x_BxRxC in fields)
    for fields in (noise.choice, noise.order)
  )
  half = noise._replace(choice=choice, order=order)
  np.testing.assert_array_equal(fill(AR, noise=half), long[:, :, :NUM_STEPS])
