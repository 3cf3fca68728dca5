import numpy as np
import pytest

from fractaljax.errors import UserError
from fractaljax.music.codec import HOLD, NUM_KINDS, Codec
from fractaljax.music.notes import VELOCITY


def random_notes(rng, num_steps, low=0, num_pitches=128):
  """Valid notes, many of them struck again with no gap, sorted by (onset, pitch)."""
  notes = []
  for pitch in rng.choice(num_pitches, size=num_pitches // 2, replace=False) + low:
    cuts = np.unique(rng.integers(0, num_steps + 1, size=8))
    for onset, end in zip(cuts, cuts[1:], strict=False):
      if rng.random() < 0.8:
        notes.append((onset, end - onset, pitch, rng.integers(1, 128)))
  return np.array(sorted(notes, key=lambda note: (note[0], note[2])), np.int32)


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('rows', [(0, 128), (21, 88)])
def test_onset_codec_round_trip_is_exact_but_for_half_a_velocity_bin(seed, rows):
  codec = Codec('onset', *rows)
  notes_Nx4 = random_notes(np.random.default_rng(seed), 48, *rows)
  decoded_Nx4 = codec.decode(codec.encode(notes_Nx4, 48))
  np.testing.assert_array_equal(decoded_Nx4[:, :VELOCITY], notes_Nx4[:, :VELOCITY])
  assert np.all(np.abs(decoded_Nx4[:, VELOCITY] - notes_Nx4[:, VELOCITY]) <= 2)
  assert decoded_Nx4.dtype == np.int32


def test_onset_codec_tokens_survive_decode_and_encode():
  rng = np.random.default_rng(0)
  codec = Codec()
  tokens_PxT = codec.encode(random_notes(rng, 64), 64)
  np.testing.assert_array_equal(codec.encode(codec.decode(tokens_PxT), 64), tokens_PxT)


def test_encode_writes_these_cells():
  # Struck at 1, held, struck again with no gap; velocities 1 and 127 take the first and last bin.
  notes_Nx4 = [[1, 3, 60, 1], [4, 2, 60, 127]]
  rows = {
    'onset': [0, 2, 1, 1, 33, 1, 0],
    'velocity': [0, 1, 1, 1, 127, 127, 0],
    'binary': [0, 1, 1, 1, 1, 1, 0],
  }
  for name, row_T in rows.items():
    tokens_PxT = Codec(name, low=59, num_pitches=3).encode(np.array(notes_Nx4), 7)
    np.testing.assert_array_equal(tokens_PxT, [[0] * 7, row_T, [0] * 7])
    assert tokens_PxT.dtype == np.uint8


def test_encode_clips_at_both_ends_and_drops_what_lies_outside():
  notes_Nx4 = np.array(
    [[-4, 2, 60, 64], [-2, 4, 60, 64], [6, 9, 61, 64], [8, 1, 60, 64], [0, 1, 59, 64]]
  )
  tokens_PxT = Codec(low=60, num_pitches=2).encode(notes_Nx4, 8)
  onset = Codec().encode(np.array([[0, 1, 0, 64]]), 1)[0, 0]
  np.testing.assert_array_equal(
    tokens_PxT, [[HOLD, HOLD, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, onset, HOLD]]
  )


@pytest.mark.parametrize('name', ['velocity', 'binary'])
def test_run_codecs_keep_notes_that_do_not_touch(name):
  notes_Nx4 = np.array([[0, 2, 60, 9], [1, 4, 64, 80], [3, 1, 60, 9]], np.int32)
  decoded_Nx4 = Codec(name).decode(Codec(name).encode(notes_Nx4, 8))
  if name == 'binary':
    notes_Nx4[:, VELOCITY] = 80
  np.testing.assert_array_equal(decoded_Nx4, notes_Nx4)


def test_a_run_of_equal_velocities_is_one_note_and_a_change_begins_another():
  decoded_Nx4 = Codec('velocity').decode(np.array([[0, 7, 7, 9, 9, 9]]))
  np.testing.assert_array_equal(decoded_Nx4, [[1, 2, 0, 7], [3, 3, 0, 9]])


def test_stray_holds_unknown_and_outside_are_silent():
  codec = Codec(low=60, num_pitches=2)
  tokens_PxT = [[1, 1, 0, 5, 1, codec.unknown, 1], [codec.outside, 1, 5, 0, 1, 1, 5]]
  decoded_Nx4 = codec.decode(np.array(tokens_PxT))
  np.testing.assert_array_equal(decoded_Nx4[:, :3], [[2, 1, 61], [3, 2, 60], [6, 1, 61]])


@pytest.mark.parametrize('name', ['onset', 'velocity', 'binary'])
def test_a_roll_without_notes_decodes_to_none(name):
  codec = Codec(name)
  assert codec.decode(codec.encode(np.zeros((0, 4), np.int32), 5)).shape == (0, 4)


@pytest.mark.parametrize('name', ['onset', 'velocity', 'binary'])
def test_features_tell_every_id_apart_as_documented(name):
  codec = Codec(name)
  table_Vx5 = codec.features()
  assert table_Vx5.shape == (codec.num_values + 2, 5) and table_Vx5.dtype == np.float32
  assert len(np.unique(table_Vx5, axis=0)) == codec.num_values + 2
  assert not table_Vx5[0].any()
  np.testing.assert_array_equal(table_Vx5[codec.unknown], [0, 0, 0, 1, 0])
  np.testing.assert_array_equal(table_Vx5[codec.outside], [0, 0, 0, 0, 1])
  assert np.all(table_Vx5[1 : codec.num_values, 0] == 1)
  if name != 'onset':
    velocity_V = np.arange(128) / 127 if name == 'velocity' else np.zeros(2)
    np.testing.assert_allclose(table_Vx5[: codec.num_values, 2], velocity_V, rtol=1e-6)
    assert not table_Vx5[:, 1].any()


@pytest.mark.parametrize('name', ['onset', 'velocity', 'binary'])
def test_kinds_and_notes_are_as_documented(name):
  codec = Codec(name)
  unknown_and_outside = [0, 0]
  if name == 'onset':
    kinds, is_note = [1, 2] + [3] * 32, [False, False] + [True] * 32
  else:
    sounding = codec.num_values - 1
    kinds, is_note = [1] + [2] * sounding, [False] + [True] * sounding
  assert codec.kinds().tolist() == kinds + unknown_and_outside
  assert codec.is_note(np.arange(codec.num_values + 2)).tolist() == is_note + [False, False]
  assert codec.kinds().max() < NUM_KINDS
  assert codec.has_velocity == (name != 'binary')


def test_onset_features_carry_the_velocity_that_is_decoded():
  table_Vx5 = Codec().features()
  np.testing.assert_array_equal(table_Vx5[HOLD], [1, 0, 0, 0, 0])
  for token in range(2, 34):
    velocity = Codec().decode(np.array([[token]]))[0, VELOCITY]
    np.testing.assert_allclose(table_Vx5[token], [1, 1, velocity / 127, 0, 0], rtol=1e-6)


def test_public_roll_of_a_few_cells():
  codec = Codec(low=60, num_pitches=2)
  bin_64 = codec.encode(np.array([[0, 1, 60, 64]]), 1)[0, 0]
  tokens_PxT = np.array([[0, bin_64, 1, codec.unknown], [1, codec.outside, 0, 0]])
  expected_PxT = np.array([[0, 62 / 127, 62 / 127, -1], [0, 0, 0, 0]], np.float32)
  np.testing.assert_allclose(codec.to_roll(tokens_PxT), expected_PxT)


@pytest.mark.parametrize('name', ['onset', 'velocity', 'binary'])
def test_from_roll_undoes_to_roll_where_notes_do_not_touch_alike(name):
  codec = Codec(name)
  notes_Nx4 = random_notes(np.random.default_rng(1), 40)
  notes_Nx4 = notes_Nx4[notes_Nx4[:, 0] % 3 == 0]
  tokens_PxT = codec.encode(notes_Nx4, 40)
  roll_PxT = codec.to_roll(tokens_PxT)
  assert roll_PxT.dtype == np.float32
  merged_PxT = codec.from_roll(roll_PxT)
  np.testing.assert_array_equal(codec.to_roll(merged_PxT), roll_PxT)
  tokens_PxT[:, 7:9] = codec.unknown
  np.testing.assert_array_equal(
    codec.from_roll(codec.to_roll(tokens_PxT)) == codec.unknown, tokens_PxT == codec.unknown
  )


def test_from_roll_reads_a_run_as_one_note():
  roll_PxT = np.array([[0, 0.5, 0.5, 0.25, -1, 0.25, 0.25]], np.float32)
  codec = Codec(num_pitches=1)
  np.testing.assert_array_equal(codec.from_roll(roll_PxT), [[0, 17, 1, 9, codec.unknown, 9, 1]])


def test_refusals_name_what_is_wrong():
  with pytest.raises(UserError, match='piano'):
    Codec('piano')
  with pytest.raises(UserError, match='low=60, num_pitches=69'):
    Codec(low=60, num_pitches=69)
  with pytest.raises(UserError, match=r'\(88, 4\)'):
    Codec().from_roll(np.zeros((88, 4)))
  with pytest.raises(UserError, match=r'\[-1, 1\]'):
    Codec().from_roll(np.full((128, 4), 64))


def test_a_codec_can_be_a_static_argument():
  assert hash(Codec()) == hash(Codec('onset', 0, 128)) and Codec() == Codec('onset', 0, 128)
