"""Excerpts: pieces of songs, as long as the samples that are set beside them."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fractaljax.music.notes import DURATION, ONSET, Song


def excerpts(songs: Iterable[Song], num_steps: int) -> list[Song]:
  """Cuts each song, from its start, into pieces of `num_steps` that begin on bar lines.

  The rest of a song that is too short for another piece is left out; a song that is shorter than
  one is an excerpt as it is.
  """
  return [piece for song in songs for piece in _pieces(song, num_steps)]


def beginnings(songs: Iterable[Song], num_steps: int) -> list[Song]:
  """The first excerpt of each song: like samples, it begins where the song does."""
  return [next(_pieces(song, num_steps)) for song in songs]


def spread(songs: Sequence[Any], at_most: int) -> list[Any]:
  """`at_most` of the songs (or pieces of them), or all, taken evenly from first to last."""
  numbers = np.unique(np.linspace(0, len(songs), at_most, endpoint=False).astype(int))
  return [songs[int(i)] for i in numbers[: len(songs)]]


def _pieces(song: Song, num_steps: int) -> Iterator[Song]:
  if song.num_steps <= num_steps:
    yield song
    return
  every = -(-num_steps // song.steps_per_bar) * song.steps_per_bar
  for start in range(0, song.num_steps - num_steps + 1, every):
    yield _piece(song, start, num_steps)


def _piece(song: Song, start: int, num_steps: int) -> Song:
  """The notes that begin in it, those that outlast it cut off; a sample has no others either."""
  onset_N = song.notes_Nx4[:, ONSET]
  notes_Nx4 = song.notes_Nx4[(onset_N >= start) & (onset_N < start + num_steps)]
  notes_Nx4 = notes_Nx4 - np.array([start, 0, 0, 0], np.int32)
  notes_Nx4[:, DURATION] = np.minimum(notes_Nx4[:, DURATION], num_steps - notes_Nx4[:, ONSET])
  return dataclasses.replace(song, notes_Nx4=notes_Nx4, num_steps=num_steps)
