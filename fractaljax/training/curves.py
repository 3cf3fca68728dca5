"""Learning curves of runs, drawn from what they logged."""

import json
from collections.abc import Mapping, Sequence
from typing import IO

from matplotlib.figure import Figure

from fractaljax.errors import UserError
from fractaljax.model.detail import PARTS
from fractaljax.training import run_dir

COLOURS = ('#4b53b5', '#d0234f', '#2a9d6f', '#d98c1f', '#6b7280', '#8a2a86')
VALID = 'eval_valid/bits_per_note'
# What is drawn of each run: on the left the whole, on the right its parts.
WHOLE = {
  'train/bits_per_note': ('updates', dict(linewidth=0.7, alpha=0.45)),
  'eval_train/bits_per_note': ('training songs', dict(linestyle='--', marker='.')),
  VALID: ('valid songs', dict(marker='o', markersize=4)),
}
STYLES = (dict(marker='o'), dict(marker='s', linestyle='--'), dict(marker='^', linestyle=':'))
OF_PARTS = {
  f'{VALID}/{part}': (part, dict(markersize=4) | style)
  for part, style in zip(PARTS, STYLES, strict=True)
}


def read_metrics(workdir: str) -> list[dict[str, float]]:
  """The rows of a run's metrics.jsonl; a half line that is being written is left out.

  Raises:
    UserError: there is none.
  """
  path = run_dir.folder(workdir) / run_dir.METRICS
  try:
    lines = path.read_text().splitlines()
  except OSError as error:
    raise UserError(
      f'--workdir={workdir}: {path.name} cannot be read ({error.strerror}); give the folder of a '
      'training run'
    ) from error
  rows = []
  for line in lines:
    try:
      rows.append(json.loads(line))
    except ValueError:
      continue
  return rows


def save_curves(runs: Mapping[str, Sequence[dict]], path: str | IO[bytes]) -> None:
  """Draws bits per note against updates, every run in a colour of its own.

  Args:
    runs: rows of metrics.jsonl under the name of each run.
    path: where it goes; the ending names the format, such as .png; or an open file, for .png.
  """
  figure = Figure(figsize=(14, 4.8), layout='constrained')
  whole, parts = figure.subplots(1, 2, sharex=True)
  for i, (name, rows) in enumerate(runs.items()):
    colour, prefix = COLOURS[i % len(COLOURS)], f'{name}: ' if len(runs) > 1 else ''
    _draw(whole, rows, WHOLE, prefix, colour)
    _draw(parts, rows, OF_PARTS, prefix, colour)
  whole.set_title('bits per note')
  parts.set_title('parts of it, valid songs')
  for axes in (whole, parts):
    axes.set_xlabel('updates')
    axes.grid(color='#e1e4ea')
    axes.spines[['top', 'right']].set_visible(False)
    if axes.lines:
      # Beside the curves, of which it would hide some.
      axes.legend(frameon=False, fontsize='small', loc='center left', bbox_to_anchor=(1, 0.5))
  # The first updates, of a model that knows nothing, would press all else to the ground.
  late = [y for line in whole.lines for y in line.get_ydata()[len(line.get_ydata()) // 10 :]]
  if late:
    whole.set_ylim(0.95 * min(late), 1.05 * max(late))
  figure.savefig(path, dpi=150)


def _draw(axes, rows: Sequence[dict], curves: dict, prefix: str, colour: str) -> None:
  for key, (label, style) in curves.items():
    points = [(row['step'], row[key]) for row in rows if key in row]
    if points:
      axes.plot(*zip(*points, strict=True), color=colour, label=prefix + label, **style)
