"""A folder of MIDI files as songs in memory, without preparing them."""

import collections
from pathlib import Path

from tqdm import tqdm

from fractaljax.data import sources, workers
from fractaljax.data.ingest import ITEM_SECONDS
from fractaljax.data.reading import read_item
from fractaljax.errors import UserError
from fractaljax.music.notes import Song


def read_folder(folder: str, flag: str) -> tuple[list[Song], dict[str, int]]:
  """Reads the .mid and .midi files below a folder, in the order of their names.

  They are read in a process of its own, which a file may crash.

  Args:
    folder: the folder.
    flag: that named it, for errors.

  Returns:
    the songs, and how many files were left out for each reason.

  Raises:
    UserError: it is not a folder, or has no file that can be used.
  """
  if not Path(folder).is_dir():
    raise UserError(f'{flag}={folder} is not a folder; see the path')
  names, make = sources.midi_files(Path(folder), None)
  if not names:
    raise UserError(f'{flag}={folder} has no .mid files; give a folder of them')
  songs, rejected = [], collections.Counter()
  results = workers.parse_all(read_item, [make(name) for name in names], 1, ITEM_SECONDS)
  for result in tqdm(results, total=len(names), unit='song', desc=f'reading {folder}'):
    if isinstance(result, workers.Failure):
      rejected[result.reason] += 1
    else:
      songs.append(result[0])
  if not songs:
    counts = ', '.join(f'{reason}: {count}' for reason, count in sorted(rejected.items()))
    raise UserError(f'{flag}={folder}: none of {len(names)} files can be used ({counts})')
  return songs, dict(sorted(rejected.items()))
