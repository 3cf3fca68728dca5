"""What the tests of models share."""

import pytest

from fractaljax.model.config import ModelConfig


@pytest.fixture
def no_limits(monkeypatch):
  """Models that leave some probability for all there is, so that tables say something of it."""
  monkeypatch.setattr(ModelConfig, 'has_limits', False)
