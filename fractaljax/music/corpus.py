"""The synthetic corpus: songs with a key, functional harmony, motifs and a form."""

import dataclasses
from typing import NamedTuple

import numpy as np

from fractaljax.music.accompaniment import LAST, PATTERNS, Pattern, accompany
from fractaljax.music.harmony import (
  CLOSED,
  MODES,
  OPEN,
  STEMS,
  TONIC,
  TURNS,
  Key,
  chord_classes,
  scale_pitches,
)
from fractaljax.music.melody import CADENCES, RHYTHMS, Motif, Tone, come_to_rest, invent, sing
from fractaljax.music.notes import Song
from fractaljax.music.pick import pick
from fractaljax.music.rhythm import accent

FORMS = ('AABA', 'AABA', 'ABAB', 'AABB', 'ABAC', 'AABC')
# A section is a row of two-bar units; the last is the cadence.
SECTIONS = (
  ('stem', 'cadence'),  # a phrase
  ('stem', 'open', 'stem', 'cadence'),  # a period: question and answer
  ('stem', 'stem', 'turn', 'cadence'),  # a sentence: idea, repetition, continuation
)
PROGRESSIONS = {'stem': STEMS, 'turn': TURNS, 'open': OPEN, 'closed': CLOSED}
TRIPLE_SHARE = 0.05  # of the songs, in 3/4
MELODY_VELOCITY, ACCOMPANIMENT_VELOCITY = 90, 62


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a song was composed from.

  Attributes:
    key: the key it is in.
    chords: one numeral a bar; `harmony.chord_classes(key, numeral)` spells it.
    form: one letter a section; equal letters are the same music but for the cadence.
    section_bars: bars in a section; the last may be cut short.
  """

  key: Key
  chords: tuple[str, ...]
  form: str
  section_bars: int


class Style(NamedTuple):
  """What holds for a whole song."""

  key: Key
  steps_per_bar: int
  low: int  # of the chords; the melody lives in the two octaves above them
  scale_N: np.ndarray  # the melody's pitches


class Bar(NamedTuple):
  """A bar of music: its chord and what the two hands play."""

  numeral: str
  melody: list[Tone]
  accompaniment: list[Tone]


class Theme(NamedTuple):
  """What a section is made from, each time it returns: its units but for the cadence."""

  bars: tuple[Bar, ...]
  pattern: Pattern
  motif: Motif


def song(seed: int, index: int, num_bars: int = 32) -> Song:
  """Song number `index` of the corpus that `seed` names, always the same."""
  return compose(seed, index, num_bars)[0]


def compose(seed: int, index: int, num_bars: int = 32) -> tuple[Song, Plan]:
  """A song and the plan behind it: its key, chords and form.

  Args:
    seed: names the corpus.
    index: which of its songs, 0 or more.
    num_bars: length, 1 or more; the last bar is a tonic, wherever in the form it falls.
  """
  rng = np.random.default_rng((seed, index))
  style = _style(rng)
  units = pick(rng, SECTIONS)
  section_bars = 2 * len(units)
  form = _form(rng, -(-num_bars // section_bars))
  bars = _sections(rng, style, form, units)
  bars = [*bars[: num_bars - 1], _last_bar(rng, style, bars[num_bars - 2])]
  composed = Song(
    notes_Nx4=_perform(rng, bars, style.steps_per_bar),
    num_steps=num_bars * style.steps_per_bar,
    metre=(style.steps_per_bar // 4, 4),
    tempo_bpm=float(rng.integers(66, 145)),
    source=f'corpus/{seed}/{index}',
  )
  chords = tuple(bar.numeral for bar in bars)
  return composed, Plan(style.key, chords, form, section_bars)


def _style(rng: np.random.Generator) -> Style:
  key = Key(int(rng.integers(12)), pick(rng, MODES))
  low = int(rng.integers(48, 52))
  steps_per_bar = 12 if rng.random() < TRIPLE_SHARE else 16
  return Style(key, steps_per_bar, low, scale_pitches(key, low + 13, low + 33))


def _form(rng: np.random.Generator, num_sections: int) -> str:
  """A form, over and over until it has that many sections."""
  form = pick(rng, FORMS)
  return (form * num_sections)[:num_sections]


def _sections(rng, style: Style, form: str, units: tuple[str, ...]) -> list[Bar]:
  """The form's sections in a row; one that is about to be repeated ends open."""
  themes = {letter: _theme(rng, style, units, letter) for letter in sorted(set(form))}
  bars = []
  for letter, following in zip(form, form[1:] + ' ', strict=True):
    theme = themes[letter]
    ending = 'open' if letter == following else 'closed'
    cadence = _unit(rng, style, ending, theme.pattern, theme.motif, theme.bars[-1])
    bars += [*theme.bars, *cadence]
  return bars


