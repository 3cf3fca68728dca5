"""Songs on disk: ArrayRecord shards of notes, and a dataset.json that describes them."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgpack
import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

from fractaljax.errors import UserError
from fractaljax.music.notes import Song

FORMAT, VERSION = 'fractaljax songs', 1
DESCRIPTION = 'dataset.json'
SONGS_PER_SHARD = 4096


def pack(song: Song, split: str) -> bytes:
  """A song of a split as a record."""
  fields = {
    'notes': song.notes_Nx4.astype('<i4').tobytes(),
    'num_steps': song.num_steps,
    'metre': list(song.metre),
    'tempo_bpm': song.tempo_bpm,
    'source': song.source,
    'offset_steps': song.offset_steps,
    'split': split,
  }
  return msgpack.packb(fields)


def unpack(record: bytes) -> Song:
  """The song of a record."""
  fields = msgpack.unpackb(record)
  notes_Nx4 = np.frombuffer(fields.pop('notes'), '<i4').reshape(-1, 4).astype(np.int32)
  fields.pop('split', None)
  return Song(notes_Nx4, **fields | {'metre': tuple(fields['metre'])})


def num_records(path: Path) -> int:
  """Records in a shard; -1 if it is damaged."""
  try:
    reader = ArrayRecordReader(str(path))
    return reader.num_records() if reader.ok() else -1
  except (RuntimeError, ValueError, OSError):
    return -1


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
  """What ArrayRecord says of a full disk is a RuntimeError."""
  try:
    yield
  except RuntimeError as error:
    raise OSError(str(error)) from error


class Writer:
  """Writes songs of one split after another into a folder that is not yet in place."""

  def __init__(self, directory: Path):
    self._directory = directory
    self._splits: dict[str, dict] = {}
    self._writer, self._room = None, 0

  def add(self, split: str, song: Song) -> None:
    """Adds a song; the songs of a split come one after another."""
    info = self._splits.setdefault(split, {'shards': {}, 'songs': 0, 'notes': 0, 'bars': 0})
    if self._room == 0 or info['songs'] == 0:
      self._close_shard()
      self._name = f'{split}-{len(info["shards"]):05d}.array_record'
      # One song a group: a song is read alone, in random order.
      self._writer = ArrayRecordWriter(str(self._directory / self._name), 'group_size:1')
      self._room = SONGS_PER_SHARD
    with _as_os_error():
      self._writer.write(pack(song, split))
    self._room -= 1
    info['shards'][self._name] = info['shards'].get(self._name, 0) + 1
    info['songs'] += 1
    info['notes'] += len(song.notes_Nx4)
    info['bars'] += song.num_bars

  def finish(self) -> None:
    """Closes the last shard and writes the description."""
    self._close_shard()
    description = {'format': FORMAT, 'version': VERSION, 'splits': self._splits}
    (self._directory / DESCRIPTION).write_text(json.dumps(description, indent=2) + '\n')

  def _close_shard(self):
    if self._writer is not None:
      with _as_os_error():
        self._writer.close()
      self._writer = None


@contextlib.contextmanager
def new_dataset(output: str | os.PathLike, overwrite: bool) -> Iterator[Writer]:
  """A writer whose songs appear at `output` all at once in the end, or not at all.

  Raises:
    UserError: there is something at `output` and `overwrite` is not given, or no room for it.
  """
  output, half = Path(output), None
  _check_free(output, overwrite)
  try:
    output.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f'.{output.name}-', dir=output.parent))
    (new := half / 'new').mkdir()
    writer = Writer(new)
    yield writer
    writer.finish()
    if output.exists():
      output.rename(half / 'old')
    new.rename(output)
  except OSError as error:
    raise UserError(f'{output} cannot be written: {error.strerror or error}') from error
  finally:
    if half:
      shutil.rmtree(half, ignore_errors=True)


def _check_free(output: Path, overwrite: bool):
  if output.exists() and not overwrite:
    raise UserError(f'{output} exists; choose another --output or give --overwrite')
  is_songs = (output / DESCRIPTION).exists() or output.is_dir() and not any(output.iterdir())
  if output.exists() and not is_songs:
    raise UserError(f'{output} is something else than songs; choose another --output')


class Songs:
  """The songs of one split, by number; a sequence that can travel to other processes.

  Args:
    directory: what `prepare` wrote.
    split: 'train' or 'valid', as a rule.

  Raises:
    UserError: the folder is not there or has no songs in it, or no such split; a shard is missing
      or damaged.
  """

  def __init__(self, directory: str | os.PathLike, split: str):
    self.directory, self.split = Path(directory), split
    splits = _splits(self.directory)
    if split not in splits:
      raise UserError(f'{directory} has no split {split!r}; it has {", ".join(splits)}')
    self._shards: dict[str, int] = splits[split]['shards']
    self._length = sum(self._shards.values())
    self._source = None
    self._paths = [self.directory / name for name in self._shards]
    for path in self._paths:
      if not path.is_file():
        raise UserError(f'{path} is missing; prepare the songs again')
      if num_records(path) != self._shards[path.name]:
        raise UserError(f'{path} is damaged or cut short; prepare the songs again')

  def __len__(self) -> int:
    return self._length

  def __getitem__(self, index) -> Song:
    number = range(self._length)[index]
    if self._source is None:
      self._source = ArrayRecordDataSource([str(path) for path in self._paths])
    try:
      return unpack(self._source[number])
    except (RuntimeError, ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
      last_K = np.cumsum(list(self._shards.values()))
      path = self._paths[int(np.searchsorted(last_K, number, side='right'))]
      raise UserError(f'{path} is damaged (song {number}); prepare the songs again') from error


def _splits(directory: Path) -> dict[str, dict]:
  """What dataset.json says of each split."""
  path = directory / DESCRIPTION
  try:
    description = json.loads(path.read_text())
    found, version = description['format'], description['version']
    splits = description['splits']
  except OSError as error:
    raise UserError(
      f'{directory} has no songs ({path.name}: {error.strerror}); write them with '
      'python -m fractaljax.prepare'
    ) from error
  except (ValueError, KeyError, TypeError) as error:
    raise UserError(f'{path} is damaged; prepare the songs again') from error
  if (found, version) != (FORMAT, VERSION):
    found = f'{found}, version {version}, not {FORMAT}, version {VERSION}'
    raise UserError(f'{path} has {found}; prepare the songs again')
  return splits
