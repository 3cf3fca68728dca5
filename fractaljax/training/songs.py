"""The songs of a run: what was prepared, or the built-in corpus."""

import zlib
from pathlib import Path

from ml_collections import ConfigDict

from fractaljax.data import ingest
from fractaljax.data.bucket import is_bucket
from fractaljax.data.in_c import InC, read_songs
from fractaljax.data.records import Songs
from fractaljax.distributed import differing, is_first, wait
from fractaljax.errors import UserError


def songs_of(config: ConfigDict, workdir: str) -> dict[str, Songs | InC]:
  """Those to train on and the valid ones, the same in all processes.

  Raises:
    UserError: they are not there or damaged, or not the same everywhere.
  """
  directory = config.data.directory or _built_in_corpus(config, workdir)
  songs = {
    split: read_songs(directory, split, config.data.in_c, config.data.damaged)
    for split in ('train', 'valid')
  }
  check_same(songs)
  return songs


def check_same(songs: dict[str, Songs | InC]) -> None:
  """Raises UserError if processes read other shards, which some leave out as damaged."""
  shards = {split: each.shards for split, each in songs.items()}
  if others := differing(zlib.crc32(repr(shards).encode())):
    raise UserError(
      f'process {", ".join(map(str, others))} reads other shards than process 0, since each leaves '
      'out what is damaged on its machine; give all of them the same songs, or '
      '--config.data.damaged=refuse, which names those shards'
    )


def _built_in_corpus(config: ConfigDict, workdir: str) -> str:
  """Prepares what is not yet there of the built-in corpus in the run's folder."""
  if is_bucket(workdir):
    raise UserError(
      f'--workdir={workdir} cannot hold the songs as well; prepare them (--format=corpus for the '
      'built-in corpus) and give --config.data.directory'
    )
  directory = Path(workdir) / f'corpus_{config.data.corpus_songs}_{config.seed}'
  if is_first():
    ingest.prepare_corpus(directory, config.data.corpus_songs, config.seed)
  wait('corpus')
  return str(directory)
