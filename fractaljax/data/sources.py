"""Where songs come from: MIDI folders, POP909, arrays of rolls, the built-in corpus."""

import functools
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fractaljax.errors import UserError
from fractaljax.music import corpus, midi
from fractaljax.music.codec import Codec
from fractaljax.music.notes import Song

FORMATS = ('auto', 'midi', 'pop909', 'rolls')
ROLL_LOW_PITCH = 21
VALID_SHARE = 0.05
LEAST_BEAT_SECONDS = 0.05


class Item(NamedTuple):
  """One song to be read.

  Attributes:
    kind: 'midi', 'rolls' or 'corpus'.
    path: file; of the corpus, its seed.
    key: array in the file; number in the corpus.
    source: what the song is to be called.
    split: 'train', 'valid' or 'test'; '' where its name decides, see `split_by_name`.
    beats: file of its beats, or ''.
  """

  kind: str
  path: str
  key: str
  source: str
  split: str
  beats: str = ''


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


def find(root: Path, kind: str, names: Sequence[str] | None, use_beats: bool) -> list[Item]:
  """The songs in a folder, in a fixed order.

  Args:
    root: the folder.
    kind: one of FORMATS.
    names: only these, as relative paths, or numbers of POP909; one that is not there is an item
      that will not be found.
    use_beats: whether the beat_midi.txt beside a song of POP909 is used.

  Raises:
    UserError: the folder is not there, or nothing in it is of this kind.
  """
  if not root.is_dir():
    raise UserError(f'--input={root} is not a folder; see the path')
  kind = _recognise(root) if kind == 'auto' else kind
  if kind == 'pop909':
    items = _pop909(root, names, use_beats)
  elif kind == 'midi':
    items = _midi_files(root, names)
  else:
    items = _rolls(root, names)
  if not items:
    raise UserError(f'--input={root} has no songs of the format {kind!r}; see --format and --list')
  return items


def _recognise(root: Path) -> str:
  if next(root.glob('*/beat_midi.txt'), None):
    return 'pop909'
  return 'rolls' if next(root.rglob('*.npz'), None) else 'midi'


def _pop909(root: Path, names: Sequence[str] | None, use_beats: bool) -> list[Item]:
  """Songs NNN/NNN.mid, split as train.txt and valid.txt beside them say; the rest is for tests."""
  splits = _read_splits(root)
  if names is None:
    names = [path.stem for path in root.glob('*/*.mid') if path.stem == path.parent.name]
  items = []
  for name in sorted({Path(name).stem for name in names}):
    folder = root / name
    split = splits.get(name, 'test') if splits else ''
    beats = folder / 'beat_midi.txt'
    items.append(
      Item(
        'midi', str(folder / f'{name}.mid'), '', f'{name}/{name}.mid', split,
        str(beats) if use_beats and beats.exists() else '',
      )
    )  # fmt: skip
  return items


def _midi_files(root: Path, names: Sequence[str] | None) -> list[Item]:
  if names is None:
    suffixes = ('.mid', '.midi')
    paths = (path for path in root.rglob('*') if path.suffix.lower() in suffixes)
    names = [path.relative_to(root).as_posix() for path in paths if path.is_file()]
  return [Item('midi', str(root / name), '', _printable(name), '') for name in sorted(set(names))]


def _rolls(root: Path, names: Sequence[str] | None) -> list[Item]:
  """Arrays of (steps, 88) in .npz files named NAME_train.npz, NAME_valid.npz, NAME_test.npz."""
  if names is None:
    names = [path.relative_to(root).as_posix() for path in root.rglob('*.npz')]
  items = []
  for name in sorted(set(names)):
    path, source = root / name, _printable(name)
    split = path.stem.rpartition('_')[2]
    split = split if split in ('train', 'valid', 'test') else 'train'
    keys = _keys(path) or ('',)
    items += [Item('rolls', str(path), key, f'{source}/{key}', split) for key in keys]
  return items


def _keys(path: Path) -> tuple[str, ...]:
  try:
    with zipfile.ZipFile(path) as archive:
      return tuple(sorted(name.removesuffix('.npy') for name in archive.namelist()))
  except (OSError, zipfile.BadZipFile):
    return ()


def split_by_name(source: str) -> str:
  """Always the same split for the same name, whatever else is in the folder."""
  return 'valid' if zlib.crc32(source.encode()) % 1000 < 1000 * VALID_SHARE else 'train'


def _read_splits(root: Path) -> dict[str, str]:
  """The split of each song that train.txt or valid.txt names."""
  lists = [(root / f'{split}.txt', split) for split in ('train', 'valid')]
  return {
    name: split for path, split in lists if path.exists() for name in path.read_text().split()
  }


def _printable(name: str) -> str:
  """A file name as text that can be stored and shown, whatever bytes it is made of."""
  return os.fsencode(name).decode(errors='replace')


def _read_beats(path: str) -> np.ndarray | None:
  if not path:
    return None
  try:
    beats_Bx3 = np.loadtxt(path, ndmin=2)
  except (OSError, ValueError) as error:
    raise Rejected('beats', f'{path} cannot be read: {error}') from error
  if beats_Bx3.shape[0] < 2 or beats_Bx3.shape[1] != 3:
    raise Rejected('beats', f'{path} has {beats_Bx3.shape} numbers; three columns are needed')
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
