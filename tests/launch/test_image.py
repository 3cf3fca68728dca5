"""The container image: only code goes in, and nobody runs it as root."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / 'Dockerfile').read_text()


def _instructions(name: str) -> list[str]:
  lines = DOCKERFILE.replace('\\\n', ' ').splitlines()
  return [line.removeprefix(f'{name} ').strip() for line in lines if line.startswith(f'{name} ')]


def test_what_is_copied_is_there_and_all_else_stays_out():
  copied = {path for line in _instructions('COPY') for path in line.split()[:-1]}
  ignored = (ROOT / '.dockerignore').read_text().splitlines()
  assert '*' in ignored and not _instructions('ADD')
  assert {line[1:] for line in ignored if line.startswith('!')} == copied
  assert all((ROOT / path).exists() for path in copied)


def test_it_does_not_run_as_root():
  [user] = _instructions('USER')
  assert user == 'fractaljax'
  assert DOCKERFILE.index('\nUSER ') > DOCKERFILE.rindex('\nRUN ')


def test_the_extras_are_those_of_setup():
  [extras] = re.findall(r'\n +(\w+ \| \w+)\) extras=\$EXTRA,remote', DOCKERFILE)
  setup = (ROOT / 'setup.py').read_text()
  assert all(f"'{extra}': [" in setup for extra in [*extras.split(' | '), 'remote'])


def test_it_starts_through_the_script_that_reports_stops():
  assert _instructions('ENTRYPOINT') == ['["/app/launch/stoppable.sh"]']
  assert _instructions('WORKDIR') == ['/app']
