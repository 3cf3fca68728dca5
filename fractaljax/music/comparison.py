"""Samples beside songs: every figure of both, and how much their distributions overlap."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fractaljax.music.excerpt import excerpts, spread
from fractaljax.music.metrics import FIGURES, Figure, mean, onset_histogram, values_of
from fractaljax.music.notes import Song
from fractaljax.music.overlap import overlap
from fractaljax.music.repetition import all_bar_names, copied_bars


class Row(NamedTuple):
  """A figure of samples and songs.

  Attributes:
    name: of the figure.
    samples, songs: its mean.
    error: standard error of the songs' mean, as if all excerpts were of songs of their own; 0 of a
      single one.
    overlap: of the distributions of samples and songs, 0 .. 1.
    ceiling: of those of training songs and songs; None without training songs.
  """

  name: str
  samples: float
  songs: float
  error: float
  overlap: float
  ceiling: float | None

  @property
  def ratio(self) -> float | None:
    """Samples over songs; None where the songs have nothing."""
    return self.samples / self.songs if self.songs else None


class Comparison(NamedTuple):
  """All figures of samples and songs.

  Attributes:
    rows: one a figure.
    num_samples, num_excerpts: how many were compared.
    onsets: share of the notes at each of the 16 steps of a bar, of samples and of songs.
  """

  rows: list[Row]
  num_samples: int
  num_excerpts: int
  onsets: tuple[list[float], list[float]]

  def table(self) -> str:
    """A line a figure, for people."""
    lines = [
      f'{"figure":28}{"samples":>9}{"songs":>9}{"+-":>8}{"ratio":>8}{"overlap":>9}{"ceiling":>9}'
    ]
    for row in self.rows:
      lines.append(
        f'{row.name:28}{row.samples:9.3f}{row.songs:9.3f}{row.error:8.3f}{_shown(row.ratio, 8)}'
        f'{_shown(row.overlap, 9)}{_shown(row.ceiling, 9)}'
      )
    return '\n'.join(lines)

  def summary(self) -> dict:
    """The same for JSON: [samples, songs] of each figure; errors, ratios and so on by name."""
    return {
      'samples': self.num_samples,
      'excerpts': self.num_excerpts,
      **{row.name: [round(row.samples, 4), round(row.songs, 4)] for row in self.rows},
      'errors': {row.name: _rounded(row.error) for row in self.rows},
      'ratios': {row.name: _rounded(row.ratio) for row in self.rows},
      'overlaps': {row.name: _rounded(row.overlap) for row in self.rows},
      'ceilings': {row.name: _rounded(row.ceiling) for row in self.rows},
      'onset_histogram': [[_rounded(share) for share in shares] for shares in self.onsets],
    }


def compare(
  samples: Sequence[Song],
  songs: Sequence[Song],
  train: Sequence[Song] | None,
  num_steps: int,
  cut: Callable[[Sequence[Song], int], list[Song]] = excerpts,
) -> Comparison:
  """Compares samples with excerpts of songs that are as long.

  The ceiling is what a perfect model would reach: as many excerpts of training songs as there are
  samples, in their place. Copied bars are looked for in all training songs.

  Args:
    samples: of `num_steps`; longer ones are cut.
    songs: held-out songs.
    train: training songs, or None: no ceiling and no copied bars.
    num_steps: length of an excerpt, in 16ths.
    cut: which excerpts of the songs: all of them, or their `beginnings`.
  """
  samples, held_out = excerpts(samples, num_steps), cut(songs, num_steps)
  seen = None if train is None else spread(cut(train, num_steps), len(samples))
  rows = [_row(name, figure, samples, held_out, seen) for name, figure in FIGURES.items()]
  if train is not None:
    figure = Figure(functools.partial(copied_bars, names=all_bar_names(train)))
    # All bars of training songs are bars of training songs: that is no ceiling.
    rows.append(_row('copied_bars', figure, samples, held_out, None))
  onsets = onset_histogram(samples), onset_histogram(held_out)
  return Comparison(rows, len(samples), len(held_out), onsets)


def _row(
  name: str, figure: Figure, samples: list[Song], songs: list[Song], train: list[Song] | None
) -> Row:
  a_N, b_M = values_of(figure, samples), values_of(figure, songs)
  ceiling = None
  if train is not None:
    ceiling = overlap(values_of(figure, train), b_M, figure.bin_width)
  return Row(
    name, mean(a_N), mean(b_M), _error(figure, songs), overlap(a_N, b_M, figure.bin_width), ceiling
  )


def _error(figure: Figure, songs: list[Song]) -> float:
  """The standard error of the mean over songs of a figure's mean in each."""
  each = [values_of(figure, [song]) for song in songs]
  means = [mean(values) for values in each if len(values)]
  return float(np.std(means, ddof=1)) / len(means) ** 0.5 if len(means) > 1 else 0.0


def _rounded(value: float | None) -> float | None:
  return None if value is None else round(value, 4)


def _shown(value: float | None, width: int) -> str:
  return f'{"-" if value is None else format(value, ".2f"):>{width}}'
