"""The commands as a user runs them: what they print, and how they refuse."""

import json
import os
import subprocess
import sys
from ast import literal_eval

import numpy as np
import pytest

import forked
from configs import demo
from forked import ROOT
from fractaljax.data import ingest
from fractaljax.music import corpus, midi
from fractaljax.music.attributes import ATTRIBUTES, parse
from fractaljax.music.crop import transposed
from fractaljax.music.notes import PITCH
from fractaljax.sampling.asked import FREE
from runs import write_run, xla_flags

TINY = (
  '--config=configs/demo.py', '--config.num_steps=4', '--config.data.crop_steps=32',
  '--config.model.low_pitch=24', '--config.model.num_pitches=64',
  '--config.model.patches=((16,16),(1,1))',
  '--config.model.widths=(16,16)', '--config.model.depths=(1,1)', '--config.model.heads=(2,2)',
  '--config.model.capacities=(1.0,)', '--config.model.iterations=(2,2)',
  '--config.model.repeats=0', '--config.model.densities=()',
  '--config.eval_crops=2', '--config.eval_samples=1', '--config.eval_temperatures=(1.0,)',
  '--config.data.corpus_songs=4',
)  # fmt: skip
MASKED = "--config.model.generators=('mar','ar')"
IN_ORDER = "--config.model.generators=('ar','ar')"


def run(command: str, *flags: str) -> subprocess.CompletedProcess:
  environment = dict(os.environ, XLA_FLAGS=xla_flags(1))
  return subprocess.run(
    [sys.executable, '-m', f'fractaljax.{command}', *flags],
    cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
  )  # fmt: skip


def refusal(command: str, *flags: str) -> str:
  """The one line with which a command refuses."""
  status, stderr = forked.run(command, *flags)
  assert status == 2, stderr
  assert 'Traceback' not in stderr
  lines = [line for line in stderr.splitlines() if line.strip()]
  assert len(lines) == 1
  assert lines[0].startswith('error: ')
  return lines[0]


def what_the_sampler_hears(*flags: str) -> dict:
  """What `sample` asks for, given these flags; no sample is drawn."""
  code = """
import json
from fractaljax import command, sample
from fractaljax.errors import UserError
from fractaljax.sampling import draw

def hear(model, params, plan, knobs, crop, *rest):
  heard = {name: x.tolist() for name, x in knobs._asdict().items()}
  heard |= {'guided': plan.guided, 'nucleus': plan.nucleus, 'tries': plan.tries}
  raise UserError(json.dumps(heard | {'attributes': crop.attributes_A.tolist()}))

draw.draw = hear
command.run(sample.main)
"""
  done = subprocess.run(
    [sys.executable, '-c', code, *flags],
    cwd=ROOT, env=dict(os.environ, XLA_FLAGS=xla_flags(1)), capture_output=True, text=True,
    timeout=300,
  )  # fmt: skip
  return json.loads(done.stderr.splitlines()[-1].removeprefix('error: '))


