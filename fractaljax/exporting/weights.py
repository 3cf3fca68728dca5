"""Parameters on disk, as Orbax or safetensors have them, and back onto any devices."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.sharding import Sharding

from fractaljax.errors import UserError

ORBAX, SAFETENSORS = 'params', 'model.safetensors'


def write(folder: Path, kind: str, params, dtype: str) -> None:
  """Writes the variables of a model, rounded to `dtype`.

  Args:
    folder: of the export.
    kind: 'orbax' or 'safetensors'.
    params: variables of the model, its parameters alone.
    dtype: 'float32' or 'bfloat16'.

  Raises:
    OSError: there is no room.
    UserError: the package safetensors is missing.
  """
  arrays = {name: np.asarray(x, jnp.dtype(dtype)) for name, x in _by_name(params).items()}
  if kind == 'safetensors':
    _write_safetensors(folder / SAFETENSORS, arrays)
  else:
    _write_orbax(folder / ORBAX, arrays)


def read(folder: Path, kind: str, shapes, sharding: Sharding):
  """Reads what `write` wrote, as `shapes` has it, float32, laid out by `sharding`.

  Raises:
    UserError: a parameter is missing, or one is there that the model does not have or that has
      another shape; or the package safetensors is missing.
  """
  wanted = _by_name(shapes)
  if kind == 'safetensors':
    arrays = _read_safetensors(folder / SAFETENSORS, wanted, sharding)
  else:
    arrays = _read_orbax(folder / ORBAX, wanted, sharding)
  return {'params': unflatten_dict(arrays, sep='.')}


def _by_name(params) -> dict:
  """Each parameter under its dotted path, such as `splits_0.trunk.norm.scale`."""
  return flatten_dict(params['params'], sep='.')


def _check(path: Path, found: dict[str, tuple[int, ...]], wanted: dict) -> None:
  remedy = 'see that config.json is that of the model, or export the run again'
  for name, array in wanted.items():
    if name not in found:
      raise UserError(f'{path}: parameter {name} is missing; {remedy}')
    if found[name] != array.shape:
      raise UserError(
        f'{path}: parameter {name} has the shape {found[name]}, the model {array.shape}; {remedy}'
      )
  if extra := sorted(set(found) - set(wanted)):
    raise UserError(f'{path}: the model has no parameter {extra[0]}; {remedy}')


def _write_orbax(path: Path, arrays: dict[str, np.ndarray]) -> None:
  try:
    with ocp.StandardCheckpointer() as checkpointer:
      checkpointer.save(path, unflatten_dict(arrays, sep='.'))
  except (RuntimeError, ValueError) as error:  # what the storage says of a disk that fills up
    raise OSError(' '.join(str(error).split())[-160:]) from error


def _read_orbax(path: Path, wanted: dict, sharding: Sharding) -> dict[str, jax.Array]:
  path = path.absolute()
  with ocp.StandardCheckpointer() as checkpointer:
    stored = ocp.tree.to_flat_dict(checkpointer.metadata(path).item_metadata.tree, sep='.')
    _check(path, {name: tuple(x.shape) for name, x in stored.items()}, wanted)
    shapes = {
      name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding) for name, x in wanted.items()
    }
    arrays = checkpointer.restore(path, unflatten_dict(shapes, sep='.'))
  return flatten_dict(arrays, sep='.')


def _write_safetensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
  safetensors = _import_safetensors()
  try:
    safetensors.numpy.save_file(arrays, path, metadata={'format': 'flax'})
  except safetensors.SafetensorError as error:
    raise OSError(str(error)) from error


def _read_safetensors(path: Path, wanted: dict, sharding: Sharding) -> dict[str, jax.Array]:
  safetensors = _import_safetensors()
  with safetensors.safe_open(path, framework='np') as file:
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    _check(path, {name: tuple(x.get_shape()) for name, x in slices.items()}, wanted)

    def place(name: str, shape: tuple[int, ...]) -> jax.Array:
      def part(index):  # each device's own, and no more of the file
        return slices[name][index].astype(np.float32)

      return jax.make_array_from_callback(shape, sharding, part)

    return {name: place(name, x.shape) for name, x in wanted.items()}


def _import_safetensors():
  try:
    import safetensors.numpy
  except ImportError as error:
    raise UserError(
      'the package safetensors is missing; install it: pip install safetensors'
    ) from error
  return safetensors
