"""How songs begin to repeat a bar note for note: what an echo can tell, and when.

Of excerpts of 512 steps of the training songs. A repeat begins in a bar with half of its notes or
more equal to those of an earlier bar, in velocity too, where fewer than a quarter of those before
the two are. Prints how far back these bars are, in bars, and for echoes of some ages how often the
next note of the echo comes again, in bars where the ones before were unlike, by how many notes of
the bar until then were equal, and how many were different.

python -m benchmarks.repeats --data=data/pop909
"""

from collections import Counter

import numpy as np
from tqdm import tqdm

from benchmarks import setting
from configs import bars_small
from fractaljax import command
from fractaljax.config import build_model
from fractaljax.data import pipeline
from fractaljax.data.in_c import read_songs
from fractaljax.model.trust import MOST_DIFFERENT, MOST_EQUAL

NUM_STEPS, STEPS_PER_BAR = 512, 16
AGES = 4, 8, 16
# What a bar has in common with one that it repeats, at least; and one that is unlike has less than.
REPEAT, UNLIKE = 0.5, 0.25


def equal_share(notes_BxC: np.ndarray, lag: int) -> np.ndarray:
  """Of each bar and the one `lag` before it, the share of their notes that are equal, (B,).

  Args:
    notes_BxC: tokens of the cells of each bar, 0 where no note begins.
    lag: in bars; the first bars, which have none so far before them, get 0.
  """
  now_BxC, then_BxC = notes_BxC[lag:], notes_BxC[: len(notes_BxC) - lag]
  equal_B = ((now_BxC == then_BxC) & (now_BxC > 0)).sum(axis=1)
  either_B = ((now_BxC > 0) | (then_BxC > 0)).sum(axis=1)
  return np.concatenate([np.zeros(lag), equal_B / np.maximum(either_B, 1)])


def begins(share_LxB: np.ndarray) -> list[set[int]]:
  """Of each bar the lags at which it begins a repeat; none where it goes on with one.

  `share_LxB` has the `equal_share` of each lag from 1.
  """
  before_LxB = np.pad(share_LxB, ((0, 0), (1, 0)))[:, :-1]
  repeats_LxB = share_LxB >= REPEAT
  goes_on_B = (repeats_LxB & (before_LxB >= UNLIKE)).any(axis=0)
  is_first_LxB = repeats_LxB & ~goes_on_B
  return [set((np.flatnonzero(is_first_L) + 1).tolist()) for is_first_L in is_first_LxB.T]


def comes_again(notes_BxSxP: np.ndarray, lag: int, share_B: np.ndarray) -> np.ndarray:
  """Notes of an echo that come again, and all of them, by the notes of the bar until then.

  In the order of time and then of pitch, in the bars after those that `share_B` says are unlike.
  Counts at [0: all, 1: those that come again, equal, different].
  """
  counts = np.zeros((2, MOST_EQUAL + 1, MOST_DIFFERENT + 1), int)
  for bar in np.flatnonzero(share_B[:-1] < UNLIKE) + 1:
    if bar <= lag:
      continue
    now_C, then_C = notes_BxSxP[bar].ravel(), notes_BxSxP[bar - lag].ravel()
    is_either_C = (now_C > 0) | (then_C > 0)
    is_equal_N, is_echo_N = (now_C == then_C)[is_either_C], (then_C > 0)[is_either_C]
    equal_N, different_N = (np.cumsum(x_N) - x_N for x_N in (is_equal_N, ~is_equal_N))
    place_N = np.minimum(equal_N, MOST_EQUAL), np.minimum(different_N, MOST_DIFFERENT)
    np.add.at(counts[0], place_N, is_echo_N)
    np.add.at(counts[1], place_N, is_echo_N & is_equal_N)
  return counts


def main(_):
  config = bars_small.get_config()
  codec = build_model(config.model).codec
  songs = read_songs(setting.DATA.value, 'train', config.data.in_c)
  songs = [song for song in songs if song.steps_per_bar == STEPS_PER_BAR]
  by_age, num_bars, num_begins, num_of_ages = Counter(), 0, 0, 0
  counts = dict.fromkeys(AGES, 0)
  for crop in tqdm(pipeline.windows(songs, codec, NUM_STEPS, 0, ()), unit='excerpt'):
    if not crop.valid_T.all():
      continue
    tokens_TxP = np.asarray(crop.tokens_PxT).T
    notes_TxP = np.where(codec.is_note(tokens_TxP), tokens_TxP, 0)
    notes_BxSxP = notes_TxP.reshape(-1, STEPS_PER_BAR, notes_TxP.shape[1])
    notes_BxC = notes_BxSxP.reshape(len(notes_BxSxP), -1)
    share_LxB = np.stack([equal_share(notes_BxC, lag) for lag in range(1, len(notes_BxC))])
    first = [found for found in begins(share_LxB) if found]
    num_bars, num_begins = num_bars + len(notes_BxC), num_begins + len(first)
    by_age.update(lag for found in first for lag in found)
    num_of_ages += sum(not found.isdisjoint(AGES) for found in first)
    for age in AGES:
      counts[age] += comes_again(notes_BxSxP, age, share_LxB[age - 1])
  again = {age: np.round(x[1] / np.maximum(x[0], 1), 3).tolist() for age, x in counts.items()}
  setting.report(
    benchmark='repeats', bars=num_bars, begins=num_begins,
    bars_back={lag: round(n / max(num_begins, 1), 3) for lag, n in by_age.most_common(12)},
    one_of_the_ages=round(num_of_ages / max(num_begins, 1), 3), comes_again=again,
  )  # fmt: skip


if __name__ == '__main__':
  command.run(main)
