"""Where songs come from: MIDI folders, POP909, arrays of rolls, the built-in corpus."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fractaljax.errors import UserError

FORMATS = ('auto', 'midi', 'pop909', 'rolls')
VALID_SHARE = 0.05


class Item(NamedTuple):
  """One song to be read.

  Attributes:
    kind: 'midi', 'rolls' or 'corpus'.
    path: file; of the corpus, its seed.
    key: array in the file; number in the corpus.
    source: what the song is to be called.
    split: 'train', 'valid' or 'test'; '' where its name decides, see `split_by_name`.
    beats: file that its beats are in, if it exists, or ''.
  """

  kind: str
  path: str
  key: str
  source: str
  split: str
  beats: str = ''


class Items(Sequence[Item]):
  """The songs to be read, in a fixed order; of each only its name is in memory.

  Args:
    names: one a song.
    make: the item of a name.
    arguments: what else says which songs these are and how they are read.
  """

  def __init__(self, names: Sequence, make: Callable[[Any], Item], arguments: dict[str, str]):
    self._names, self._make, self.arguments = names, make, arguments

  def __len__(self) -> int:
    return len(self._names)

  def __getitem__(self, index) -> Item:
    return self._make(self._names[index])


def find(root: Path, kind: str, names: Sequence[str] | None, use_beats: bool) -> Items:
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
  found, make = {'pop909': _pop909, 'midi': midi_files, 'rolls': _rolls}[kind](root, names)
  if not found:
    raise UserError(f'--input={root} has no songs of the format {kind!r}; see --format and --list')
  arguments = {'input': os.path.abspath(root), 'format': kind, 'beats': str(use_beats).lower()}
  return Items(found, make if use_beats else lambda name: make(name)._replace(beats=''), arguments)


def built_in_corpus(num_songs: int, seed: int) -> Items:
  """Songs of the built-in corpus, the last twentieth for validation."""
  first_valid = num_songs - max(1, round(num_songs * VALID_SHARE))

  def make(i: int) -> Item:
    split = 'train' if i < first_valid else 'valid'
    return Item('corpus', str(seed), str(i), f'corpus/{seed}/{i}', split)

  return Items(range(num_songs), make, {'format': 'corpus', 'seed': str(seed)})


def split_by_name(source: str) -> str:
  """Always the same split for the same name, whatever else is in the folder."""
  return 'valid' if zlib.crc32(source.encode()) % 1000 < 1000 * VALID_SHARE else 'train'


def _recognise(root: Path) -> str:
  if next(root.glob('*/beat_midi.txt'), None):
    return 'pop909'
  rolls, midi = next(_files(root, '.npz'), None), next(_files(root, '.mid', '.midi'), None)
  if rolls and midi:
    raise UserError(
      f'--input={root} has MIDI files and rolls ({midi}, {rolls}); give --format=midi or rolls'
    )
  return 'rolls' if rolls else 'midi'


def _files(root: Path, *suffixes: str) -> Iterator[str]:
  """The files below a folder, as relative paths; only names, since a million need no more."""
  for folder, _, names in os.walk(root, onerror=_refuse_folder):
    prefix = os.path.relpath(folder, root)
    for name in names:
      if name.lower().endswith(suffixes):
        yield name if prefix == '.' else f'{prefix}/{name}'


def _refuse_folder(error: OSError):
  raise UserError(f'{error.filename} cannot be read: {error.strerror}') from error


def _pop909(root: Path, names: Sequence[str] | None):
  """Songs NNN/NNN.mid, split as train.txt and valid.txt beside them say; the rest is for tests."""
  splits = _read_splits(root)
  if names is None:
    names = [path.stem for path in root.glob('*/*.mid') if path.stem == path.parent.name]

  def make(name: str) -> Item:
    folder = f'{root}/{name}'
    split = splits.get(name, 'test') if splits else ''
    source = f'{name}/{name}.mid'
    return Item('midi', f'{root}/{source}', '', source, split, f'{folder}/beat_midi.txt')

  # Not the stem, which of No.1 is No.
  return sorted({Path(name).name.removesuffix('.mid') for name in names}), make


def midi_files(root: Path, names: Sequence[str] | None):
  """The .mid and .midi files below a folder, and the item of each; or only those named."""
  names = sorted(_files(root, '.mid', '.midi') if names is None else set(names))
  return names, lambda name: Item('midi', f'{root}/{name}', '', _printable(name), '')


def _rolls(root: Path, names: Sequence[str] | None):
  """Arrays of (steps, 88) in .npz files named NAME_train.npz, NAME_valid.npz, NAME_test.npz."""
  names = sorted(_files(root, '.npz') if names is None else set(names))

  def make(name_and_key: tuple[str, str]) -> Item:
    name, key = name_and_key
    split = Path(name).stem.rpartition('_')[2]
    split = split if split in ('train', 'valid', 'test') else 'train'
    return Item('rolls', f'{root}/{name}', key, f'{_printable(name)}/{key}', split)

  return [(name, key) for name in names for key in _keys(root / name) or ('',)], make


def _keys(path: Path) -> tuple[str, ...]:
  try:
    with zipfile.ZipFile(path) as archive:
      return tuple(sorted(name.removesuffix('.npy') for name in archive.namelist()))
  except (OSError, zipfile.BadZipFile):
    return ()


def _read_splits(root: Path) -> dict[str, str]:
  """The split of each song that train.txt or valid.txt names."""
  lists = [(root / f'{split}.txt', split) for split in ('train', 'valid')]
  try:
    return {
      name: split for path, split in lists if path.exists() for name in path.read_text().split()
    }
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(f'--input={root}: its train.txt or valid.txt is not text ({error})') from error


def _printable(name: str) -> str:
  """A file name as text that can be stored and shown, whatever bytes it is made of."""
  return os.fsencode(name).decode(errors='replace')
