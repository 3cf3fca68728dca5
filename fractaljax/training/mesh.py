"""The devices as a mesh, and where arrays lie on it."""

from typing import NamedTuple

import jax
from jax.sharding import AxisType, NamedSharding

from fractaljax.music.crop import Crop


class Placement(NamedTuple):
  """Where arrays lie.

  Attributes:
    num_devices: along the data axis.
    replicated: the same on every device: parameters, optimizer state.
    split: the leading axis divided among the devices: batches.
  """

  num_devices: int
  replicated: NamedSharding
  split: NamedSharding

  def place(self, batch: Crop) -> Crop:
    """A batch of this process as its share of the global batch."""
    make = jax.make_array_from_process_local_data
    return jax.tree.map(lambda x: make(self.split, x), batch)


def data_parallel(devices: list[jax.Device]) -> Placement:
  """Batches divided among the devices, all else on each of them."""
  # Not explicit sharding, the default of new versions: linen modules cannot be traced with it.
  mesh = jax.make_mesh((len(devices),), ('data',), axis_types=(AxisType.Auto,), devices=devices)
  replicated = NamedSharding(mesh, jax.P())
  return Placement(len(devices), replicated, NamedSharding(mesh, jax.P('data')))
