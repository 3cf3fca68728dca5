"""The training batches of a run, by step."""

from pathlib import Path

import grain
import numpy as np

from fractaljax.music.crop import Crop


class Stream:
  """Batches for one step after another; those of late can be had again.

  Args:
    batches: what the data pipeline gives.
    every: steps that may have passed when a batch is asked for again.
  """

  def __init__(self, batches: grain.DatasetIterator, every: int):
    self._batches, self._every = batches, every
    self.put(0, batches.get_state())

  def __next__(self) -> Crop:
    if self._step % self._every == 0:
      self._marks = [*self._marks[-1:], (self._step, self._batches.get_state())]
    self._step += 1
    return next(self._batches)

  def get_state(self) -> dict:
    return self._batches.get_state()

  def put(self, step: int, state: dict) -> None:
    """Goes on after `step`, from what `get_state` gave there."""
    self._batches.set_state(state)
    self._step, self._marks = step, [(step, state)]

  def again(self, step: int) -> Crop:
    """The batch of a step, one of the last ones; the stream goes on from there."""
    self.put(*[mark for mark in self._marks if mark[0] < step][-1])
    while self._step < step:
      batch = next(self)
    return batch


def save_batch(path: Path, batch: Crop) -> None:
  """Writes a batch for inspection: an .npz of the fields of `Crop`."""
  np.savez_compressed(path, **batch._asdict())
