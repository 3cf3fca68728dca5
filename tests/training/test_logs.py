"""What a run logs: whole lines, up to the step that it goes on from."""

import gc
import json
import resource
from types import SimpleNamespace

import pytest
from etils import epath
from etils.epath import backend
from fsspec.implementations.memory import MemoryFileSystem

from fractaljax.training.logs import Logs
from fractaljax.training.score import SCORE


def log(workdir: str, start_step: int, is_evaluated: bool = True) -> list[dict]:
  """Goes on from a step for two more, and returns all that is in metrics.jsonl then."""
  with Logs(workdir, start_step, is_evaluated) as logs:
    for step in (start_step + 1, start_step + 2):
      logs.write(step, {'loss': 1.0 / step})
    logs.write(start_step + 2, {SCORE: 0.0})
  text = (epath.Path(workdir) / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def test_what_was_logged_after_the_last_checkpoint_goes(tmp_path):
  first = log(str(tmp_path), 0)
  assert [row['step'] for row in first] == [1, 2, 2]
  assert [row['step'] for row in log(str(tmp_path), 1)] == [1, 2, 3, 3]


def test_what_was_logged_of_an_evaluation_that_was_not_kept_goes(tmp_path):
  evaluation = log(str(tmp_path), 0)[2]
  assert evaluation in log(str(tmp_path), 2)
  assert evaluation not in log(str(tmp_path), 2, is_evaluated=False)


def test_a_half_line_goes(tmp_path):
  (tmp_path / 'metrics.jsonl').write_text('{"step": 1, "loss": 2.0}\n{"step": 1, "lo')
  assert [row['step'] for row in log(str(tmp_path), 1)] == [1, 2, 3, 3]


# Of the file that could not be written out.
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.filterwarnings('ignore::ResourceWarning')
def test_a_full_disk_is_an_error_and_not_a_silence(tmp_path):
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # files as large as that, no larger
  try:
    with pytest.raises(OSError, match='too large'), Logs(str(tmp_path), 0, True) as logs:
      for step in range(10_000):
        logs.write(step, {'x': 0.0})
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    gc.collect()


def test_a_bucket_has_all_lines_as_well(monkeypatch):
  board = SimpleNamespace(write_event=lambda _: None, flush=lambda: None, close=lambda: None)
  monkeypatch.setattr('fractaljax.training.logs.EventsWriter', lambda _: board)
  monkeypatch.setattr('fractaljax.training.logs.directory_check', lambda _: None)
  monkeypatch.setattr(MemoryFileSystem, 'store', {})
  monkeypatch.setattr(backend.fsspec_backend, '_get_filesystem', lambda _: MemoryFileSystem())
  first = log('s3://bucket/run', 0)
  assert [row['step'] for row in first] == [1, 2, 2]
  assert [row['step'] for row in log('s3://bucket/run', 2)] == [1, 2, 2, 3, 4, 4]
