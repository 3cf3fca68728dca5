"""Echoes: what was at a region's pitches before, where the music may repeat itself.

An echo of a region is a block of tokens: the region's pitches and steps as they were so many steps
before, with ECHO_PITCHES above and below, ECHO_STEPS after them and `steps_before` before them.
"""

import jax.numpy as jnp

from fractaljax.model import patches
from fractaljax.model.config import ModelConfig

ECHO_PITCHES, ECHO_STEPS = 2, 1


def steps_before(halo: int) -> int:
  """Steps of an echo that are before its region: its halo, and at least as many as after it."""
  return max(halo, ECHO_STEPS)


def block_size(patch: tuple[int, int], halo: int) -> tuple[int, int]:
  """(pitches, steps) of an echo of a patch."""
  return patch[0] + 2 * ECHO_PITCHES, steps_before(halo) + patch[1] + ECHO_STEPS


def core(echo_NxExQxW, halo: int, num_steps: int):
  """The cells of echoes at the pitches and steps of their regions, (N, E, P, T)."""
  before = steps_before(halo)
  return echo_NxExQxW[:, :, ECHO_PITCHES:-ECHO_PITCHES, before : before + num_steps]


def halo_of(echo_NxExQxW, halo: int):
  """The cells of echoes that lie before their regions as the halo does, (N, E, P, H)."""
  return echo_NxExQxW[:, :, ECHO_PITCHES:-ECHO_PITCHES, :halo]


def first_echoes(roll_NxPxW, halo: int, corners_C, patch: tuple[int, int], config: ModelConfig):
  """The echoes of fixed age of patches of whole rolls, a list of C blocks for each.

  Args:
    roll_NxPxW: tokens of whole rolls, with a halo of so many steps before them.
    halo: H.
    corners_C: (roll, row, column) of each patch, without the halo.
    patch: its pitches and steps.
    config: the model.
  """
  n_C, row_C, col_C = corners_C
  size = block_size(patch, halo)
  back = max((0, *(steps_before(halo) + steps for steps in config.echoes)))
  around = ((0, 0), (ECHO_PITCHES, ECHO_PITCHES), (back, 0))
  roll_NxQxW = jnp.pad(roll_NxPxW, around, constant_values=config.codec.outside)
  here_C = back + halo + col_C - steps_before(halo)
  return [patches.cut(roll_NxQxW, n_C, row_C, here_C - steps, size) for steps in config.echoes]


def child_echoes(echo_NxExQxW, halo: int, corners_C, patch: tuple[int, int]):
  """The echoes of patches, a list of C blocks for each, from those of their regions."""
  size = block_size(patch, halo)
  return [patches.cut(echo_NxQxW, *corners_C, size) for echo_NxQxW in echo_NxExQxW.swapaxes(0, 1)]
