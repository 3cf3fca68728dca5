"""A bucket in memory, for the tests of songs in it."""

import pytest
from etils.epath import backend
from fsspec.implementations.memory import MemoryFileSystem

from fractaljax.data import bucket


@pytest.fixture
def memory(monkeypatch, tmp_path):
  """What is in the bucket, by path."""
  monkeypatch.setattr(MemoryFileSystem, 'store', {})
  monkeypatch.setattr(MemoryFileSystem, 'pseudo_dirs', [''])
  monkeypatch.setattr(backend.fsspec_backend, '_get_filesystem', lambda _: MemoryFileSystem())
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'here'))
  return MemoryFileSystem.store


@pytest.fixture
def move(monkeypatch, tmp_path):
  """Goes on as on another machine."""
  return lambda name: monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / name))


@pytest.fixture
def copying(monkeypatch):
  """Has a function called with source and target before each copy."""

  def set_up(act):
    copy = bucket._copy

    def acting(source, target):
      act(str(source), str(target))
      copy(source, target)

    monkeypatch.setattr(bucket, '_copy', acting)

  return set_up
