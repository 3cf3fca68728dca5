"""Echoes: what was at a region's pitches before, where the music may repeat itself.

An echo of a region is a block of tokens: the region's pitches and steps as they were so many steps
before, with ECHO_PITCHES above and below, ECHO_STEPS after them and `steps_before` before them.
"""

import jax.numpy as jnp
import numpy as np

from fractaljax.model import patches
from fractaljax.model.config import ModelConfig
from fractaljax.model.repeat import lag_of

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


def first_echoes(roll_NxPxW, halo: int, corners_C, repeat_C, config: ModelConfig):
  """The echoes of first patches but for their matches, a list of C blocks for each.

  Args:
    roll_NxPxW: tokens of whole rolls, with a halo of so many steps before them.
    halo: H.
    corners_C: (roll, row, column) of each patch, without the halo.
    repeat_C: what each repeats, see `fractaljax.model.repeat`; or None.
    config: the model.
  """
  n_C, row_C, col_C = corners_C
  patch = config.levels[0].patch
  size = block_size(patch, halo)
  most = max((0, config.repeats * patch[1], *config.echoes))
  back = most and steps_before(halo) + most
  around = ((0, 0), (ECHO_PITCHES, ECHO_PITCHES), (back, 0))
  roll_NxQxW = jnp.pad(roll_NxPxW, around, constant_values=config.codec.outside)
  here_C = back + halo + col_C - steps_before(halo)
  blocks = [patches.cut(roll_NxQxW, n_C, row_C, here_C - steps, size) for steps in config.echoes]
  if repeat_C is not None:
    lag_C = lag_of(repeat_C)
    block_CxQxW = patches.cut(roll_NxQxW, n_C, row_C, here_C - patch[1] * lag_C, size)
    # What follows the last patch is not known when this one begins.
    is_own_CxW = (lag_C == 1)[:, None] & (np.arange(size[1]) >= size[1] - ECHO_STEPS)
    block_CxQxW = jnp.where(is_own_CxW[:, None], config.codec.unknown, block_CxQxW)
    is_repeat_Cx1x1 = (repeat_C > 0)[:, None, None]
    blocks.append(jnp.where(is_repeat_Cx1x1, block_CxQxW, config.codec.outside))
  return blocks


def child_echoes(echo_NxExQxW, halo: int, corners_C, patch: tuple[int, int]):
  """The echoes of patches, a list of C blocks for each, from those of their regions."""
  size = block_size(patch, halo)
  return [patches.cut(echo_NxQxW, *corners_C, size) for echo_NxQxW in echo_NxExQxW.swapaxes(0, 1)]
