import dataclasses

import pytest

import models
from fractaljax.errors import UserError

GOOD = models.tiny(((2, 4), (1, 2), (1, 1)), num_pitches=4)

BAD_MODEL = [
  ('levels', (), 'patches'),
  ('levels', GOOD.levels[:2], r'patches\[1\]'),
  ('capacities', (1.0,), 'capacities'),
  ('capacities', (1.0, 0.0), 'capacities'),
  ('capacities', (1.0, 1.5), 'capacities'),
  ('halo', -1, 'halo'),
  ('halo_pitches', -1, 'halo_pitches'),
  ('chord_pitches', -1, 'chord_pitches'),
  ('echoes', (2,), 'echoes'),
  ('echoes', (4,), 'echoes'),
  ('hide', -0.1, 'hide'),
  ('hide', 1.0, 'hide'),
  ('matches', -1, 'matches'),
  ('repeats', -1, 'repeats'),
  ('densities', (1, 3), 'densities'),
  ('tops', (61,), 'tops'),
  ('chords', True, 'chords'),
  ('rhythms', True, 'rhythms'),
  ('returns', True, 'returns'),
  ('head_width', 0, 'head_width'),
  ('head_depth', -1, 'head_depth'),
  ('phrase_bars', 0, 'phrase_bars'),
  ('num_phrases', 0, 'num_phrases'),
  ('cond_drop', -0.1, 'cond_drop'),
  ('cond_drop', 1.1, 'cond_drop'),
  ('dtype', 'float16', 'dtype'),
]

BAD_LEVEL = [
  ('patch', (3, 4), r'patches\[1\]'),
  ('patch', (0, 4), r'patches\[1\]'),
  ('patch', (2, 3), r'patches\[1\]'),
  ('generator', 'gan', r'generators\[1\]'),
  ('scan', 'diagonal', 'scan'),
  ('mask', 'cosine', 'mask'),
  ('width', 0, r'widths\[1\]'),
  ('width', 15, r'widths\[1\]'),
  ('depth', 0, r'depths\[1\]'),
  ('heads', 0, r'heads\[1\]'),
  ('iterations', 0, r'iterations\[1\]'),
  ('mask_std', 0.0, 'mask_std'),
  ('mask_mean', 1.1, 'mask_mean'),
  ('dropout', 1.0, 'dropout'),
  ('dropout', -0.1, 'dropout'),
]


@pytest.mark.parametrize(('key', 'value', 'named'), BAD_MODEL)
def test_a_bad_value_of_the_model_is_refused_by_its_name(key, value, named):
  with pytest.raises(UserError, match=rf'config\.model\.{named}=') as error:
    dataclasses.replace(GOOD, **{key: value})
  # After the value there is a remedy.
  assert len(str(error.value).rsplit(': ', 1)[1]) > 5


@pytest.mark.parametrize(
  ('key', 'changes'),
  [
    ('echoes', dict(echoes=(5,), scan='pitch', halo_pitches=0)),
    ('matches', dict(matches=1, scan='pitch', halo_pitches=0)),
    ('matches', dict(matches=1, halo=0)),
    ('repeats', dict(repeats=1, scan='pitch', halo_pitches=0)),
    ('repeats', dict(repeats=1, generators=('mar', 'ar'))),
    ('repeats', dict(repeats=1, num_pitches=4)),
    *(
      ('densities', dict(patches=((2, 2), (2, 1), (1, 1)), repeats=1, densities=edges))
      for edges in ((0, 3), (3, 1), (3, 3), (-1,))
    ),
    *(
      ('tops', dict(patches=((4, 2), (2, 1), (1, 1)), num_pitches=4, repeats=1, tops=edges))
      for edges in ((60, 62), (62, 61), (62, 62), (62, 64))
    ),
    *(
      ('returns', dict(patches=((2, 2), (2, 1), (1, 1)), repeats=1, returns=True, echoes=echoes))
      for echoes in ((), (5,), (4, 5))
    ),
    *(
      ('rhythms', dict(patches=((2, steps), (2, 1), (1, 1)), repeats=1, rhythms=True))
      for steps in (3, 18)
    ),
    ('halo_pitches', dict(scan='pitch', halo_pitches=1)),
  ],
)
def test_what_does_not_go_together_is_refused_by_its_name(key, changes):
  with pytest.raises(UserError, match=rf'config\.model\.{key}='):
    models.tiny(**changes)


@pytest.mark.parametrize(('key', 'value', 'named'), BAD_LEVEL)
def test_a_bad_value_of_a_level_is_refused_by_its_key_in_the_config(key, value, named):
  # A patch may be bad for what it splits (level 1) or to start with (level 0).
  bad = dataclasses.replace(GOOD.levels[1], **{key: value})
  with pytest.raises(UserError, match=rf'config\.model\.{named}='):
    dataclasses.replace(GOOD, levels=(GOOD.levels[0], bad, GOOD.levels[2]))


def test_the_first_patch_must_divide_the_pitches_of_the_codec():
  with pytest.raises(UserError, match=r'patches\[0\]=\(3, 4\).*4 pitches'):
    models.tiny(((3, 4), (1, 1)), num_pitches=4)


def test_an_unknown_attribute_is_refused_with_those_that_are_known():
  with pytest.raises(UserError, match="'mood'.*tempo"):
    models.tiny(attributes=('tempo', 'mood'))
  with pytest.raises(UserError, match=r'config\.model\.attributes='):
    models.tiny(attributes=('tempo', 'tempo'))


def test_pitches_of_the_halo_do_not_go_with_a_scan_by_pitch():
  with pytest.raises(UserError, match=r'config\.model\.halo_pitches=1'):
    models.tiny(scan='pitch', halo_pitches=1)
  models.tiny(scan='pitch', halo_pitches=0)
  models.tiny(scan='pitch', halo_pitches=1, generators=('mar', 'mar'))


@pytest.mark.parametrize(('num_steps', 'remedy'), [(0, 4), (-4, 4), (3, 4), (6, 4), (15, 12)])
def test_steps_that_the_first_patch_does_not_divide_are_refused_with_a_remedy(num_steps, remedy):
  with pytest.raises(UserError, match=rf'--steps={num_steps} .*multiple of 4.*try {remedy}$'):
    GOOD.check_steps(num_steps, '--steps')
  GOOD.check_steps(remedy, '--steps')


def test_a_model_is_exact_if_every_level_is_ar():
  assert GOOD.exact
  assert not models.tiny(generators=('ar', 'mar')).exact
  assert not models.tiny(generators=('mar', 'ar')).exact


def test_a_config_can_be_a_static_argument():
  again = models.tiny(((2, 4), (1, 2), (1, 1)), num_pitches=4)
  assert again == GOOD and hash(again) == hash(GOOD)
