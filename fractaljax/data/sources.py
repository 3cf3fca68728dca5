"""Where songs come from: MIDI folders, POP909, arrays of rolls, the built-in corpus."""

import functools
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


class Item(NamedTuple):
  """One song to be read.

  Attributes:
    kind: 'midi', 'rolls' or 'corpus'.
    path: file; of the corpus, its seed.
    key: array in the file; number in the corpus.
    source: what the song is to be called.
    split: 'train', 'valid' or 'test'.
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
    raise UserError(f'--input={root} is not a folder')
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


def compositions(num_songs: int, seed: int) -> list[Item]:
  """Songs of the built-in corpus; the last twentieth is for validation."""
  num_valid = max(1, round(num_songs * VALID_SHARE))
  return [
    Item('corpus', str(seed), str(i), f'corpus/{seed}/{i}', 'train' if i < num_songs - num_valid
         else 'valid')
    for i in range(num_songs)
  ]  # fmt: skip


def _recognise(root: Path) -> str:
  if next(root.glob('*/beat_midi.txt'), None):
    return 'pop909'
  return 'rolls' if next(root.rglob('*.npz'), None) else 'midi'


def _pop909(root: Path, names: Sequence[str] | None, use_beats: bool) -> list[Item]:
  """Songs NNN/NNN.mid, split as valid.txt beside them says."""
  valid = set((root / 'valid.txt').read_text().split()) if (root / 'valid.txt').exists() else None
  if names is None:
    names = sorted(path.stem for path in root.glob('*/*.mid') if path.stem == path.parent.name)
  items = []
  for name in names:
    folder = root / name
    split = ('valid' if name in valid else 'train') if valid is not None else _split_by_name(name)
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
    names = sorted(str(path.relative_to(root)) for path in paths if path.is_file())
  splits = [_split_by_name(name) for name in names]
  if len(names) > 1 and 'valid' not in splits:
    splits[-1] = 'valid'
  if len(names) > 1 and 'train' not in splits:
    splits[0] = 'train'
  return [
    Item('midi', str(root / name), '', name, split)
    for name, split in zip(names, splits, strict=True)
  ]


def _rolls(root: Path, names: Sequence[str] | None) -> list[Item]:
  """Arrays of (steps, 88) in .npz files named NAME_train.npz, NAME_valid.npz, NAME_test.npz."""
  paths = sorted(root.rglob('*.npz')) if names is None else [root / name for name in names]
  items = []
  for path in paths:
    split = path.stem.rpartition('_')[2]
    split = split if split in ('train', 'valid', 'test') else 'train'
    source = str(path.relative_to(root))
    keys = _keys(path) or ('',)
    items += [Item('rolls', str(path), key, f'{source}/{key}', split) for key in keys]
  return items


def _keys(path: Path) -> tuple[str, ...]:
  try:
    with zipfile.ZipFile(path) as archive:
      return tuple(sorted(name.removesuffix('.npy') for name in archive.namelist()))
  except (OSError, zipfile.BadZipFile):
    return ()


def _split_by_name(name: str) -> str:
  """Always the same split for the same name, whatever else is in the folder."""
  return 'valid' if zlib.crc32(name.encode()) % 1000 < 1000 * VALID_SHARE else 'train'


def _read_beats(path: str) -> np.ndarray | None:
  if not path:
    return None
  try:
    beats_Bx3 = np.loadtxt(path, ndmin=2)
  except (OSError, ValueError) as error:
    raise Rejected('beats', f'{path} cannot be read: {error}') from error
  if beats_Bx3.shape[0] < 2 or beats_Bx3.shape[1] != 3:
    raise Rejected('beats', f'{path} has {beats_Bx3.shape} numbers; three columns are needed')
  return beats_Bx3


@functools.lru_cache(maxsize=1)
def _archive(path: str):
  return np.load(path)


def _read_roll(item: Item) -> Song:
  try:
    roll_TxP = _archive(item.path)[item.key]
  except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
    raise Rejected('damaged', f'{item.path} cannot be read: {error}') from error
  if roll_TxP.ndim != 2 or roll_TxP.shape[1] != 88:
    raise Rejected('shape', f'{item.source} has shape {roll_TxP.shape}, not (steps, 88)')
  if not roll_TxP.any():
    raise Rejected('empty', f'{item.source} has no notes')
  notes_Nx4 = Codec('binary', ROLL_LOW_PITCH, 88).decode((roll_TxP.T != 0).astype(np.int32))
  # The benchmarks count every step and have no bars: the length stays as it is.
  return Song(notes_Nx4, len(roll_TxP))


def _compose(item: Item) -> Song:
  return corpus.song(int(item.path), int(item.key))
