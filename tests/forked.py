"""Commands in processes forked from one that has imported all: to import takes seconds."""

import atexit
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

from runs import xla_flags

ROOT = Path(__file__).parents[1]

# Reads flags of a command, a JSON line each, and answers with its exit status and its stderr. All
# packages are imported, for commands import what they need when they need it; no backend of JAX has
# started, so that a fork may.
SERVER = """
import json, os, pkgutil, signal, sys, tempfile
from importlib import import_module
from fractaljax import command

for package in 'data', 'exporting', 'model', 'music', 'sampling', 'training':
  path = import_module(f'fractaljax.{package}').__path__
  for found in pkgutil.iter_modules(path, f'fractaljax.{package}.'):
    import_module(found.name)
main = import_module(sys.argv[1]).main
for line in sys.stdin:
  with tempfile.TemporaryFile('w+') as stderr:
    child = os.fork()
    if not child:
      signal.alarm(300)
      os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
      os.dup2(stderr.fileno(), 2)
      sys.argv[1:] = json.loads(line)
      command.run(main)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    stderr.seek(0)
    print(json.dumps([status, stderr.read()]), flush=True)
"""


def run(command: str, *flags: str) -> tuple[int, str]:
  """The exit status of a command with these flags, and what it says on stderr."""
  server = _server(command)
  print(json.dumps(flags), file=server.stdin, flush=True)
  status, stderr = json.loads(server.stdout.readline())
  return status, stderr


@functools.cache
def _server(command: str) -> subprocess.Popen:
  # That JAX has threads, which a fork does not take along, is warned of.
  server = subprocess.Popen(
    [sys.executable, '-W', 'ignore', '-c', SERVER, f'fractaljax.{command}'],
    cwd=ROOT, env=dict(os.environ, XLA_FLAGS=xla_flags(1)), text=True,
    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
  )  # fmt: skip
  atexit.register(server.communicate)
  return server
