"""One song, read: from a MIDI file, from an array of a roll, or from the built-in corpus."""

import functools
import zipfile
import zlib

import numpy as np

from fractaljax.data.sources import Item
from fractaljax.music import corpus, midi
from fractaljax.music.codec import Codec
from fractaljax.music.notes import Song

ROLL_LOW_PITCH = 21
LEAST_BEAT_SECONDS = 0.05


class Rejected(Exception):
  """A song that is not taken, with a reason for counting."""

  def __init__(self, reason: str, text: str):
    super().__init__(text)
    self.reason = reason


def read_item(item: Item) -> tuple[Song, float]:
  """The song, and its mean onset error in steps.

  Raises:
    MidiError, Rejected: the song cannot be used; `reason` tells why.
  """
  if item.kind == 'midi':
    song, error = midi.on_grid(midi.read(item.path), _read_beats(item.beats))
  else:
    song, error = (_read_roll if item.kind == 'rolls' else _compose)(item), 0.0
  return Song(**vars(song) | {'source': item.source}), error


def _read_beats(path: str) -> np.ndarray | None:
  """Three numbers a line; None without such a file."""
  if not path:
    return None
  try:
    with open(path) as file:
      text = file.read()
  except FileNotFoundError:
    return None
  except (OSError, UnicodeDecodeError) as error:
    raise Rejected('beats', f'{path} cannot be read: {error}') from error
  num_lines = len(list(filter(str.strip, text.splitlines())))
  try:
    number_M = np.array(list(map(float, text.split())))
  except ValueError as error:
    raise Rejected('beats', f'{path} cannot be read: {error}') from error
  if num_lines < 2 or len(number_M) != 3 * num_lines:
    raise Rejected(
      'beats', f'{path} has {len(number_M)} numbers in {num_lines} lines, not 3 in each'
    )
  beats_Bx3 = number_M.reshape(-1, 3)
  if not (beats_Bx3[0, 0] >= 0 and np.all(np.diff(beats_Bx3[:, 0]) > LEAST_BEAT_SECONDS)):
    raise Rejected('beats', f'{path} has beats that do not follow one another')
  return beats_Bx3


@functools.lru_cache(maxsize=1)
def _archive(path: str):
  return np.load(path)


def _read_roll(item: Item) -> Song:
  try:
    roll_TxP = _archive(item.path)[item.key]
  except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
    reason = 'missing' if isinstance(error, FileNotFoundError) else 'damaged'
    raise Rejected(reason, f'{item.path} cannot be read: {error}') from error
  if roll_TxP.ndim != 2 or roll_TxP.shape[1] != 88:
    raise Rejected('shape', f'{item.source} has shape {roll_TxP.shape}, not (steps, 88)')
  if not roll_TxP.any():
    raise Rejected('empty', f'{item.source} has no notes')
  notes_Nx4 = Codec('binary', ROLL_LOW_PITCH, 88).decode((roll_TxP.T != 0).astype(np.int32))
  # The benchmarks count every step and have no bars: the length stays as it is.
  return Song(notes_Nx4, len(roll_TxP))


def _compose(item: Item) -> Song:
  return corpus.song(int(item.path), int(item.key))