@pytest.fixture(scope='module')
def songs(tmp_path_factory):
  """Prepared songs, and one of them as a MIDI file."""
  folder = tmp_path_factory.mktemp('songs')
  ingest.prepare_corpus(folder / 'prepared', 4, seed=1)
  midi.write(corpus.song(1, 0, num_bars=4), folder / 'song.mid')
  (folder / 'broken.mid').write_bytes(b'MThd nothing that follows')
  return folder


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """The folder of a run of a few steps, masked at the first level."""
  workdir = tmp_path_factory.mktemp('run') / 'tiny'
  done = run('main', *TINY, MASKED, f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr
  assert 'step 4: valid' in done.stdout + done.stderr
  return workdir


def config_in_order():
  """The config of the flags TINY and IN_ORDER."""
  config = demo.get_config()
  pairs = [flag.removeprefix('--config.').split('=') for flag in (*TINY[1:], IN_ORDER)]
  config.update_from_flattened_dict({key: literal_eval(value) for key, value in pairs})
  return config


def last_json(done: subprocess.CompletedProcess) -> dict:
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_evaluate_prints_the_likelihood(trained, songs):
  flags = (f'--checkpoint={trained}', f'--data={songs / "prepared"}', '--steps=16')
  done = run('evaluate', *flags)
  result = last_json(done)
  assert set(result) == {
    'nats_per_step', 'bits_per_note', 'kind', 'bits_per_note_by_part', 'calibration_error',
    'levels', 'steps', 'notes',
  }  # fmt: skip
  assert result['kind'] == 'bound'
  assert '<=' in done.stdout
  assert abs(sum(result['levels']) - result['nats_per_step']) < 1e-4
  assert result['steps'] == corpus.song(1, 3).num_steps
  assert result['notes'] == len(corpus.song(1, 3).notes_Nx4)


def test_evaluate_sets_midi_files_beside_songs(songs):
  flags = (f'--midi={songs}', f'--reference={songs / "prepared"}', '--steps=64')
  done = run('evaluate', *flags)
  result = last_json(done)
  assert (result['samples'], result['rejected']) == (1, {'damaged': 1})
  assert result['ceilings']['notes_per_bar'] > 0
  assert result['copied_bars'][0] <= 1
  # A head, a line for all figures, and JSON.
  assert len(done.stdout.splitlines()) == 3 + len(result['overlaps'])
  assert '--checkpoint' in refusal('evaluate', *flags, f'--checkpoint={songs}')


@pytest.mark.parametrize(
  ('name', 'flags', 'useless'),
  [
    ('sample', (), '--prompt_steps=16'),
    ('sample', ('--prompt=a.mid',), '--inpaint_steps=0:16'),
    ('sample', ('--prompt=a.mid',), '--metre=3/4'),
    ('sample', ('--inpaint=a.mid',), '--steps=64'),
    ('sample', ('--inpaint=a.mid',), '--tempo_bpm=90'),
    ('sample', (), '--guidance_rises'),
    ('evaluate', ('--midi=a', '--reference=b'), '--split=valid'),
    ('evaluate', ('--checkpoint=a', '--data=b'), '--in_c'),
    ('export', ('--checkpoint=a',), '--platforms=cpu'),
    ('prepare', ('--input=a',), '--songs=5'),
    ('prepare', ('--format=corpus',), '--input=a'),
  ],
)
def test_a_flag_without_effect_is_refused(name, flags, useless):
  places = [] if name == 'evaluate' else ['--output=out']
  if name == 'sample':
    places.append('--checkpoint=run')
  assert useless.partition('=')[0] in refusal(name, *places, *flags, useless)


@pytest.mark.parametrize('metre', ['3', '0/4', '300/4', '12/6', '3/32', '4/0'])
def test_a_metre_that_midi_cannot_hold_is_refused(metre):
  line = refusal('sample', '--checkpoint=run', '--output=out', f'--metre={metre}')
  assert f'--metre={metre}' in line


@pytest.mark.slow
def test_samples_of_an_export_are_files_that_can_be_read_again(trained, tmp_path_factory, tmp_path):
  exported = tmp_path_factory.mktemp('exported') / 'tiny'
  flags = (f'--checkpoint={trained}', f'--output={exported}', '--format=safetensors')
  result = last_json(run('export', *flags))
  assert set(result) == {'output', 'step', 'parameters', 'bytes', 'seconds'}
  assert result['step'] == 4
  assert 4 * result['parameters'] < result['bytes'] < 5 * result['parameters']
  flags = (f'--checkpoint={exported}', f'--output={tmp_path}', '--num=2', '--steps=64')
  result = last_json(run('sample', *flags, '--tempo_bpm=90', '--metre=3/4', '--sound'))
  assert set(result) == {'samples', 'steps', 'compile_seconds', 'seconds', 'notes_per_bar'}
  assert (result['samples'], result['steps']) == (2, 64)
  names = sorted(path.name for path in tmp_path.iterdir())
  assert names == [f'sample_00{i}.{kind}' for i in (0, 1) for kind in ('mid', 'png', 'wav')]
  song = midi.read_song(tmp_path / 'sample_000.mid')
  assert song.metre == (3, 4)
  assert abs(song.tempo_bpm - 90) < 0.1


@pytest.mark.slow
def test_a_passage_is_repainted_and_the_rest_is_kept(trained, songs, tmp_path):
  song = midi.read_song(songs / 'song.mid')
  result = last_json(
    run(
      'sample', f'--checkpoint={trained}', f'--output={tmp_path}', '--num=1',
      f'--inpaint={songs / "song.mid"}', '--inpaint_steps=16:32',
    )
  )  # fmt: skip
  assert result['steps'] == song.num_steps
  again = midi.read_song(tmp_path / 'sample_000.mid')

  def onsets(notes_Nx4, where):
    return {(o, p) for o, _, p, _ in notes_Nx4.tolist() if where(o)}

  assert onsets(again.notes_Nx4, lambda o: o < 16) == onsets(song.notes_Nx4, lambda o: o < 16)
  assert onsets(again.notes_Nx4, lambda o: o >= 32) == onsets(song.notes_Nx4, lambda o: o >= 32)


@pytest.mark.slow
def test_an_autoregressive_model_continues_but_does_not_repaint(songs, tmp_path):
  workdir, config = tmp_path / 'run', config_in_order()
  write_run(workdir, config)
  model = (f'--checkpoint={workdir}', f'--output={tmp_path / "out"}', '--num=1', '--steps=64')
  prompt = last_json(run('sample', *model, f'--prompt={songs / "song.mid"}', '--prompt_steps=32'))
  assert prompt['steps'] == 64
  song, again = (midi.read_song(p) for p in (songs / 'song.mid', tmp_path / 'out/sample_000.mid'))
  known = [note for note in song.notes_Nx4[:, [0, 2]].tolist() if note[0] < 32]
  assert [note for note in again.notes_Nx4[:, [0, 2]].tolist() if note[0] < 32] == known
  # A model of songs in C hears a prompt in C, and goes on with it in the prompt's key.
  assert config.data.in_c
  midi.write(transposed(song, -1), tmp_path / 'lower.mid')
  last_json(run('sample', *model, f'--prompt={tmp_path / "lower.mid"}', '--prompt_steps=32'))
  moved = midi.read_song(tmp_path / 'out/sample_000.mid').notes_Nx4 + np.array([0, 0, 1, 0])
  # But for what lies at the edges of its pitches and is left out.
  inner, inner_moved = (x[abs(x[:, PITCH] - 64) < 50] for x in (again.notes_Nx4, moved))
  np.testing.assert_array_equal(inner_moved, inner)
  hole = f'--inpaint={songs / "song.mid"}', '--inpaint_steps=16:32'
  line = refusal('sample', *model[:2], *hole)
  assert "'ar'" in line
  assert '--prompt' in line
  assert 'config.model.repeats' in refusal('sample', *model, '--form=A2 A2')
  assert 'config.model.repeats' in refusal('sample', *model, '--tries=2')
  assert 'config.model.chords' in refusal('sample', *model, '--chords=C')
  assert 'config.model.rhythms' in refusal('sample', *model, '--rhythm=?')
  assert 'config.model.attributes' in refusal('sample', *model, '--attributes=density=5')
  data = f'--config.data.directory={songs / "prepared"}'
  line = refusal('main', *TINY, IN_ORDER, data, f'--workdir={workdir}', '--config.model.halo=8')
  assert 'config.model.halo' in line


@pytest.mark.slow
def test_a_piece_is_written_in_the_form_and_with_the_attributes_that_are_asked_for(tmp_path):
  workdir, config = tmp_path / 'run', config_in_order()
  config.model.patches, config.model.repeats = ((64, 16), (1, 1)), 2
  config.model.chords = config.model.rhythms = True
  config.model.attributes = ('tempo', 'density', 'key')
  write_run(workdir, config)
  model = (f'--checkpoint={workdir}', f'--output={tmp_path / "out"}', '--num=1', '--steps=64')
  asked = '--form=A1 B1 A1', '--attributes=density=5,key=Am', '--guidance=2', '--top_p=0.5'
  asked += '--chords=C ? | Am %', '--rhythm=x... x... x... x.x. | %', '--tries=3'
  heard = what_the_sampler_hears(*model, *asked, '--temperature=0.5,1', '--gate_bias=-1')
  assert heard == {
    'temperature_L': [0.5, 1.0], 'gate_bias': -1.0, 'top_p': 0.5, 'guidance': 2.0,
    'repeat_L': [FREE, FREE, 2, FREE], 'chord_L': [1, FREE, 22, 22],
    'rhythm_L': [0x5111] * 2, 'guided': True, 'nucleus': True, 'tries': 3,
    'attributes': parse('density=5,key=Am', config.model.attributes).tolist(),
  }  # fmt: skip
  assert last_json(run('sample', *model, *asked))['samples'] == 1
  # Nobody asked for a tempo: the model says one.
  tempo_bpm, bins = midi.read_song(tmp_path / 'out/sample_000.mid').tempo_bpm, ATTRIBUTES['tempo']
  assert tempo_bpm == pytest.approx(bins.middle(bins.id(tempo_bpm)), abs=0.1)
  heard = what_the_sampler_hears(*model, '--tempo_bpm=91')
  assert heard['attributes'] == parse('tempo=91', config.model.attributes).tolist()
  assert 'density, key' in refusal('sample', *model, '--attributes=mood=5')
  assert '--tempo_bpm' in refusal('sample', *model, '--attributes=tempo=90')
  assert '--steps=80' in refusal('sample', *model, '--form=A3 B2')
  assert 'A8 B8' in refusal('sample', *model, '--form=')
  assert "'C7'" in refusal('sample', *model, '--chords=C7')
  assert "'x.x.'" in refusal('sample', *model, '--rhythm=x.x.')


def test_curves_of_runs_are_drawn_into_one_picture(tmp_path):
  for name in ('a', 'b'):
    (tmp_path / name).mkdir()
    (tmp_path / name / 'metrics.jsonl').write_text('{"step": 1, "train/bits_per_note": 9.0}')
  runs = [f'--workdir={tmp_path / name}' for name in ('a', 'b')]
  done = run('curves', *runs, f'--output={tmp_path / "curves.png"}')
  assert done.returncode == 0, done.stderr
  assert (tmp_path / 'curves.png').stat().st_size > 1000


@pytest.mark.parametrize(
  ('flag', 'named'),
  [
    ('--config.modle.halo=3', 'modle'),
    ('--config.model.halo=many', 'halo'),
    ('--config.model.widths=(102,128,96,64)', 'heads'),
    ('--config.data.crop_steps=100', 'crop_steps=100'),
    ('--config.data.directory=nowhere', 'nowhere'),
    ('--config.model.generators=("ar","ar")', 'generators'),
    ('--config.optimizer.learning_rate=-1.0', 'learning_rate'),
    ('--nonsense=1', 'nonsense'),
    ('stray', 'stray'),
  ],
)
def test_a_wrong_flag_is_named(tmp_path, flag, named):
  workdir = tmp_path / 'run'
  changes = ('--config.data.corpus_songs=4',) if 'directory' not in flag else ()
  assert named in refusal(
    'main', '--config=configs/demo.py', f'--workdir={workdir}', *changes, flag
  )
  assert not list(workdir.glob('*')) or flag.startswith('--config.data.directory')


def test_a_missing_config_file_is_named(tmp_path):
  assert 'configs/none.py' in refusal('main', '--config=configs/none.py', f'--workdir={tmp_path}')


@pytest.mark.parametrize('dataset', ['jsb', 'none'])
def test_a_config_takes_an_argument(tmp_path, dataset):
  line = refusal(
    'main', f'--config=configs/polyphonic.py:{dataset}', '--config.data.directory=nowhere',
    f'--workdir={tmp_path}',
  )  # fmt: skip
  assert ('nowhere' if dataset == 'jsb' else "'none'") in line


def test_a_missing_checkpoint_is_named(tmp_path):
  line = refusal('sample', f'--checkpoint={tmp_path / "none"}', f'--output={tmp_path / "out"}')
  assert 'none' in line
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(('flags', 'named'), [
  ((), 'none'),
  (('--format=onnx',), 'safetensors'),
  (('--dtype=float16',), 'bfloat16'),
  (('--steps=64',), '--format=stablehlo'),
  (('--format=orbax', '--platforms=cpu'), '--format=stablehlo'),
  (('--output=gs://bucket/out',), '--output=gs://bucket/out'),
])  # fmt: skip
def test_an_export_that_cannot_be_is_refused(tmp_path, flags, named):
  paths = (f'--checkpoint={tmp_path / "none"}', f'--output={tmp_path / "out"}')
  assert named in refusal('export', *paths, *flags)
  assert not list(tmp_path.iterdir())


def test_the_package_does_not_wait_for_jax():
  code = "import fractaljax, sys; assert 'jax' not in sys.modules and callable(fractaljax.load)"
  subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True, timeout=60)


def test_a_broken_prompt_is_named_and_nothing_is_written(songs, tmp_path):
  line = refusal(
    'sample', f'--checkpoint={tmp_path}', f'--output={tmp_path / "out"}',
    f'--prompt={songs / "broken.mid"}',
  )  # fmt: skip
  assert 'broken.mid' in line
  assert not (tmp_path / 'out').exists()


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
  line = refusal('evaluate', f'--checkpoint={tmp_path}', '--data=none')
  assert f'{tmp_path}/checkpoints has no checkpoint' in line


@pytest.mark.slow
def test_a_missing_data_set_is_named(trained, tmp_path):
  line = refusal('evaluate', f'--checkpoint={trained}', f'--data={tmp_path / "absent"}')
  assert 'absent' in line
