"""Set-up of the whole suite: eight simulated devices, and data sets that may be absent."""

import atexit
import gc
import os
import platform
import shutil
import signal
import tempfile
from pathlib import Path

# Before JAX starts. Tiny programs run once: what costs is to compile them. XLA's fusion emitters
# double that, and wide vectors are an eighth of it.
os.environ['XLA_FLAGS'] = ' '.join((
  os.environ.get('XLA_FLAGS', ''),
  '--xla_force_host_platform_device_count=8',
  '--xla_backend_optimization_level=0',
  '--xla_llvm_disable_expensive_passes=true',
  '--xla_cpu_use_fusion_emitters=false',
  '--xla_cpu_parallel_codegen_split_count=1',
  '--xla_cpu_copy_insertion_use_region_analysis=false',
  *(['--xla_cpu_max_isa=SSE4_2'] if platform.machine() == 'x86_64' else []),
))  # fmt: skip
os.environ['JAX_PLATFORMS'] = 'cpu'
# A run compiles what the run before it did: for this session, what took long is kept.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  cache = os.environ['JAX_COMPILATION_CACHE_DIR'] = tempfile.mkdtemp(prefix='fractaljax-tests-')
  atexit.register(shutil.rmtree, cache, ignore_errors=True)
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0.2'
os.environ['JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES'] = '-1'
# Commands under test must not start anew for the sake of speed.
os.environ.setdefault('GLIBC_TUNABLES', 'glibc.malloc.hugetlb=0')

import pytest

# Tracing makes millions of objects that stay, and to look for garbage among them takes a fifth of
# the time.
gc.set_threshold(100_000, 20, 50)
POP909 = Path(__file__).parents[2] / 'shared' / 'data' / 'pop909'


@pytest.fixture(scope='session')
def pop909() -> Path:
  if not POP909.is_dir():
    pytest.skip('POP909 is absent')
  return POP909


@pytest.fixture
def interruptible():
  """A shell that started the tests in the background has SIGINT ignored, in children too."""
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  yield
  signal.signal(signal.SIGINT, before)
