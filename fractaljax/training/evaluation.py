"""What a run is judged by while it trains: likelihood of songs, and samples beside the songs."""

from collections.abc import Iterator, Sequence

import numpy as np
from ml_collections import ConfigDict

from fractaljax.data import pipeline
from fractaljax.distributed import say
from fractaljax.mesh import Placement
from fractaljax.model.fractal import Fractal
from fractaljax.music.coverage import token_coverage
from fractaljax.music.crop import Crop, stack
from fractaljax.music.excerpt import excerpts, spread
from fractaljax.music.metrics import statistics
from fractaljax.music.notes import Song
from fractaljax.sampling import known
from fractaljax.sampling.draw import as_songs, make_drawing
from fractaljax.sampling.options import Plan, make_knobs
from fractaljax.training.calibration import reliability
from fractaljax.training.interrupt import Interrupt
from fractaljax.training.likelihood import Likelihood, needed_capacities, score_batches
from fractaljax.training.logs import Logs


class Evaluation:
  """Scores and samples a model, always on the same crops and with the same seeds.

  Args:
    config: the run's.
    model: the model.
    songs: of each split, 'train' and 'valid'.
    placement: of the devices.
    logs: what `report` writes to.
  """

  def __init__(
    self,
    config: ConfigDict,
    model: Fractal,
    songs: dict[str, Sequence[Song]],
    placement: Placement,
    logs: Logs,
  ):
    self._config, self._model, self._placement, self._logs = config, model, placement, logs
    self._batches = {split: self._some_batches(songs[split]) for split in songs}
    all_batches = [batch for batches in self._batches.values() for batch in batches]
    self._capacities = needed_capacities(model.config, all_batches, placement.num_devices)
    self._as_many = {
      f'songs_{split}': [of[i] for i in range(min(len(of), config.eval_samples))]
      for split, of in songs.items()
    }
    self._songs = {
      f'songs_{split}/{name}': value
      for split in songs
      for name, value in song_statistics(
        songs[split], config.eval_crops, config.data.crop_steps
      ).items()
    }

  def _some_batches(self, songs: Sequence[Song]) -> list[Crop]:
    model, data = self._model.config, self._config.data
    crops = pipeline.some_windows(
      songs, model.codec, self._config.eval_crops, data.crop_steps, model.halo, model.attributes,
      self._config.seed,
    )  # fmt: skip
    return list(pipeline.batched(crops, data.batch_size))

  def report(self, step: int, params, interrupt: Interrupt) -> dict[str, float]:
    """Logs likelihood, samples and their figures, and returns these.

    Raises:
      Stopped: a stop was asked for meanwhile; nothing is logged.
    """
    likelihoods = self.likelihoods(params, interrupt)
    samples = self.samples(params, interrupt)
    metrics = {
      f'eval_{split}/{name}': value
      for split, found in likelihoods.items()
      for name, value in found.metrics().items()
    }
    metrics |= self.sample_statistics(samples) | self.coverage(samples)
    self._logs.figure(step, 'calibration', reliability(likelihoods['valid'].calibrations))
    for temperature, songs in samples.items():
      self._show(step, f'samples_t{temperature:g}', songs[0])
    self._logs.write(step, metrics)
    bits, nats = (metrics[f'eval_valid/{name}'] for name in ('bits_per_note', 'nats_per_step'))
    density = ''.join(
      f', samples at temperature {t:g} {metrics[f"samples_t{t:g}/notes_per_bar"]:.1f}'
      for t in samples
    )
    say(
      f'step {step}: valid {bits:.2f} bits a note, {nats:.3f} nats a step; notes a bar: songs '
      f'{metrics["songs_valid/notes_per_bar"]:.1f}{density}'
    )
    return metrics

  def _show(self, step: int, name: str, song: Song) -> None:
    self._logs.roll(step, name, song.notes_Nx4, song.num_steps)
    if self._config.eval_sound:
      self._logs.sound(step, f'{name}_sound', song)

  def likelihoods(self, params, interrupt: Interrupt) -> dict[str, Likelihood]:
    """The likelihood of the crops of each split."""
    return {
      split: score_batches(
        self._model,
        params,
        _until_stopped(batches, interrupt),
        self._capacities,
        self._config.seed,
        self._placement,
      )
      for split, batches in self._batches.items()
    }

  def samples(self, params, interrupt: Interrupt) -> dict[float, list[Song]]:
    """Sampled songs at each temperature of the config."""
    config, model, placement = self._config, self._model, self._placement
    # Every device draws as many, whether they are needed or not.
    num = placement.at_least(config.eval_samples)
    crop = placement.spread(stack([known.nothing(model.config, config.data.crop_steps)] * num))
    numbers = placement.spread(np.arange(num))
    drawing = make_drawing(model, Plan(), placement)
    songs = {}
    for temperature in config.eval_temperatures:
      interrupt.check()
      knobs = make_knobs(model.config, temperature)
      drawn = drawing(params, crop, numbers, knobs, np.uint32(config.seed % 2**32))
      songs[temperature] = as_songs(*placement.gather(drawn), model.config)[: config.eval_samples]
    return songs

  def sample_statistics(self, samples: dict[float, list[Song]]) -> dict[str, float]:
    """Figures of samples at each temperature, and the same of the songs beside them."""
    metrics = dict(self._songs)
    for temperature, songs in samples.items():
      for name, value in statistics(songs).items():
        metrics[f'samples_t{temperature:g}/{name}'] = value
    return metrics

  def coverage(self, samples: dict[float, list[Song]]) -> dict[str, float]:
    """`token_coverage` of samples at each temperature, and of as many songs beside them."""
    sets = self._as_many | {f'samples_t{t:g}': songs for t, songs in samples.items()}
    num_steps, codec = self._config.data.crop_steps, self._model.config.codec
    return {
      f'{name}/token_coverage': token_coverage([song.notes_Nx4 for song in songs], num_steps, codec)
      for name, songs in sets.items()
    }


def _until_stopped(batches: list[Crop], interrupt: Interrupt) -> Iterator[Crop]:
  for batch in batches:
    interrupt.check()
    yield batch


def song_statistics(songs: Sequence[Song], at_most: int, num_steps: int) -> dict[str, float]:
  """Figures of songs, `at_most` of them, spread evenly; cut into excerpts as long as samples."""
  return statistics(excerpts(spread(songs, at_most), num_steps))
