"""Samples beside songs: every figure of both, and how much their distributions overlap."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fractaljax.music.excerpt import excerpts, spread
from fractaljax.music.metrics import FIGURES, Figure, joined, mean, onset_histogram, values_of
from fractaljax.music.notes import Song
from fractaljax.music.overlap import overlap
from fractaljax.music.repetition import all_bar_names, copied_bars


class Row(NamedTuple):
  """A figure of samples and songs.

  Attributes:
    name: of the figure.
    samples, songs: its mean.
    train: that of training songs; None without these.
    error: standard error of the difference of the two, as if all excerpts were of songs of their
      own; a single one has none to add.
    overlap: of the distributions of samples and songs, 0 .. 1.
    ceiling: of those of training songs and songs; None without training songs.
  """

  name: str
  samples: float
  songs: float
  train: float | None
  error: float
  overlap: float
  ceiling: float | None

  @property
  def ratio(self) -> float | None:
    """Samples over songs; None where the songs have nothing."""
    return self.samples / self.songs if self.songs else None

  @property
  def is_close(self) -> bool:
    """Whether the mean is within 5 % of the songs'."""
    return _is_close(self.samples, self.songs)

  @property
  def z(self) -> float | None:
    """The difference in standard errors; None where these are 0."""
    return (self.samples - self.songs) / self.error if self.error else None


class Comparison(NamedTuple):
  """All figures of samples and songs.

  Attributes:
    rows: one a figure.
    copied: of the bars that are in a training song; None without training songs.
    num_samples, num_excerpts: how many were compared.
    onsets: share of the notes at each of the 16 steps of a bar, of samples and of songs.
  """

  rows: list[Row]
  copied: Row | None
  num_samples: int
  num_excerpts: int
  onsets: tuple[list[float], list[float]]

  @property
  def num_close(self) -> int:
    """How many means are within 5 % of the songs'."""
    return sum(row.is_close for row in self.rows)

  @property
  def num_close_in_train(self) -> int | None:
    """How many of those of training songs are; None without these."""
    trains = [row.train for row in self.rows]
    if None in trains:
      return None
    return sum(_is_close(row.train, row.songs) for row in self.rows)

  @property
  def overlap(self) -> float:
    """The mean of the figures' overlaps."""
    return sum(row.overlap for row in self.rows) / len(self.rows)

  @property
  def ceiling(self) -> float | None:
    """The mean of their ceilings; None without training songs."""
    ceilings = [row.ceiling for row in self.rows if row.ceiling is not None]
    return sum(ceilings) / len(ceilings) if ceilings else None

  def table(self) -> str:
    """A line a figure and one of them all, for people."""
    lines = [
      f'{"figure":28}{"samples":>9}{"songs":>9}{"ratio":>8}{"+-":>8}{"z":>8}{"overlap":>9}'
      f'{"ceiling":>9}'
    ]
    for row in self._all_rows:
      lines.append(
        f'{row.name:28}{row.samples:9.3f}{row.songs:9.3f}{_shown(row.ratio, 8)}{row.error:8.3f}'
        f'{_shown(row.z, 8)}{_shown(row.overlap, 9)}{_shown(row.ceiling, 9)}'
      )
    close = f'{self.num_close} of {len(self.rows)} means within 5 %'
    if self.num_close_in_train is not None:
      close += f', of training songs {self.num_close_in_train}'
    return '\n'.join([*lines, f'{close:70}{_shown(self.overlap, 9)}{_shown(self.ceiling, 9)}'])

  def summary(self) -> dict:
    """The same for JSON: [samples, songs] of each figure; errors, ratios and so on by name."""
    rows = self._all_rows
    return {
      'samples': self.num_samples,
      'excerpts': self.num_excerpts,
      'within_5_percent': [self.num_close, len(self.rows)],
      'within_5_percent_train': self.num_close_in_train,
      'overlap': _rounded(self.overlap),
      'ceiling': _rounded(self.ceiling),
      **{row.name: [round(row.samples, 4), round(row.songs, 4)] for row in rows},
      'errors': {row.name: _rounded(row.error) for row in rows},
      'ratios': {row.name: _rounded(row.ratio) for row in rows},
      'overlaps': {row.name: _rounded(row.overlap) for row in rows},
      'ceilings': {row.name: _rounded(row.ceiling) for row in rows},
      'onset_histogram': [[_rounded(share) for share in shares] for shares in self.onsets],
    }

  @property
  def _all_rows(self) -> list[Row]:
    return self.rows if self.copied is None else [*self.rows, self.copied]


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
  copied = None
  if train is not None:
    figure = Figure(functools.partial(copied_bars, names=all_bar_names(train)))
    # All bars of training songs are bars of training songs: that is no ceiling.
    copied = _row('copied_bars', figure, samples, held_out, None)
  onsets = onset_histogram(samples), onset_histogram(held_out)
  return Comparison(rows, copied, len(samples), len(held_out), onsets)


def _row(
  name: str, figure: Figure, samples: list[Song], songs: list[Song], train: list[Song] | None
) -> Row:
  of_samples, of_songs = ([figure.values(song) for song in of] for of in (samples, songs))
  a_N, b_M = joined(of_samples), joined(of_songs)
  train_mean = ceiling = None
  if train is not None:
    c_K = values_of(figure, train)
    train_mean, ceiling = mean(c_K), overlap(c_K, b_M, figure.bin_width)
  error = (_variance(of_samples) + _variance(of_songs)) ** 0.5
  likeness = overlap(a_N, b_M, figure.bin_width)
  return Row(name, mean(a_N), mean(b_M), train_mean, error, likeness, ceiling)


def _variance(of_songs: list[np.ndarray]) -> float:
  """That of the mean over songs of the means of their values, from how these differ."""
  means = [mean(values) for values in of_songs if len(values)]
  return float(np.var(means, ddof=1)) / len(means) if len(means) > 1 else 0.0


def _is_close(mean_: float, songs: float) -> bool:
  return abs(mean_ - songs) <= 0.05 * abs(songs)


def _rounded(value: float | None) -> float | None:
  return None if value is None else round(value, 4)


def _shown(value: float | None, width: int) -> str:
  return f'{"-" if value is None else format(value, ".2f"):>{width}}'
