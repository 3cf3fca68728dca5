"""The folder of an export: it appears whole, or not at all."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fractaljax.data.bucket import check_local
from fractaljax.errors import UserError
from fractaljax.exporting import description


@contextlib.contextmanager
def new_folder(output: str, overwrite: bool) -> Iterator[Path]:
  """An empty folder beside `output`, which takes its place in the end.

  Raises:
    UserError: there is something at `output` and `overwrite` is not given, or no room for it.
  """
  check_local(output, 'output')
  path, half = Path(os.path.abspath(output)), None
  _check_free(path, overwrite)
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f'.{path.name}-', dir=path.parent))
    (new := half / 'new').mkdir()
    yield new
    _replace(path, new, half / 'old')
  except OSError as error:
    left = f'the older one is in {half / "old"}' if _is_aside(path, half) else 'nothing was changed'
    raise UserError(
      f'--output={output} cannot be written: {error.strerror or error}; {left}'
    ) from error
  finally:
    if half and not _is_aside(path, half):
      shutil.rmtree(half, ignore_errors=True)


def check_room(folder: Path, num_bytes: int) -> None:
  """Raises OSError if the disk has no room; below, a full disk is told in a hundred lines."""
  if shutil.disk_usage(folder).free < num_bytes:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _replace(path: Path, new: Path, old: Path) -> None:
  """Puts `new` at `path` and what was there at `old`; if that fails, as far as can be, neither."""
  try:
    if path.exists():
      path.rename(old)
    new.rename(path)
  except BaseException:  # Ctrl-C, too
    if old.exists() and not path.exists():
      old.rename(path)
    raise


def _is_aside(path: Path, half: Path | None) -> bool:
  """Whether what was at `path` is still beside it, in `half`, and nothing took its place."""
  return half is not None and (half / 'old').exists() and not path.exists()


def _check_free(path: Path, overwrite: bool) -> None:
  if not os.path.lexists(path):
    return
  if not overwrite:
    raise UserError(f'--output={path} exists; choose another or give --overwrite')
  is_empty = path.is_dir() and not any(path.iterdir())
  if not is_empty and not (path / description.NAME).exists():
    raise UserError(f'--output={path} is something else than an export; choose another')
