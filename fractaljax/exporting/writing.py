"""Writes an export: of a checkpoint of a run, its weights or its sampler."""

import dataclasses
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.errors import UserError
from fractaljax.exporting import description, opening, program, weights
from fractaljax.exporting.folder import check_room, new_folder
from fractaljax.mesh import data_parallel
from fractaljax.model.trunk import num_parameters
from fractaljax.music import attributes
from fractaljax.music.codec import Codec
from fractaljax.training import run_dir, trained
from fractaljax.training.curves import read_metrics
from fractaljax.training.trained import Trained

SAMPLER, SCRIPT = 'sampler.jax_export', 'run.py'


class Wish(NamedTuple):
  """What is to be exported.

  Attributes:
    kind: 'orbax', 'safetensors' or 'stablehlo'.
    which: checkpoint, 'latest' or 'best'.
    averaged: the average of the parameters over the updates, or their last values.
    dtype: that they are stored in, 'float32' or 'bfloat16'.
    num_steps: of the rolls that a 'stablehlo' program draws.
    platforms: that it runs on.
  """

  kind: str = 'orbax'
  which: str = 'latest'
  averaged: bool = True
  dtype: str = 'float32'
  num_steps: int = 512
  platforms: tuple[str, ...] = ('cpu', 'cuda', 'tpu')


def export(workdir: str, output: str, wish: Wish, overwrite: bool = False) -> dict:
  """Exports a checkpoint of a run; `output` is there as a whole or not at all.

  Returns:
    the description that it was given.

  Raises:
    UserError: there is no run or no checkpoint in `workdir`, something is at `output`, there is no
      room, a package is missing, or the wish cannot be met.
  """
  if opening.is_export(workdir):
    raise UserError(f'{workdir} is an export; give the folder of the training run')
  with new_folder(output, overwrite) as folder:
    model = trained.load(workdir, data_parallel(jax.devices()[:1]), wish.which, wish.averaged)
    about = _describe(workdir, model, wish)
    check_room(folder, about['parameters'] * jnp.dtype(wish.dtype).itemsize)
    (folder / run_dir.CONFIG).write_text(model.config.to_json_best_effort(indent=2) + '\n')
    if wish.kind == 'stablehlo':
      about |= _write_program(folder, model, wish)
    else:
      weights.write(folder, wish.kind, model.params, wish.dtype)
    return description.write(folder, about)


def _describe(workdir: str, model: Trained, wish: Wish) -> dict:
  return {
    'kind': wish.kind,
    'step': model.step,
    'averaged': wish.averaged,
    'dtype': wish.dtype,
    'parameters': num_parameters(model.params),
    'metrics': last_evaluation(workdir, model.step) if wish.averaged else {},
    'codec': describe_codec(model.model.config.codec),
  }


def _write_program(folder: Path, model: Trained, wish: Wish) -> dict:
  config, num_steps = model.model.config, wish.num_steps
  takes = program.inputs(config, num_steps)
  code = program.serialize(model.model, model.params, wish.dtype, num_steps, list(wish.platforms))
  (folder / SAMPLER).write_bytes(code)
  shutil.copyfile(Path(__file__).with_name(SCRIPT), folder / SCRIPT)
  edges = {name: attributes.ATTRIBUTES[name].edges for name in config.attributes}
  about = {'platforms': wish.platforms, 'jax': jax.__version__, 'inputs': takes}
  return about | {'attributes': edges}


def last_evaluation(workdir: str, step: int) -> dict[str, float]:
  """Metrics of the last evaluation of a run up to a step; none if there was none."""
  is_logged = (run_dir.folder(workdir) / run_dir.METRICS).exists()
  rows = [row for row in (read_metrics(workdir) if is_logged else []) if row['step'] <= step]
  evaluations = [row for row in rows if any(name.startswith('eval_') for name in row)]
  return evaluations[-1] if evaluations else {}


def describe_codec(codec: Codec) -> dict:
  """What the tokens of a roll mean, for those who do not have this package."""
  begins = 'a value of 2 or more begins a note, which goes on as long as 1 follows'
  if codec.name != 'onset':
    begins = 'a run of equal values is one note'
  return dataclasses.asdict(codec) | {
    'row': f'row r of a roll is MIDI pitch {codec.low} + r',
    'column': 'a column is a 16th note, and a bar has 16 of them',
    'values': f'0 is silence; {begins}',
    'velocities': [int(v) for v in codec.velocities],
    'unknown': codec.unknown,
    'outside': codec.outside,
  }
