"""What cannot be exported or opened is told in one line, and nothing half-written stays."""

import itertools
import json
import resource
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

import fractaljax
from fractaljax.errors import UserError
from fractaljax.exporting import program
from fractaljax.exporting.description import VERSION
from fractaljax.exporting.folder import new_folder
from fractaljax.exporting.writing import Wish, export

KINDS = ('orbax', 'safetensors')


@pytest.fixture(scope='module')
def exports(run):
  """An export of each kind of weights; tests work on copies."""
  for kind in KINDS:
    export(str(run), str(run.parent / kind), Wish(kind))
  return {kind: run.parent / kind for kind in KINDS}


@pytest.fixture(params=KINDS)
def copy(exports, tmp_path, request):
  return shutil.copytree(exports[request.param], tmp_path / 'copy')


def data_files(folder):
  """Files with anything in them, of which people are not to change a byte."""
  files = [path for path in sorted(folder.rglob('*')) if path.is_file() and path.stat().st_size]
  return [path for path in files if path.suffix != '.json']


def refusal(folder) -> str:
  with pytest.raises(UserError) as refused:
    fractaljax.load(str(folder))
  assert '\n' not in str(refused.value)
  return str(refused.value)


def change(path, **changes):
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_flipped_bit_in_any_file_is_noticed(copy):
  for path in data_files(copy):
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :])
    assert f'{path} is damaged' in refusal(copy)
    path.write_bytes(whole)


def test_a_file_that_is_short_or_missing_is_named(copy):
  path = max(data_files(copy), key=lambda path: path.stat().st_size)
  path.write_bytes(path.read_bytes()[:-1])
  assert f'{path} is damaged' in refusal(copy)
  path.unlink()
  assert f'{path} is missing' in refusal(copy)


@pytest.mark.parametrize('text', ['{"format": ', '[]', '{}', None])
def test_a_description_that_is_damaged_or_missing_is_named(copy, text):
  path = copy / 'export.json'
  path.unlink() if text is None else path.write_text(text)
  assert f'{path} {"cannot be read" if text is None else "is damaged"}' in refusal(copy)


def test_an_export_of_another_version_is_named(copy):
  change(copy / 'export.json', version=VERSION + 1)
  line = refusal(copy)
  assert f'version {VERSION + 1}' in line and f'version {VERSION}' in line
  change(copy / 'export.json', version=VERSION, format='something')
  assert 'something' in refusal(copy)


def test_a_parameter_that_does_not_fit_is_named(copy):
  path = copy / 'config.json'
  model = json.loads(path.read_text())['model']
  change(path, model=model | {'head_width': 24})
  assert 'splits_2.' in (line := refusal(copy))
  assert '24' in line
  change(path, model=model | {'depths': [1, 2, 1]})
  assert 'splits_1.trunk.block_1' in (line := refusal(copy))
  assert 'missing' in line
  change(path, model=model | {'attributes': []})
  assert 'no parameter form.song.attributes_0.' in refusal(copy)


def test_what_is_at_the_output_stays_unless_it_is_an_export_to_overwrite(run, exports, tmp_path):
  with pytest.raises(UserError, match='exists.*--overwrite'):
    export(str(run), str(exports['orbax']), Wish())
  replaced = shutil.copytree(exports['orbax'], tmp_path / 'out')
  export(str(run), str(replaced), Wish('safetensors'), overwrite=True)
  assert sorted(path.name for path in replaced.iterdir()) == [
    'config.json', 'export.json', 'model.safetensors',
  ]  # fmt: skip
  (tmp_path / 'songs').mkdir()
  (tmp_path / 'songs' / 'dear.mid').write_text('')
  with pytest.raises(UserError, match='something else'):
    export(str(run), str(tmp_path / 'songs'), Wish(), overwrite=True)
  assert sorted(path.name for path in tmp_path.iterdir()) == ['out', 'songs']


def test_what_is_no_run_is_not_exported(exports, tmp_path):
  for source, named in ((tmp_path / 'none', 'none'), (exports['orbax'], 'is an export')):
    with pytest.raises(UserError, match=named):
      export(str(source), str(tmp_path / 'out'), Wish())
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('kind', ['orbax', 'safetensors'])
def test_a_full_disk_is_told_and_nothing_is_left(run, tmp_path, kind, monkeypatch):
  usage = namedtuple('usage', 'free')
  monkeypatch.setattr(shutil, 'disk_usage', lambda folder: usage(1000))
  with pytest.raises(UserError, match='out cannot be written: No space left'):
    export(str(run), str(tmp_path / 'out'), Wish(kind))
  assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_and_the_older_export(run, exports, tmp_path):
  out = shutil.copytree(exports['orbax'], tmp_path / 'out')
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
  try:
    with pytest.raises(UserError, match='out cannot be written: .*too large'):
      export(str(run), str(out), Wish('safetensors'), overwrite=True)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
  assert list(tmp_path.iterdir()) == [out]
  assert fractaljax.load(str(out)).step == 3


@pytest.mark.parametrize(('kind', 'package'), [
  ('safetensors', 'safetensors'), ('stablehlo', 'flatbuffers'),
])  # fmt: skip
def test_a_package_that_is_missing_is_named(run, tmp_path, monkeypatch, kind, package):
  monkeypatch.setitem(sys.modules, package, None)
  monkeypatch.setitem(sys.modules, f'{package}.numpy', None)
  with pytest.raises(UserError, match=f'pip install {package}'):
    export(str(run), str(tmp_path / 'out'), Wish(kind, num_steps=32))
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('wish', 'named'), [
  (Wish('stablehlo', num_steps=30), '--steps=30.*try 24'),
  (Wish('stablehlo', num_steps=32, platforms=('cpu', 'gpu')), '--platforms=cpu,gpu.*cuda'),
])  # fmt: skip
def test_a_program_that_cannot_be_is_refused(run, tmp_path, wish, named):
  with pytest.raises(UserError, match=named):
    export(str(run), str(tmp_path / 'out'), wish)
  assert not list(tmp_path.iterdir())


def test_parameters_that_are_too_large_for_a_program_are_refused(run, tmp_path, monkeypatch):
  monkeypatch.setattr(program, 'MAX_BYTES', 200_000)
  with pytest.raises(UserError, match='--dtype=bfloat16'):
    export(str(run), str(tmp_path / 'out'), Wish('stablehlo', num_steps=32))


@pytest.mark.parametrize('error', [OSError(5, 'Input/output error'), KeyboardInterrupt()])
@pytest.mark.parametrize('fails', [(2,), (2, 3)])
def test_an_export_that_is_not_replaced_stays(tmp_path, monkeypatch, error, fails):
  out, rename, number = tmp_path / 'out', Path.rename, itertools.count(1)
  out.mkdir()
  (out / 'export.json').write_text('dear')

  def rename_or_fail(path, target):
    if next(number) in fails:
      raise error
    return rename(path, target)

  monkeypatch.setattr(Path, 'rename', rename_or_fail)
  with pytest.raises((UserError, KeyboardInterrupt)) as raised, new_folder(str(out), True) as new:
    (new / 'export.json').write_text('new')
  # Back in its place, or else beside it, as is said.
  (where,) = tmp_path.iterdir() if fails == (2,) else tmp_path.glob('.out-*/old')
  assert (where / 'export.json').read_text() == 'dear'
  assert (where == out) == (fails == (2,))
  if isinstance(error, OSError):
    assert str(raised.value).endswith('nothing was changed' if where == out else f'is in {where}')