def _theme(rng, style: Style, units: tuple[str, ...], letter: str) -> Theme:
  pattern = pick(rng, PATTERNS[style.steps_per_bar])
  motif = invent(rng, RHYTHMS[style.steps_per_bar])
  bars, known = [], {}
  for unit in units[:-1]:
    # A unit that comes twice is the same music twice.
    if unit not in known:
      # What is not the main theme sets off away from home.
      progressions = 'turn' if unit == 'stem' and letter != 'A' else unit
      known[unit] = _unit(rng, style, progressions, pattern, motif, bars[-1] if bars else None)
    bars += known[unit]
  return Theme(tuple(bars), pattern, motif)


def _unit(
  rng, style: Style, name: str, pattern: Pattern, motif: Motif, before: Bar | None
) -> list[Bar]:
  """Two bars: the theme's motif, then an answer to it, or the cadence."""
  numerals = pick(rng, PROGRESSIONS[name][style.key.mode]).split()
  rhythms = CADENCES if name in ('open', 'closed') else RHYTHMS
  answer = invent(rng, rhythms[style.steps_per_bar])
  bars = []
  for numeral, idea in zip(numerals, (motif, answer), strict=True):
    chord = chord_classes(style.key, numeral)
    melody = sing(rng, idea, chord, style.scale_N, _last_pitch(style, before))
    bars.append(Bar(numeral, melody, accompany(pattern, chord, style.low)))
    before = bars[-1]
  if name == 'closed':
    bars[-1] = bars[-1]._replace(melody=come_to_rest(bars[-1].melody, chord[0], style.scale_N))
  return bars


def _last_bar(rng, style: Style, before: Bar) -> Bar:
  """The tonic, held."""
  numeral = TONIC[style.key.mode]
  chord = chord_classes(style.key, numeral)
  motif = invent(rng, CADENCES[style.steps_per_bar])
  melody = sing(rng, motif, chord, style.scale_N, _last_pitch(style, before))
  accompaniment = accompany(LAST[style.steps_per_bar], chord, style.low)
  return Bar(numeral, come_to_rest(melody, style.key.root, style.scale_N), accompaniment)


def _last_pitch(style: Style, bar: Bar | None) -> int:
  return int(np.median(style.scale_N)) if bar is None else bar.melody[-1].pitch


def _perform(rng, bars: list[Bar], steps_per_bar: int) -> np.ndarray:
  """The bars' notes, with metric accents, a swell over each four bars, and a human unevenness."""
  notes = []
  for number, bar in enumerate(bars):
    swell = (0, 3, 6, 2)[number % 4]
    hands = ((bar.melody, MELODY_VELOCITY), (bar.accompaniment, ACCOMPANIMENT_VELOCITY))
    for tones, loudness in hands:
      for step, duration, pitch in tones:
        velocity = loudness + swell + accent(step, steps_per_bar) + int(rng.integers(-3, 4))
        notes.append((number * steps_per_bar + step, duration, pitch, velocity))
  return np.array(sorted(notes, key=lambda note: (note[0], note[2])), np.int32)
