"""The devices as a mesh, and where arrays lie on it."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding

from fractaljax.errors import UserError

AXES = ('data', 'fsdp')


class Placement(NamedTuple):
  """Where arrays lie on a mesh of (data, fsdp) devices.

  Every device takes its share of the batch. The devices along `fsdp` also share the state: each
  keeps a part of every large array, and gets the rest when it is needed (Rajbhandari et al. 2020,
  ZeRO).
  """

  mesh: Mesh

  @property
  def num_devices(self) -> int:
    return self.mesh.size

  def at_least(self, num: int) -> int:
    """The number from `num` on that the devices divide."""
    return -(-num // self.num_devices) * self.num_devices

  @property
  def replicated(self) -> NamedSharding:
    """The same on every device."""
    return NamedSharding(self.mesh, jax.P())

  @property
  def split(self) -> NamedSharding:
    """The leading axis divided among all devices."""
    return NamedSharding(self.mesh, jax.P(AXES))

  def of_state(self, shapes):
    """For each array of a state (parameters, optimizer and all): how `fsdp` divides it."""
    return jax.tree.map(lambda x: NamedSharding(self.mesh, self._spec(x)), shapes)

  def specs(self, params):
    """The same as `jax.P`s."""
    return jax.tree.map(self._spec, params)

  def _spec(self, x) -> jax.P:
    num = self.mesh.shape['fsdp']
    axes = [axis for axis in range(x.ndim) if x.shape[axis] % num == 0]
    # Vectors stay whole: they are small, and a message costs its latency.
    if num == 1 or x.ndim < 2 or not axes:
      return jax.P()
    longest = max(axes, key=lambda axis: x.shape[axis])
    return jax.P(*(None,) * longest, 'fsdp')

  def on_shares(self, function, specs, out_specs):
    """`function(params, batch, rng)` on every device with its share of a batch, and on its own.

    `function` meets its parts of the parameters and has to say itself what travels: see
    `whole_params` and `summed_parts`.

    Args:
      specs: of the parameters.
      out_specs: of what the function returns.
    """

    def of_share(params, batch, rng):
      return function(params, batch, jax.random.fold_in(rng, jax.lax.axis_index(AXES)))

    return jax.shard_map(
      of_share, mesh=self.mesh, in_specs=(specs, jax.P(AXES), jax.P()), out_specs=out_specs,
      check_vma=False,
    )  # fmt: skip

  def map_shares(self, function, batch):
    """`function` of every device's share of a batch, there and then; nothing travels."""
    return jax.shard_map(
      function, mesh=self.mesh, in_specs=jax.P(AXES), out_specs=jax.P(AXES), check_vma=False
    )(batch)

  def place(self, share):
    """The global batch, any tree of arrays, of which this process has its share."""
    make = jax.make_array_from_process_local_data
    return jax.tree.map(lambda x: make(self.split, x), share)

  def spread(self, batch):
    """A global batch, any tree of arrays, of which every process has the whole."""

    def one(x):
      return jax.make_array_from_callback(x.shape, self.split, lambda index: x[index])

    return jax.tree.map(lambda x: one(np.asarray(x)), batch)

  def gather(self, batch):
    """A tree of arrays that are divided among the devices, whole and on every host."""
    return multihost_utils.process_allgather(batch, tiled=True)


def whole_params(parts, specs):
  """On one device of `on_shares`: the parameters, gathered from all parts."""

  def whole(part, spec: jax.P):
    return jax.lax.all_gather(part, 'fsdp', axis=len(spec) - 1, tiled=True) if spec else part

  return jax.tree.map(whole, parts, specs)


def summed_parts(wholes, specs):
  """On one device of `on_shares`: its parts of what is like the parameters, summed over all."""

  def part(whole, spec: jax.P):
    if not spec:
      return jax.lax.psum(whole, AXES)
    axis = len(spec) - 1
    part = jax.lax.psum_scatter(whole, 'fsdp', scatter_dimension=axis, tiled=True)
    return jax.lax.psum(part, 'data')

  return jax.tree.map(part, wholes, specs)


def make_placement(devices: Sequence[jax.Device], num_fsdp: int) -> Placement:
  """A mesh of all the devices, `num_fsdp` of them along the second axis.

  Raises:
    UserError: the devices cannot be divided so.
  """
  if num_fsdp < 1 or len(devices) % num_fsdp:
    raise UserError(
      f'config.fsdp={num_fsdp}: must divide the number of devices, which is {len(devices)}'
    )
  shape = (len(devices) // num_fsdp, num_fsdp)
  # Not explicit sharding, the default of new versions: linen modules cannot be traced with it.
  types = (AxisType.Auto,) * len(AXES)
  return Placement(jax.make_mesh(shape, AXES, axis_types=types, devices=devices))


def data_parallel(devices: Sequence[jax.Device]) -> Placement:
  """Batches divided among the devices, all else on each of them."""
  return make_placement(devices, 1)
