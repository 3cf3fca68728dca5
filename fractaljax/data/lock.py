"""The lock of a folder: one process is at it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from fractaljax.errors import UserError


@contextlib.contextmanager
def alone(folder: Path, wait: bool = False) -> Iterator[None]:
  """Locks a folder; the lock is gone with the process, however that ends.

  Raises:
    UserError: another process has it locked, and this one was not to wait.
  """
  number = os.open(folder, os.O_RDONLY)
  try:
    # Some file systems of clusters have no locks; there, nobody is kept from starting a job twice.
    with contextlib.suppress(OSError):
      try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
      except BlockingIOError as error:
        raise UserError(f'another job is at {folder}; wait for it') from error
    yield
  finally:
    os.close(number)
