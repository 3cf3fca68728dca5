"""Values of the config that no run can have are refused by their key."""

import pytest

from configs import demo
from fractaljax.config import check
from fractaljax.errors import UserError


@pytest.mark.parametrize(
  ('key', 'value'),
  [
    ('seed', -1),
    ('num_steps', 0),
    ('data.beginnings', 1.5),
    ('optimizer.b1', 1.0),
    ('optimizer.b2', 1.0),
    ('model.patches', (72, 16, 1, 1)),
    ('model.patches', ((72, 16, 1), (72, 1), (12, 1), (1, 1))),
  ],
)
def test_a_bad_value_is_refused_by_its_key(key, value):
  config = demo.get_config()
  check(config, 1)
  section, _, name = key.rpartition('.')
  (config[section] if section else config)[name] = value
  with pytest.raises(UserError, match=rf'config\.{key}='):
    check(config, 1)
