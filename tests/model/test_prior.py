"""Attributes are decided before the roll, and every level hears them."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from fractaljax.model.fractal import Fractal
from fractaljax.model.hint import SCALE
from fractaljax.model.nats import NEVER
from fractaljax.model.patches import make_grid
from fractaljax.model.prior import Prior, before
from fractaljax.model.region import rows_of_pitch, steps_of_bar, whole_roll
from fractaljax.model.song import SongHint
from fractaljax.music.attributes import num_ids
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.sampling.sampler import sample

NAMES = ('chromaticism', 'repetition')
NUM_IDS = [num_ids(name) for name in NAMES]
# All pairs, those with an attribute that is not given as well.
IDS_ZxA = np.array(list(itertools.product(*map(range, NUM_IDS))), np.int32)
GIVEN_Z = (IDS_ZxA > 0).all(axis=1)
MUSICAL = models.HIERARCHIES['musical']


def model_of(patches=MUSICAL, names=NAMES, **changes):
  config = models.tiny(patches, attributes=names, **changes)
  return config, models.random_params(config, scale=0.3)


def roll_of(config, ids_BxA, rolls_RxPxT=None):
  """Each roll with each of the attributes, those of one roll after another."""
  if rolls_RxPxT is None:
    rolls_RxPxT = (np.random.default_rng(0).random((1, 2, 4)) < 0.5).astype(np.int32)
  tokens = np.repeat(rolls_RxPxT, len(ids_BxA), axis=0)
  crop = models.as_crop(tokens, config.halo, config.codec)
  return crop._replace(attributes_A=np.tile(ids_BxA, (len(rolls_RxPxT), 1)))


def nats_of(model, crop, train=False):
  """Nats of each level, together for the whole batch."""
  config, params = model
  return np.array([loss.nats for loss in losses_of(config, train)(params, crop)])


@functools.cache
def losses_of(config, train):
  rngs = {name: jax.random.key(1) for name in ('mask', 'dropout')}
  return jax.jit(lambda p, c: Fractal(config).apply(p, c, train, rngs=rngs))


def test_rolls_and_attributes_together_sum_to_one():
  config, params = model_of()
  rolls = models.all_rolls(2, 2)
  nats = models.teacher_forced_nats(config, params, roll_of(config, IDS_ZxA[GIVEN_Z], rolls))
  total_RxZ = np.exp(-nats.astype(np.float64)).reshape(len(rolls), -1)
  assert total_RxZ.sum() == pytest.approx(1, abs=1e-5)
  assert total_RxZ.sum(axis=0).std() > 1e-4


def test_the_sampler_scores_them_as_training_does():
  config, params = model_of(repeats=1)
  crop = roll_of(config, IDS_ZxA[::7])
  logp = models.log_probability(config, params, crop)
  np.testing.assert_allclose(-logp, models.teacher_forced_nats(config, params, crop), rtol=1e-5)


def test_what_is_not_given_and_what_is_padding_is_not_scored():
  model = model_of()
  config, _ = model
  none, one, both = (nats_of(model, roll_of(config, np.array([ids]))) for ids in
                     [(0, 0), (0, 4), (3, 4)])  # fmt: skip
  padded = roll_of(config, np.array([(3, 4)]))
  padded = padded._replace(valid_T=np.zeros_like(padded.valid_T))
  np.testing.assert_array_equal(nats_of(model, padded), 0)
  # Beside those of the bars, there are those of one attribute and of the other given that one.
  logits_NxAxK = Fractal(config).apply(
    model[1], np.array([(3, 4)]), before(np.arange(2)[None]), method='attribute_logits'
  )
  logp_AxK = np.asarray(jax.nn.log_softmax(logits_NxAxK))[0]
  assert np.exp(logp_AxK[:, 0]).max() == 0 and one[0] != none[0]
  bars = nats_of(
    (config, jax.tree_util.tree_map_with_path(without_prior, model[1])),
    roll_of(config, np.array([(3, 4)])),
  )
  uniform = sum(np.log(num - 1) for num in NUM_IDS)
  np.testing.assert_allclose(
    both[0] - bars[0], -logp_AxK[0, 3] - logp_AxK[1, 4] - uniform, rtol=1e-4
  )


def without_prior(path, x):
  return np.zeros_like(x) if 'prior' in str(path) else x


@pytest.mark.parametrize('generator', ['ar', 'mar'])
def test_every_level_hears_every_attribute(generator):
  config, params = model_of(generators=(generator,) * 3, names=('density', *NAMES))
  ids_A = np.array([3, 4, 5])

  def hear(index, a):
    """The parameters with another vector for the id of an attribute, for one level alone."""

    def change(path, x):
      is_it = f'splits_{index}' in str(path) and f'attributes_{a}' in str(path)
      return x + (np.arange(len(x)) == ids_A[a])[:, None] if is_it else x

    return jax.tree_util.tree_map_with_path(change, params)

  crop = roll_of(config, ids_A[None])
  plain = nats_of((config, params), crop)
  for index, a in itertools.product(range(3), range(3)):
    changed = nats_of((config, hear(index, a)), crop) != plain
    np.testing.assert_array_equal(changed[: index + 1], [False] * index + [True])


@pytest.mark.parametrize('index', [1, 2, 3])
def test_each_attribute_has_logits_of_its_own_at_every_pitch_and_step(index):
  config = models.tiny(((4, 2), (4, 1), (2, 1), (1, 1)), num_pitches=4, attributes=NAMES)
  p, _ = patch = config.levels[index].patch
  region = models.random_region(config, index, num=2)
  grid = make_grid(region.size, patch, 'time')
  row_N, col_N = np.array([0, 4 - region.size[0]]), np.array([2, 4 + (index > 1)])
  region = region.replace(attributes_NxA=np.array([(3, 4), (3, 5)]), row_N=row_N, col_N=col_N)
  places = {
    'row': (4 // p, row_N[:, None] // p + grid.row_L),
    'step': (2, (col_N[:, None] + grid.col_L) % 2),
  }
  given = region.attributes_NxA, rows_of_pitch(region, grid), steps_of_bar(region, grid, config)
  hint = SongHint(config, num_rows=4 // p, num_out=1)
  zeros = jax.tree.map(np.zeros_like, hint.init(jax.random.key(0), *given)['params'])

  def raised(name, entry):
    """Where an entry of a table raises the logits."""
    table_Ix1 = np.zeros_like(zeros[name]['embedding'])
    table_Ix1[entry] = 1
    params = {'params': zeros | {name: {'embedding': table_Ix1}}}
    return np.asarray(hint.apply(params, *given))[..., 0] > 0

  for by, (num, place_NxL) in places.items():
    for place in range(num):
      is_there_NxL = place_NxL == place
      assert is_there_NxL.any()
      np.testing.assert_array_equal(raised(f'{NAMES[0]}_by_{by}', 3 * num + place), is_there_NxL)
      is_there_NxL &= [[False], [True]]
      np.testing.assert_array_equal(raised(f'{NAMES[1]}_by_{by}', 5 * num + place), is_there_NxL)
      assert not raised(f'{NAMES[1]}_by_{by}', 3 * num + place).any()


def test_the_form_hears_every_attribute():
  config, params = model_of(names=('density', *NAMES), repeats=2)
  region = whole_roll(roll_of(config, np.array([(3, 4, 5)])), config)

  def form_logits(ids_NxA):
    return Fractal(config).apply(
      params, 'form', region.replace(attributes_NxA=ids_NxA), method='bar_logits'
    )

  plain_1xLxK = form_logits(np.array([(3, 4, 5)]))
  for ids_A in ((4, 4, 5), (3, 5, 5), (3, 4, 6)):
    changed_L = np.any(form_logits(np.array([ids_A])) != plain_1xLxK, axis=(0, 2))
    # The first bar cannot repeat any, whatever the others do.
    assert changed_L[1:].all()


def test_training_learns_to_draw_each_from_the_others_in_any_order():
  config, params = model_of()
  crop = roll_of(config, np.repeat([(3, 4)], 16, axis=0))

  def total(prior, train):
    params_ = {'params': {**params['params'], 'prior': prior}}
    rngs = {name: jax.random.key(1) for name in ('mask', 'dropout')}
    return sum(loss.nats for loss in Fractal(config).apply(params_, crop, train, rngs=rngs))

  for train in (True, False):
    grad = jax.jit(jax.grad(total), static_argnums=1)(params['params']['prior'], train)
    table_AxKxAxK = np.asarray(grad['embedding'])
    # In scoring, the second is told by the first alone.
    assert np.any(table_AxKxAxK[0, 3, 1] != 0)
    assert np.any(table_AxKxAxK[1, 4, 0] != 0) == train


def test_what_others_say_counts_by_how_many_are_known():
  config = models.tiny(MUSICAL, attributes=('density', *NAMES))
  num_A = [num_ids(name) for name in config.attributes]
  prior, ids_1x3 = Prior(config), np.array([(3, 4, 5)])
  shapes = jax.eval_shape(prior.init, jax.random.key(0), ids_1x3, np.ones((1, 3, 3), bool))
  rng = np.random.default_rng(0)
  params = jax.tree.map(lambda x: rng.standard_normal(x.shape).astype(np.float32), shapes)
  table, bias, share = (params['params'][name] for name in ('embedding', 'bias', 'share'))
  for known in ((), (1,), (2,), (1, 2)):
    known_1x3x3 = np.isin(np.arange(3), known)[None, None] & ~np.eye(3, dtype=bool)
    logits_K = np.asarray(prior.apply(params, ids_1x3, known_1x3x3))[0, 0]
    said_K = sum((table[a, ids_1x3[0, a], 0] for a in known), np.zeros(bias.shape[2]))
    wanted_K = SCALE * (bias[0, len(known)] + share[0, len(known)] * said_K)
    np.testing.assert_allclose(logits_K[1 : num_A[0]], wanted_K[1 : num_A[0]], rtol=1e-4)
    assert np.all(logits_K[num_A[0] :] == NEVER) and logits_K[0] == NEVER


def test_those_that_are_asked_for_are_kept_and_the_others_drawn_to_go_with_them():
  config, params = model_of()
  prior = jax.tree.map(np.zeros_like, params['params']['prior'])
  prior['share'] += 1
  # Both have the same id.
  same = np.eye(NUM_IDS[0])
  prior['embedding'][0, :, 1] = prior['embedding'][1, :, 0] = 4 * same
  params = {'params': {**params['params'], 'prior': prior}}
  crop = roll_of(config, np.array([(0, 4), (4, 0), (0, 0), (3, 5)]))
  noise = models.same_noise(config, 4, 4)
  draw = jax.jit(sample, static_argnums=(0, 1))

  def rolls(ids_BxA, noise=noise):
    unknown = np.full_like(crop.tokens_PxT, config.codec.unknown)
    asked = crop._replace(tokens_PxT=unknown, attributes_A=np.array(ids_BxA, np.int32))
    return np.asarray(draw(Fractal(config), Plan(), params, asked, noise, make_knobs(config)))

  drawn = rolls(crop.attributes_A)
  first = 1 + int(float(noise.attributes[0, 0]) * (NUM_IDS[0] - 1))
  np.testing.assert_array_equal(drawn, rolls([(4, 4), (4, 4), (first, first), (3, 5)]))
  other = noise._replace(attributes=jnp.full_like(noise.attributes, 0.999))
  np.testing.assert_array_equal(rolls(crop.attributes_A, other)[2], rolls([(10, 10)] * 4)[2])
