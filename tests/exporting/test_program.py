"""The exported sampler draws what the model draws, where fractaljax is not installed."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

import fractaljax
from fractaljax.errors import UserError
from fractaljax.exporting.writing import SAMPLER, Wish, export
from fractaljax.sampling import known
from fractaljax.sampling.draw import as_songs

STEPS = 32
WITHOUT_FRACTALJAX = """
import runpy, sys
sys.modules['fractaljax'] = None
script, known, output = sys.argv[1:]
run = runpy.run_path(script)
known = run['np'].load(known)
tokens, attributes = run['sample'](len(known), seed=7, known=known)
run['np'].savez(output, tokens=tokens, attributes=attributes)
assert not {'flax', 'orbax', 'ml_collections'} & set(sys.modules)
"""


@pytest.fixture(scope='module')
def prompt(run):
  """A roll of which the first half is known."""
  config = fractaljax.load(str(run), jax.devices()[:1]).model.config
  crop = known.nothing(config, STEPS)
  tokens_PxT = crop.tokens_PxT.copy()
  tokens_PxT[:, : STEPS // 2] = 0
  tokens_PxT[20, : STEPS // 2] = 9
  return crop._replace(tokens_PxT=tokens_PxT)


def written(run, **wishes):
  """Exports the sampler; where it is, and its description."""
  output = run.parent / '-'.join(map(str, wishes.values()))
  about = export(str(run), str(output), Wish('stablehlo', num_steps=STEPS, **wishes))
  return output, about


def drawn(output, known, tmp_path):
  """Samples of the exported program, in a process for which there is no fractaljax."""
  files = tmp_path / 'known.npy', tmp_path / 'samples.npz'
  np.save(files[0], known)
  command = [sys.executable, '-I', '-c', WITHOUT_FRACTALJAX, output / 'run.py', *files]
  subprocess.run(command, cwd='/', check=True, timeout=200)
  return np.load(files[1])


def num_bytes(about) -> int:
  return sum(size for size, _ in about['files'].values())


@pytest.mark.slow
def test_the_program_draws_what_the_model_draws(run, prompt, tmp_path):
  # The harder case: parameters are rounded, and computed with as float32 all the same.
  output, _ = written(run, dtype='bfloat16')
  export(str(run), str(tmp_path / 'weights'), Wish('safetensors', dtype='bfloat16'))
  trained = fractaljax.load(str(tmp_path / 'weights'), jax.devices()[:1])
  # The first from nothing, the others from the prompt.
  num = 3
  known = np.repeat(prompt.tokens_PxT[None], num, axis=0)
  known[0] = trained.model.config.codec.unknown
  found = drawn(output, known, tmp_path)
  songs = as_songs(found['tokens'], found['attributes'], trained.model.config)
  expected = trained.sample(num, STEPS, seed=7)[:1] + trained.sample(num, seed=7, crop=prompt)[1:]
  for song, same in zip(songs, expected, strict=True):
    np.testing.assert_array_equal(song.notes_Nx4, same.notes_Nx4)
    assert song.tempo_bpm == same.tempo_bpm
  assert len(np.unique(found['tokens'])) > 4
  assert (found['attributes'] > 0).all()


def test_the_program_says_what_it_takes_and_what_it_gives(run):
  output, about = written(run, platforms=('cpu', 'cuda', 'tpu'))
  exported = jax.export.deserialize(bytearray((output / SAMPLER).read_bytes()))
  assert exported.platforms == ('cpu', 'cuda', 'tpu')
  taken = dict(zip(sorted(about['inputs']), exported.in_avals, strict=True))
  for name, takes in about['inputs'].items():
    assert [str(n) for n in taken[name].shape] == [str(n) for n in takes['shape']]
    assert taken[name].dtype == takes['dtype']
  assert 4 * about['parameters'] < num_bytes(about) < 4 * about['parameters'] + 450_000
  shapes = [[str(n) for n in result.shape] for result in exported.out_avals]
  assert shapes == [['B', '64', str(STEPS)], ['B', str(len(about['attributes']))]]
  codec = json.loads((output / 'export.json').read_text())['codec']
  assert (codec['name'], codec['low'], codec['unknown']) == ('onset', 32, 34)
  assert codec['velocities'][2:4] == [2, 6]
  with pytest.raises(UserError, match='run.py'):
    fractaljax.load(str(output))
