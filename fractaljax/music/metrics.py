"""What songs are like, in a few figures: for data and samples side by side."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fractaljax.music import bars, repetition
from fractaljax.music.codec import BIN_WIDTH, Codec
from fractaljax.music.keys import in_key_share
from fractaljax.music.notes import DURATION, PITCH, VELOCITY, Song

STEPS_PER_BEAT = 4


class Figure(NamedTuple):
  """What is measured. A figure of many songs is the mean of the values of all of them.

  Attributes:
    values: of a song, one for each note, step or bar, or one for the song; none where there is
      nothing to count.
    bin_width: at which whole numbers are told apart; None = the values are real numbers.
  """

  values: Callable[[Song], np.ndarray]
  bin_width: int | None = None


def statistics(songs: Sequence[Song]) -> dict[str, float]:
  """Every one of FIGURES; 0 where there is nothing to count."""
  return {name: mean(values_of(figure, songs)) for name, figure in FIGURES.items()}


def values_of(figure: Figure, songs: Sequence[Song]) -> np.ndarray:
  """The figure's values of all songs together."""
  return joined(map(figure.values, songs))


def joined(of_songs: Iterable[np.ndarray]) -> np.ndarray:
  """Values of songs together."""
  return np.concatenate([np.zeros(0, int), *of_songs])


def mean(values: np.ndarray) -> float:
  """Their mean; 0 without any."""
  return float(np.mean(values)) if len(values) else 0.0


def onset_histogram(songs: Sequence[Song]) -> list[float]:
  """Share of the notes that begin at each of the 16 steps of a bar; zeros without notes."""
  count_16 = np.bincount(values_of(FIGURES['onset_in_bar'], songs), minlength=16)
  return (count_16 / max(count_16.sum(), 1)).tolist()


def _sounding(song: Song) -> np.ndarray:
  """Number of notes that sound at each step."""
  return Codec('binary').encode(song.notes_Nx4, song.num_steps).sum(axis=0)


def _silent_steps(song: Song) -> np.ndarray:
  return np.array([mean(_sounding(song) == 0)])


def _notes_per_second(song: Song) -> np.ndarray:
  seconds = song.num_steps / STEPS_PER_BEAT * 60 / song.tempo_bpm
  return np.array([len(song.notes_Nx4) / seconds] if seconds else [])


def _on_beat_share(song: Song) -> np.ndarray:
  place_N = bars.in_bars(song)[1]
  return np.array([mean(place_N % STEPS_PER_BEAT == 0)] if len(place_N) else [])


def _notes(column: int) -> Callable[[Song], np.ndarray]:
  """Something of each note."""
  return lambda song: song.notes_Nx4[:, column]


def _all_notes(figure: Callable[[np.ndarray], float]) -> Callable[[Song], np.ndarray]:
  """Something of the notes_Nx4 of a song, if it has any."""
  return lambda song: np.array([figure(song.notes_Nx4)] if len(song.notes_Nx4) else [])


# Notes are told by their onsets; steps are 16ths. `in_key_share` is the scale consistency of Mogren
# 2016 (C-RNN-GAN): the notes in the diatonic scale that fits the song best.
FIGURES = {
  'notes_per_bar': Figure(bars.notes_per_bar, 1),
  'notes_per_second': Figure(_notes_per_second),
  'pitch_mean': Figure(_notes(PITCH), 1),
  'pitch_std': Figure(_all_notes(lambda notes_Nx4: np.std(notes_Nx4[:, PITCH]))),
  'pitch_p1': Figure(_all_notes(lambda notes_Nx4: np.percentile(notes_Nx4[:, PITCH], 1))),
  'pitch_p99': Figure(_all_notes(lambda notes_Nx4: np.percentile(notes_Nx4[:, PITCH], 99))),
  'polyphony': Figure(_sounding, 1),
  'silent_steps': Figure(_silent_steps),
  'velocity_mean': Figure(_notes(VELOCITY), BIN_WIDTH),
  'velocity_std': Figure(_all_notes(lambda notes_Nx4: np.std(notes_Nx4[:, VELOCITY]))),
  'duration_mean': Figure(_notes(DURATION), 1),
  'onset_in_bar': Figure(bars.onset_places, 1),
  'on_beat_share': Figure(_on_beat_share),
  'in_key_share': Figure(_all_notes(in_key_share)),
  'pitch_class_entropy_1_bar': Figure(functools.partial(bars.pitch_class_entropies, num_bars=1)),
  'pitch_class_entropy_4_bars': Figure(functools.partial(bars.pitch_class_entropies, num_bars=4)),
  'groove_similarity': Figure(repetition.groove_similarity),
  'self_similarity_4_bars': Figure(functools.partial(repetition.self_similarity, lag=4)),
  'self_similarity_8_bars': Figure(functools.partial(repetition.self_similarity, lag=8)),
}
