"""The words of REMI (Huang & Yang 2020), as miditok numbers them."""

import dataclasses
import functools

import numpy as np

from fractaljax.errors import UserError
from fractaljax.music.codec import BIN_WIDTH, NUM_BINS, Codec

KINDS = ('PAD', 'BOS', 'EOS', 'Bar', 'Position', 'Pitch', 'Velocity', 'Duration')
PAD, BOS, EOS, BAR, POSITION, PITCH, VELOCITY, DURATION = range(len(KINDS))
STEPS_PER_BEAT, MOST_PLACES = 4, 16
HALO = 16  # steps before an excerpt that come along, as the fractal's halo


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """REMI's words for excerpts of rolls in the onset codec.

  Attributes:
    codec: of the rolls; its pitches and velocity bins have a word each.
    num_steps: longest excerpt, and longest duration; a multiple of 4.

  Raises:
    UserError: miditok is not installed, or a value does not fit.
  """

  codec: Codec
  num_steps: int

  def __post_init__(self):
    if self.codec.name != 'onset':
      raise UserError(f"codec {self.codec.name!r}: REMI spells the codec 'onset' only")
    if self.num_steps < STEPS_PER_BEAT or self.num_steps % STEPS_PER_BEAT:
      raise UserError(f'--steps={self.num_steps} is not whole beats; give a multiple of 4')
    # Without miditok a run should be refused before it has begun.
    self.tokenizer  # noqa: B018

  @functools.cached_property
  def tokenizer(self):
    """miditok's tokenizer: positions and durations in 16ths, 32 velocities, nothing optional."""
    try:
      from miditok import REMI, TokenizerConfig
    except ImportError as error:
      raise UserError(
        "the REMI baseline needs miditok; install it with pip install 'fractaljax[baselines]'"
      ) from error
    low = self.codec.low
    config = TokenizerConfig(
      pitch_range=(low, low + self.codec.num_pitches - 1),
      beat_res={(0, self.num_steps // STEPS_PER_BEAT): STEPS_PER_BEAT},
      num_velocities=NUM_BINS,
      special_tokens=['PAD', 'BOS', 'EOS'],
      use_time_signatures=False,
      use_pitchdrum_tokens=False,
    )
    return REMI(config)

  def __len__(self) -> int:
    return len(self.kind_V)

  @functools.cached_property
  def kind_V(self) -> np.ndarray:
    """What each word is about: one of PAD .. DURATION, int32."""
    return np.array([KINDS.index(kind) for kind, _ in self._words], np.int32)

  @functools.cached_property
  def value_V(self) -> np.ndarray:
    """What each word says: row of a pitch, bin of a velocity, steps, place in the bar; else 0.

    miditok's 32 velocities (3, 7 .. 127) lie one in each of the codec's bins (1-4 .. 125-127).
    """
    return np.array([self._value(kind, text) for kind, text in self._words], np.int32)

  @functools.cached_property
  def ids(self) -> dict[int, np.ndarray]:
    """Of each kind, the word for each value: `ids[DURATION][steps]`; -1 where there is none."""
    found = {}
    for kind in range(len(KINDS)):
      (word_K,) = np.nonzero(self.kind_V == kind)
      found[kind] = np.full(self.value_V[word_K].max() + 1, -1)
      found[kind][self.value_V[word_K]] = word_K
    return found

  @functools.cached_property
  def _words(self) -> list[tuple[str, str]]:
    return [tuple(word.split('_')) for word in self.tokenizer.vocab]

  def _value(self, kind: str, text: str) -> int:
    if kind == 'Duration':
      beats, rest, per_beat = map(int, text.split('.'))
      return beats * per_beat + rest
    if kind == 'Velocity':
      return (int(text) - 1) // BIN_WIDTH
    if kind == 'Pitch':
      return int(text) - self.codec.low
    return int(text) if kind == 'Position' else 0
