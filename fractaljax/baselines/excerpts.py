"""Excerpts: the crops that the fractal is given, in REMI words."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from fractaljax.baselines.grammar import Frame
from fractaljax.baselines.spelling import spell
from fractaljax.baselines.vocabulary import BOS, EOS, HALO, MOST_PLACES, Vocabulary
from fractaljax.errors import UserError
from fractaljax.music.clip import Clip
from fractaljax.music.codec import FIRST_ONSET, SILENCE
from fractaljax.music.crop import cut, phase
from fractaljax.music.notes import DURATION, Song

BUCKET = 512  # lengths are rounded up to a multiple, so that few programs are compiled
BY_WORD = ('word_S', 'phase_S', 'bar_S')


class Excerpt(NamedTuple):
  """One excerpt, or a batch of them with a leading B on every array.

  The words are those of the HALO steps before it, which are only seen; BOS; its own; EOS; PAD.

  Attributes:
    word_S: int32.
    phase_S: int32, `crop.phase` of the step that the music stands at after each word.
    bar_S: int32, index in the song of the bar that it stands in.
    context: int32, words before BOS.
    length: int32, words without PAD.
    frame: what the grammar knows.
    num_notes: int32, notes that begin in it.
  """

  word_S: np.ndarray
  phase_S: np.ndarray
  bar_S: np.ndarray
  context: np.ndarray
  length: np.ndarray
  frame: Frame
  num_notes: np.ndarray


def excerpt(vocabulary: Vocabulary, song: Song, start: int, transpose: int = 0) -> Excerpt:
  """The crop of a song from step `start` on, as `crop.cut` cuts it, up to the song's end.

  Raises:
    UserError: the song's bars are longer than REMI's 16 positions.
  """
  crop = cut(song, vocabulary.codec, start, vocabulary.num_steps, HALO, transpose)
  num_steps = int(crop.valid_T.sum())
  left_PxH = crop.left_PxH[:, max(HALO - start, 0) :]
  return from_rolls(vocabulary, song, start, left_PxH, crop.tokens_PxT[:, :num_steps])


def from_rolls(
  vocabulary: Vocabulary, song: Song, start: int, left_PxH: np.ndarray, tokens_PxT: np.ndarray
) -> Excerpt:
  """An excerpt of what the rolls of it and of the steps before it hold.

  Args:
    song: gives the metre.
    start: step of the song that the excerpt begins at.
    left_PxH: the steps before it that are known.
  """
  per_bar, num_steps = song.steps_per_bar, tokens_PxT.shape[1]
  before = left_PxH.shape[1]
  words = []
  if before:
    seen = spell(vocabulary, left_PxH, (start - before) % per_bar, per_bar)
    words += [(word, step - before) for word, step in seen]
  context = len(words)
  words.append((int(vocabulary.ids[BOS][0]), 0))
  words += spell(vocabulary, tokens_PxT, start % per_bar, per_bar)
  words.append((int(vocabulary.ids[EOS][0]), num_steps - 1))
  word_S, step_S = np.array(words, np.int32).T
  sounding_P = left_PxH[:, -1] != SILENCE if before else np.zeros(len(tokens_PxT), bool)
  return Excerpt(
    word_S=word_S,
    phase_S=phase(start + step_S, per_bar).astype(np.int32),
    bar_S=(start + step_S) // per_bar,
    context=np.int32(context),
    length=np.int32(len(words)),
    frame=Frame(np.int32(start % per_bar), np.int32(per_bar), np.int32(num_steps), sounding_P),
    num_notes=np.int32((tokens_PxT >= FIRST_ONSET).sum()),
  )


def check_bars(songs: Sequence[Song]):
  """Raises UserError where a song has bars of more steps than REMI has positions, with its name."""
  for i in range(len(songs)):
    song = songs[i]
    if song.steps_per_bar > MOST_PLACES:
      raise UserError(
        f'{song.source} has bars of {song.steps_per_bar} steps, and REMI has {MOST_PLACES} '
        'positions; prepare the songs without it (--list)'
      )


def stack(excerpts: Sequence[Excerpt]) -> Excerpt:
  """A batch, filled up with PAD to the next multiple of BUCKET words."""
  longest = max(int(one.length) for one in excerpts)
  size = -(-longest // BUCKET) * BUCKET
  padded = [
    one._replace(**{name: _padded(one, name, size) for name in BY_WORD}) for one in excerpts
  ]
  return jax.tree.map(lambda *arrays: np.stack(arrays), *padded)


def _padded(one: Excerpt, name: str, size: int) -> np.ndarray:
  return np.pad(getattr(one, name), (0, size - int(one.length)))


def of_clips(vocabulary: Vocabulary, clips: Clip) -> Excerpt:
  """A training batch of the fractal, in words."""
  return stack([_of_clip(vocabulary, *one) for one in zip(*clips, strict=True)])


def _of_clip(
  vocabulary: Vocabulary, notes_4xN, start, transpose, num_steps, steps_per_bar, attributes_A
) -> Excerpt:
  notes_Nx4 = notes_4xN.T[notes_4xN[DURATION] > 0]
  song = Song(notes_Nx4, int(num_steps), metre=(int(steps_per_bar), 16))
  return excerpt(vocabulary, song, int(start), int(transpose))


def windows(vocabulary: Vocabulary, songs: Sequence[Song]) -> Iterator[Excerpt]:
  """The excerpts that tile every song once, as `pipeline.windows` has them."""
  for i in range(len(songs)):
    song = songs[i]
    for start in range(0, song.num_steps, vocabulary.num_steps):
      yield excerpt(vocabulary, song, start)


def batched(excerpts: Sequence[Excerpt], batch_size: int) -> list[Excerpt]:
  """Batches of excerpts of about the same length; the last may be smaller."""
  ordered = sorted(excerpts, key=lambda one: int(one.length))
  return [stack(ordered[i : i + batch_size]) for i in range(0, len(ordered), batch_size)]
