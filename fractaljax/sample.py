"""Writes music: python -m fractaljax.sample --checkpoint=runs/demo --output=outputs/demo."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
from absl import flags

from fractaljax import command, distributed
from fractaljax.data.bucket import check_local
from fractaljax.data.in_c import shift_to_c
from fractaljax.errors import UserError
from fractaljax.model.config import ModelConfig
from fractaljax.music import midi
from fractaljax.music.attributes import attribute_ids, parse
from fractaljax.music.crop import Crop, transposed
from fractaljax.music.notes import PITCH, VELOCITY, Song
from fractaljax.music.pictures import save_roll
from fractaljax.music.sound import as_wav, synthesise
from fractaljax.sampling import chords, form, known, rhythm

_CHECKPOINT = flags.DEFINE_string(
  'checkpoint', None, 'folder of a training run or an export', required=True
)
_WHICH = flags.DEFINE_enum(
  'which', 'latest', ['latest', 'best'], 'newest checkpoint of a run, or likeliest on valid songs'
)
_OUTPUT = flags.DEFINE_string('output', None, 'folder for the .mid and .png files', required=True)
_NUM = flags.DEFINE_integer('num', 8, 'samples', lower_bound=1)
_STEPS = flags.DEFINE_integer('steps', 512, 'length in 16ths', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'sample i is a function of the seed and i')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 8, 'samples at a time', lower_bound=1)
_TEMPERATURE = flags.DEFINE_list(
  'temperature', '1.0', '1 = the model, 0 = the most probable; one number, or one for each level'
)
_TOP_P = flags.DEFINE_float('top_p', 1.0, 'values only from this share of the probability', 0, 1)
_GATE_BIAS = flags.DEFINE_float('gate_bias', 0.0, 'above 0 denser, below 0 sparser')
_GUIDANCE = flags.DEFINE_float('guidance', 1.0, 'strength of the attributes; 1 = the model')
_GUIDANCE_RISES = flags.DEFINE_bool(
  'guidance_rises', False, 'let the guidance grow linearly over the first level'
)
_PROMPT = flags.DEFINE_string('prompt', None, 'MIDI file whose beginning is continued')
_PROMPT_STEPS = flags.DEFINE_integer('prompt_steps', 128, 'length of that beginning, at most')
_INPAINT = flags.DEFINE_string('inpaint', None, 'MIDI file of which a passage is written anew')
_INPAINT_STEPS = flags.DEFINE_string('inpaint_steps', '64:192', 'that passage, FIRST:END')
_LIKE = flags.DEFINE_string('like', None, 'MIDI file that gives the attributes')
_ATTRIBUTES = flags.DEFINE_string(
  'attributes', None, 'attributes, as density=20,dynamics=6; the model draws the others'
)
_FORM = flags.DEFINE_string(
  'form', None, 'sections with their bars, as "A8 B8 A8": those of one name repeat each other'
)
_CHORDS = flags.DEFINE_string(
  'chords', None, 'chords of the bars, as "C Am F G": % is the one before again, ? any'
)
_RHYTHM = flags.DEFINE_string(
  'rhythm', None, 'where notes begin, a bar as "x.x. x... x.x. x... |": % is the bar before, ? any'
)
_TRIES = flags.DEFINE_integer(
  'tries', 6, 'times a bar is drawn, at most, until its notes are as was said of it', lower_bound=1
)
_METRE = flags.DEFINE_string('metre', '4/4', 'time signature, without a prompt')
_TEMPO_BPM = flags.DEFINE_float(
  'tempo_bpm',
  None,
  'quarters a minute, without a prompt; else what the model says, or 120',
  10,
  400,
)
_VELOCITY_THRESHOLD = flags.DEFINE_integer(
  'velocity_threshold', 0, 'leave out the notes that are quieter', 0, 127
)
_SOUND = flags.DEFINE_bool('sound', False, 'write a .wav beside each .mid')


def main(_):
  # Not above: --help and a wrong flag should not wait for JAX.
  import jax

  from fractaljax.exporting.opening import load
  from fractaljax.mesh import data_parallel
  from fractaljax.sampling.draw import as_songs, draw
  from fractaljax.sampling.options import Plan, make_knobs

  if _PROMPT.value and _INPAINT.value:
    raise UserError('--prompt and --inpaint exclude each other; give one of them')
  _refuse_useless()
  check_local(_OUTPUT.value, 'output')
  song = _song()
  distributed.start()
  placement = data_parallel(jax.devices())
  trained = load(_CHECKPOINT.value, placement, _WHICH.value)
  config = trained.model.config
  guided = _GUIDANCE.value != 1
  if (guided or _LIKE.value or _ATTRIBUTES.value) and not config.attributes:
    raise UserError(
      '--guidance, --like and --attributes need a model with attributes; train one with '
      'config.model.attributes'
    )
  if _TRIES.present and _TRIES.value > 1 and not config.repeats:
    raise UserError(
      f'--tries={_TRIES.value} needs a model that says what bars are to be; train one with '
      'config.model.repeats'
    )
  if 'tempo' in (_ATTRIBUTES.value or ''):
    raise UserError(f'--attributes={_ATTRIBUTES.value}: give the tempo as --tempo_bpm')
  in_c = trained.config.data.in_c
  shift = shift_to_c(song) if in_c else 0
  crop = _known(config, transposed(song, shift), in_c)
  plan = Plan(
    nucleus=_TOP_P.value < 1, guided=guided, rising=_GUIDANCE_RISES.value, tries=_TRIES.value
  )
  temperatures = _temperatures(len(config.levels))
  num_steps, repeat_L, chord_L, rhythm_L = crop.tokens_PxT.shape[1], (), (), ()
  if _FORM.value is not None:
    repeat_L = form.parse(_FORM.value, config, num_steps, song.steps_per_bar)
  if _CHORDS.value is not None:
    chord_L = chords.parse(_CHORDS.value, config, num_steps, song.steps_per_bar, shift)
  if _RHYTHM.value is not None:
    rhythm_L = rhythm.parse(_RHYTHM.value, config, num_steps, song.steps_per_bar)
  knobs = make_knobs(
    config, temperatures, _GATE_BIAS.value, _TOP_P.value, _GUIDANCE.value, repeat_L, chord_L,
    rhythm_L,
  )  # fmt: skip
  drawn = draw(
    trained.model,
    trained.params,
    plan,
    knobs,
    crop,
    _NUM.value,
    _BATCH_SIZE.value,
    _SEED.value,
    placement,
  )
  songs = [
    dataclasses.replace(
      song,
      notes_Nx4=found.notes_Nx4,
      num_steps=found.num_steps,
      tempo_bpm=song.tempo_bpm if _has_tempo() else found.tempo_bpm,
    )
    for found in as_songs(drawn.tokens_BxPxT, drawn.attributes_BxA, config)
  ]
  songs = [_playable(transposed(song, -shift)) for song in songs]
  if distributed.is_first():
    _write(songs)
  bars = sum(song.num_steps / song.steps_per_bar for song in songs)
  result = {
    'samples': len(songs),
    'steps': num_steps,
    'compile_seconds': round(drawn.compile_seconds, 3),
    'seconds': round(drawn.seconds, 3),
    'notes_per_bar': sum(len(song.notes_Nx4) for song in songs) / bars,
  }
  distributed.say(json.dumps(result))


def _refuse_useless():
  if not _PROMPT.value:
    command.refuse_useless('is the length of a --prompt', _PROMPT_STEPS)
  if not _INPAINT.value:
    command.refuse_useless('is a passage of --inpaint', _INPAINT_STEPS)
  if _INPAINT.value:
    command.refuse_useless('is what the song of --inpaint has itself', _STEPS)
  if _PROMPT.value or _INPAINT.value:
    command.refuse_useless('is what the given song has itself', _METRE, _TEMPO_BPM)
  if _GUIDANCE.value == 1:
    command.refuse_useless('is of a --guidance other than 1', _GUIDANCE_RISES)


def _song() -> Song:
  """The song to continue or repaint; without one, an empty song as the flags describe it."""
  given = _PROMPT.value or _INPAINT.value
  if given:
    return midi.read_song(given)
  match = re.fullmatch(r'(\d+)/(\d+)', _METRE.value)
  metre = beats, unit = tuple(map(int, match.groups())) if match else (0, 0)
  # What MIDI can hold: few beats, and a unit that is a power of two.
  if not 0 < beats < 256 or unit.bit_count() != 1 or beats * 16 % unit:
    raise UserError(f'--metre={_METRE.value}: give BEATS/UNIT with a bar of whole 16ths, as 3/4')
  song = Song(np.zeros((0, 4), np.int32), _STEPS.value, metre)
  return dataclasses.replace(song, tempo_bpm=_TEMPO_BPM.value) if _TEMPO_BPM.value else song


def _has_tempo() -> bool:
  """Whether the tempo is given, by the flag or a song."""
  return bool(_TEMPO_BPM.value or _PROMPT.value or _INPAINT.value)


def _known(config: ModelConfig, song: Song, in_c: bool) -> Crop:
  """What the sampler is given: nothing, the song's beginning, or the song without a passage.

  The song is where the model's songs are, in C (`in_c`) or in any key.
  """
  if _INPAINT.value:
    match = re.fullmatch(r'(\d+):(\d+)', _INPAINT_STEPS.value)
    if not match:
      raise UserError(f'--inpaint_steps={_INPAINT_STEPS.value}: give FIRST:END, as 64:192')
    crop = known.all_but(config, song, (int(match[1]), int(match[2])))
  elif _PROMPT.value:
    crop = known.beginning(config, song, _PROMPT_STEPS.value, _STEPS.value)
  else:
    crop = known.nothing(config, _STEPS.value, song.metre)
  if _LIKE.value:
    like = midi.read_song(_LIKE.value)
    like = transposed(like, shift_to_c(like) if in_c else 0)
    crop = crop._replace(attributes_A=attribute_ids(like, config.attributes))
  if _ATTRIBUTES.value:
    ids_A = parse(_ATTRIBUTES.value, config.attributes)
    crop = crop._replace(attributes_A=np.where(ids_A > 0, ids_A, crop.attributes_A))
  # The tempo that is heard is the one that is written; the model says it where none is given.
  is_tempo_A = np.array(config.attributes) == 'tempo'
  own_A = attribute_ids(song, config.attributes) * _has_tempo()
  return crop._replace(attributes_A=np.where(is_tempo_A, own_A, crop.attributes_A))


def _temperatures(num_levels: int) -> tuple[float, ...]:
  try:
    values = tuple(float(t) for t in _TEMPERATURE.value)
  except ValueError:
    values = ()
  if len(values) not in (1, num_levels) or min(values) < 0:
    raise UserError(
      f'--temperature={",".join(_TEMPERATURE.value)}: give one number >= 0, or {num_levels} of '
      'them, one for each level'
    )
  return values if len(values) == num_levels else values * num_levels


def _playable(song: Song) -> Song:
  """The song without notes that are beyond MIDI's pitches or too quiet."""
  pitch_N, velocity_N = song.notes_Nx4[:, PITCH], song.notes_Nx4[:, VELOCITY]
  is_kept_N = (pitch_N >= 0) & (pitch_N <= 127) & (velocity_N >= _VELOCITY_THRESHOLD.value)
  return dataclasses.replace(song, notes_Nx4=song.notes_Nx4[is_kept_N])


def _write(songs: list[Song]):
  """The songs as .mid and .png, and their paths on the screen."""
  folder = Path(_OUTPUT.value)
  try:
    folder.mkdir(parents=True, exist_ok=True)
    for i, song in enumerate(songs):
      path = folder / f'sample_{i:03d}.mid'
      midi.write(song, path)
      title = f'{path.stem}: {len(song.notes_Nx4)} notes'
      picture = path.with_suffix('.png')
      save_roll(song.notes_Nx4, song.num_steps, str(picture), song.steps_per_bar, title)
      if _SOUND.value:
        path.with_suffix('.wav').write_bytes(as_wav(synthesise(song)))
      print(path, picture)
  except OSError as error:
    raise UserError(f'--output={folder} cannot be written: {error.strerror}') from error


if __name__ == '__main__':
  command.run(main)
