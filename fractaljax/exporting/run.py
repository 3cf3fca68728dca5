"""Draws samples with the program in this folder: python run.py --num=4 --seed=0.

It needs jax, numpy and flatbuffers, nothing else, and a jax at most half a year newer than the one
named in export.json. There too is what the program takes and what the tokens mean. In short:

  program = jax.export.deserialize(bytearray(open('sampler.jax_export', 'rb').read()))
  tokens_BxPxT, attributes_BxA = program.call(
    tokens_BxPxT=known, seed=..., number_B=..., temperature_L=..., gate_bias=...)
"""

import argparse
import json
from pathlib import Path

import jax
import jax.export
import numpy as np

FOLDER = Path(__file__).parent


def sample(num=1, seed=0, temperature=1.0, gate_bias=0.0, known=None, attributes=None):
  """Draws rolls; sample i is a function of the seed and i.

  Args:
    num: samples.
    seed: of everything random, in 0 .. 2^32 - 1.
    temperature: 1 = the model, 0 = the most probable; one number, or one for each level.
    gate_bias: above 0 denser, below 0 sparser.
    known: tokens of one roll (P, T) or of each (num, P, T), with the codec's `unknown` where it is
      to be generated; nothing by default.
    attributes: ids (A,) or (num, A), if the model has any; 0 where it is to draw one.

  Returns:
    tokens_BxPxT and attributes_BxA, int32: the rolls, and the ids that they have, given or drawn;
    A = 0 if the model has no attributes. In export.json are the edges of their bins: that of id
    i + 2 begins at edge i.
  """
  takes = json.loads((FOLDER / 'export.json').read_text())['inputs']
  program = jax.export.deserialize(bytearray((FOLDER / 'sampler.jax_export').read_bytes()))
  given = {
    'tokens_BxPxT': known,
    'seed': seed,
    'number_B': np.arange(num),
    'temperature_L': temperature,
    'gate_bias': gate_bias,
    'attributes_BxA': attributes,
  }
  arrays = {}
  for name, array in takes.items():
    value = array['default'] if given[name] is None else given[name]
    shape = [num if n == 'B' else n for n in array['shape']]
    arrays[name] = np.broadcast_to(np.asarray(value, array['dtype']), shape)
  return tuple(map(np.asarray, jax.jit(program.call)(**arrays)))


def main():
  parser = argparse.ArgumentParser(description='Draws samples and writes them.')
  parser.add_argument('--num', type=int, default=4, help='samples')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--temperature', type=float, default=1.0)
  parser.add_argument('--gate_bias', type=float, default=0.0)
  parser.add_argument('--known', help='.npy of tokens, pitches x steps, to continue or repaint')
  parser.add_argument('--output', default='samples.npz', help='.npz of what `sample` returns')
  flags = parser.parse_args()
  known = np.load(flags.known) if flags.known else None
  tokens_BxPxT, attributes_BxA = sample(
    flags.num, flags.seed, flags.temperature, flags.gate_bias, known
  )
  np.savez_compressed(flags.output, tokens_BxPxT=tokens_BxPxT, attributes_BxA=attributes_BxA)
  print(flags.output, tokens_BxPxT.shape)


if __name__ == '__main__':
  main()
