"""How songs begin to repeat a bar: what an echo can tell, and when.

Of excerpts of 512 steps of the training songs. A repeat begins in a bar of which half of the notes
or more come again, at their step and pitch, from an earlier bar, where fewer than a quarter of
those before the two do. Prints how far back these bars are, in bars, and in which share of them
most notes have new velocities: they are played once more, not copied. Then which share of the bars
repeat one in the eyes of a model with `model.repeats`, and which as far back as the bar before. And
for echoes of some ages, in bars after ones that were unlike: how often the next note of the echo
comes again, by how many notes of the bar until then did, and how many are different; and how often
one that comes again has the same velocity, by how many were equal in it too until then, and how
many were not.

python -m benchmarks.repeats --data=data/pop909
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks import setting
from configs import bars_small
from fractaljax import command
from fractaljax.config import build_model
from fractaljax.data import pipeline
from fractaljax.data.in_c import read_songs
from fractaljax.model.repeat import find, lag_of
from fractaljax.model.repeat import overlaps as overlaps_of_bars
from fractaljax.model.trust import MOST_EQUAL, MOST_UNEQUAL
from fractaljax.music.codec import Codec
from fractaljax.music.notes import Song
from fractaljax.music.repetition import overlaps

NUM_STEPS, STEPS_PER_BAR = 512, 16
# Of the notes of a bar so far: how many came again and how many did not, up to so many.
MOST_AGAIN, MOST_DIFFERENT = 6, 4
AGES = 4, 8, 16
# What a bar has in common with one that it repeats, at least; one that is unlike has less than.
REPEAT, UNLIKE = 0.5, 0.25


def shared(song: Song, lag: int) -> np.ndarray:
  """The `overlaps` of each bar with the one `lag` before it, (B,).

  0 for silence, and for the first bars, which have none so far before them.
  """
  return np.concatenate([np.zeros(lag), np.nan_to_num(overlaps(song, lag))])


def begins(share_LxB: np.ndarray) -> list[set[int]]:
  """Of each bar the lags at which it begins a repeat; none where it goes on with one.

  `share_LxB` has what is `shared` at each lag from 1.
  """
  before_LxB = np.pad(share_LxB, ((0, 0), (1, 0)))[:, :-1]
  repeats_LxB = share_LxB >= REPEAT
  goes_on_B = (repeats_LxB & (before_LxB >= UNLIKE)).any(axis=0)
  is_first_LxB = repeats_LxB & ~goes_on_B
  return [set((np.flatnonzero(is_first_L) + 1).tolist()) for is_first_L in is_first_LxB.T]


def repeats(tokens_PxT: np.ndarray, codec: Codec) -> np.ndarray:
  """How many bars before each bar lies the one that it repeats, any of an excerpt, (B,)."""
  most = tokens_PxT.shape[1] // STEPS_PER_BAR - 1
  both_and_either = overlaps_of_bars(tokens_PxT[None], STEPS_PER_BAR, most, codec)
  return np.asarray(lag_of(find(*both_and_either)))[0]


def is_played_anew(notes_BxC: np.ndarray, bar: int, lag: int) -> bool:
  """Whether most of the notes that a bar shares with the one `lag` before have new velocities."""
  now_C, then_C = notes_BxC[bar], notes_BxC[bar - lag]
  is_both_C = (now_C > 0) & (then_C > 0)
  return (now_C != then_C)[is_both_C].mean() > 0.5


class Counts(NamedTuple):
  """Notes of an echo at [0: all, 1: those that do].

  Attributes:
    again: that come again, by notes of the bar until then that did, and that are different.
    velocity: of these, with the same velocity, by notes that are equal in it too, and that are not.
  """

  again: np.ndarray
  velocity: np.ndarray


def no_counts() -> Counts:
  return Counts(
    np.zeros((2, MOST_AGAIN + 1, MOST_DIFFERENT + 1), int),
    np.zeros((2, MOST_EQUAL + 1, MOST_UNEQUAL + 1), int),
  )


def comes_again(notes_BxSxP: np.ndarray, lag: int, share_B: np.ndarray) -> Counts:
  """What becomes of the notes of an echo, in the order of time and then of pitch.

  In the bars after those that `share_B` says are unlike.
  """
  counts = no_counts()
  for bar in np.flatnonzero(share_B[:-1] < UNLIKE) + 1:
    if bar <= lag:
      continue
    now_C, then_C = notes_BxSxP[bar].ravel(), notes_BxSxP[bar - lag].ravel()
    is_either_C = (now_C > 0) | (then_C > 0)
    now_N, then_N = now_C[is_either_C], then_C[is_either_C]
    again_N, equal_N = (now_N > 0) & (then_N > 0), now_N == then_N
    place_N = (until(again_N, MOST_AGAIN), until(~again_N, MOST_DIFFERENT))
    np.add.at(counts.again[0], place_N, then_N > 0)
    np.add.at(counts.again[1], place_N, again_N)
    place_N = (until(equal_N, MOST_EQUAL), until(~equal_N, MOST_UNEQUAL))
    np.add.at(counts.velocity[0], place_N, again_N)
    np.add.at(counts.velocity[1], place_N, equal_N)
  return counts


def until(is_N: np.ndarray, most: int) -> np.ndarray:
  """How many there are before each, `most` at most."""
  return np.minimum(np.cumsum(is_N) - is_N, most)


def shares(counts_2xAxB: np.ndarray) -> list[list[float]]:
  """Those that do, of all."""
  return np.round(counts_2xAxB[1] / np.maximum(counts_2xAxB[0], 1), 3).tolist()


def main(_):
  config = bars_small.get_config()
  codec = build_model(config.model).codec
  songs = read_songs(setting.DATA.value, 'train', config.data.in_c)
  songs = [song for song in songs if song.steps_per_bar == STEPS_PER_BAR]
  by_age, num_bars, num_begins, num_of_ages, num_anew = Counter(), 0, 0, 0, 0
  num_repeat, num_go_on = 0, 0
  counts = dict.fromkeys(AGES, no_counts())
  for crop in tqdm(pipeline.windows(songs, codec, NUM_STEPS, 0, ()), unit='excerpt'):
    if not crop.valid_T.all():
      continue
    tokens_TxP = np.asarray(crop.tokens_PxT).T
    notes_TxP = np.where(codec.is_note(tokens_TxP), tokens_TxP, 0)
    notes_BxSxP = notes_TxP.reshape(-1, STEPS_PER_BAR, notes_TxP.shape[1])
    notes_BxC = notes_BxSxP.reshape(len(notes_BxSxP), -1)
    song = Song(codec.decode(crop.tokens_PxT), NUM_STEPS)
    share_LxB = np.stack([shared(song, lag) for lag in range(1, song.num_bars)])
    lag_B = repeats(crop.tokens_PxT, codec)
    num_repeat += int((lag_B > 0).sum())
    num_go_on += int(((lag_B[1:] > 0) & (lag_B[1:] == lag_B[:-1])).sum())
    first = {bar: found for bar, found in enumerate(begins(share_LxB)) if found}
    num_bars, num_begins = num_bars + len(notes_BxC), num_begins + len(first)
    by_age.update(lag for found in first.values() for lag in found)
    num_of_ages += sum(not found.isdisjoint(AGES) for found in first.values())
    num_anew += sum(
      all(is_played_anew(notes_BxC, bar, lag) for lag in found) for bar, found in first.items()
    )
    for age in AGES:
      more = comes_again(notes_BxSxP, age, share_LxB[age - 1])
      counts[age] = Counts(*(x + y for x, y in zip(counts[age], more, strict=True)))
  setting.report(
    benchmark='repeats', bars=num_bars, begins=num_begins,
    bars_back={lag: round(n / max(num_begins, 1), 3) for lag, n in by_age.most_common(12)},
    one_of_the_ages=round(num_of_ages / max(num_begins, 1), 3),
    played_anew=round(num_anew / max(num_begins, 1), 3),
    repeats=round(num_repeat / max(num_bars, 1), 3),
    go_on=round(num_go_on / max(num_bars, 1), 3),
    comes_again={age: shares(x.again) for age, x in counts.items()},
    with_its_velocity={age: shares(x.velocity) for age, x in counts.items()},
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
