"""The folder of a run: one process at a time, and only the run that it belongs to."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from fractaljax.errors import UserError
from fractaljax.training import run_dir
from runs import tiny_config

HOLD = """
import sys, time
from fractaljax.training import run_dir
with run_dir.held(sys.argv[1]):
  print('held', flush=True)
  time.sleep(60)
"""


def test_a_config_comes_back_as_it_was(tmp_path):
  config = tiny_config()
  run_dir.claim(str(tmp_path), config)
  assert run_dir.read_config(str(tmp_path)).to_dict() == config.to_dict()


@pytest.mark.parametrize(
  ('text', 'named'), [('{', 'damaged'), ('{"nonsense": 1}', 'nonsense'), (None, 'cannot be read')]
)
def test_a_config_that_cannot_be_used_is_named(tmp_path, text, named):
  if text is not None:
    (tmp_path / 'config.json').write_text(text)
  with pytest.raises(UserError, match=f'config.json.*{named}'):
    run_dir.read_config(str(tmp_path))


def test_a_config_from_before_a_key_of_the_model_is_refused_by_it(tmp_path):
  values = tiny_config().to_dict()
  del values['model']['num_phrases']
  (tmp_path / 'config.json').write_text(json.dumps(values))
  with pytest.raises(UserError, match=r'config.json.*another version.*config\.model\.num_phrases'):
    run_dir.read_config(str(tmp_path))


def test_only_what_the_parameters_mean_must_stay(tmp_path):
  run_dir.claim(str(tmp_path), tiny_config())
  free = {'model.dropout': 0.3, 'model.capacities': (0.5, 0.5), 'optimizer.learning_rate': 1e-4}
  run_dir.claim(str(tmp_path), tiny_config(**free))
  assert run_dir.read_config(str(tmp_path)).model.dropout == 0.3
  other = {'model.scan': 'pitch', 'model.halo': 8}
  with pytest.raises(UserError, match=r'config\.model\.halo, config\.model\.scan; .*--workdir'):
    run_dir.claim(str(tmp_path), tiny_config(**other))
  with pytest.raises(UserError, match=r'another config\.data\.in_c; .*--workdir'):
    run_dir.claim(str(tmp_path), tiny_config(**{'data.in_c': True}))
  assert run_dir.read_config(str(tmp_path)).model.halo == 4


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='--workdir=file/run '), run_dir.held('file/run'):
    pass


def test_a_full_disk_is_told(tmp_path):
  with pytest.raises(UserError, match='no room.*same command'), run_dir.held(str(tmp_path)):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_error_of_another_folder_is_not_the_folders(tmp_path):
  with pytest.raises(FileNotFoundError), run_dir.held(str(tmp_path)):
    (tmp_path.parent / 'none').read_text()


@pytest.mark.slow
def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path):
  first = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
  )
  assert first.stdout.readline() == 'held\n'
  with pytest.raises(UserError, match='another process'), run_dir.held(str(tmp_path)):
    pass
  first.send_signal(signal.SIGKILL)
  first.wait()
  first.stdout.close()
  with run_dir.held(str(tmp_path)):
    pass


@pytest.mark.parametrize('address', ['gs://bucket/runs/x', 's3://bucket/runs/x'])
def test_the_address_of_a_bucket_stays_as_it_is(address):
  assert str(run_dir.folder(address) / 'config.json') == f'{address}/config.json'


def test_the_config_is_whole_even_if_the_last_write_was_not(tmp_path):
  run_dir.claim(str(tmp_path), tiny_config())
  (tmp_path / 'config.tmp').write_text('{"half')
  run_dir.claim(str(tmp_path), tiny_config(num_steps=7))
  assert json.loads((tmp_path / 'config.json').read_text())['num_steps'] == 7
  assert not (tmp_path / 'config.tmp').exists()
