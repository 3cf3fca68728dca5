"""What a caller can ask of the sampler."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from fractaljax.model.chord import NUM_CHORDS
from fractaljax.model.config import ModelConfig
from fractaljax.sampling.asked import FREE


@dataclasses.dataclass(frozen=True)
class Plan:
  """What fixes the compiled program.

  Attributes:
    chunk: occupied patches that are expanded together, at most.
    nucleus: whether `Knobs.top_p` is applied.
    guided: whether classifier-free guidance is applied (twice the work).
    tries: how often a bar is drawn, at most, until its notes are as was said of it, see
      `fractaljax.sampling.retry`.
    rising: let the guidance grow linearly over the first level, from none (scale 1) to its scale.
  """

  chunk: int = 8
  nucleus: bool = False
  guided: bool = False
  rising: bool = False
  tries: int = 1


class Knobs(NamedTuple):
  """What can be turned without compiling again.

  Attributes:
    temperature_L: divides the logits of each level; 1 is the model, 0 takes the most probable.
    gate_bias: added to the logits of occupancy; 0 is the model.
    top_p: values are drawn from the smallest set that has this probability (Plan.nucleus).
    guidance: scale s of uncond + s * (cond - uncond) on logits (Plan.guided).
    repeat_L: what the first patches are to repeat, see `fractaljax.sampling.form`; FREE ones and
      those after the last one are left to the model. Another length is compiled again.
    chord_L: the same of their chords, see `fractaljax.sampling.chords`.
    rhythm_L: the same of their rhythms, see `fractaljax.sampling.rhythm`.
  """

  temperature_L: jax.Array
  gate_bias: jax.Array
  top_p: jax.Array
  guidance: jax.Array
  repeat_L: jax.Array
  chord_L: jax.Array
  rhythm_L: jax.Array


def make_knobs(
  config: ModelConfig,
  temperature: float | tuple[float, ...] = 1.0,
  gate_bias: float = 0.0,
  top_p: float = 1.0,
  guidance: float = 1.0,
  repeat_L: Sequence[int] = (),
  chord_L: Sequence[int] = (),
  rhythm_L: Sequence[int] = (),
) -> Knobs:
  """Knobs from plain numbers; one temperature stands for all levels.

  Raises:
    ValueError: there is nothing that far back to repeat, there is no such chord or rhythm, or the
      model says nothing of them.
  """
  num_rhythms = 2 ** config.levels[0].patch[1] * config.rhythms
  each = {
    'repeat_L': (repeat_L, [min(i, config.repeats) for i in range(len(repeat_L))]),
    'chord_L': (chord_L, [NUM_CHORDS * config.chords - 1] * len(chord_L)),
    'rhythm_L': (rhythm_L, [num_rhythms - 1] * len(rhythm_L)),
  }
  for name, (asked_L, most_L) in each.items():
    for i, (asked, most) in enumerate(zip(asked_L, most_L, strict=True)):
      if not FREE <= asked <= most:
        raise ValueError(f'{name}[{i}] is {asked}, not in {FREE} .. {most}')
  temperature_L = jnp.broadcast_to(jnp.asarray(temperature, jnp.float32), len(config.levels))
  numbers = (jnp.float32(x) for x in (gate_bias, top_p, guidance))
  asked = (jnp.asarray(x_L, jnp.int32) for x_L in (repeat_L, chord_L, rhythm_L))
  return Knobs(temperature_L, *numbers, *asked)
