"""The songs that samples are compared with."""

import os
from typing import NamedTuple

from fractaljax.data import bucket, parts
from fractaljax.data.in_c import InC, read_songs
from fractaljax.data.midi_folder import read_folder
from fractaljax.music.notes import Song


class Reference(NamedTuple):
  """Songs to compare with.

  Attributes:
    songs: held-out songs.
    train: training songs; None where it is not known which they are.
    rejected: files that were left out, by reason.
  """

  songs: list[Song]
  train: list[Song] | None
  rejected: dict[str, int]


def read_reference(directory: str, in_c: bool) -> Reference:
  """Reads what `prepare` wrote, or else a folder of MIDI files, all of them held-out songs.

  Args:
    directory: where they are.
    in_c: whether each is moved to C major or A minor.

  Raises:
    UserError: there are no songs.
  """
  if _is_prepared(directory):
    valid, train = (list(read_songs(directory, split, in_c)) for split in ('valid', 'train'))
    return Reference(valid, train, {})
  songs, rejected = read_folder(directory, '--reference')
  return Reference(list(InC(songs)) if in_c else songs, None, rejected)


def _is_prepared(directory: str) -> bool:
  if bucket.is_bucket(directory):
    return True
  return os.path.isdir(directory) and any(map(parts.NAME.fullmatch, os.listdir(directory)))
