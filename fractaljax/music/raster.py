"""Crops of clips, made on the device: what `crop.cut` makes in NumPy."""

import jax
import jax.numpy as jnp

from fractaljax.music.clip import Clip
from fractaljax.music.codec import HOLD, SILENCE, Codec, onset_token
from fractaljax.music.crop import Crop, phase

NUM_VELOCITIES = 128


def rasterise(batch: Clip, codec: Codec, num_steps: int, halo: int) -> Crop:
  """The crops of a batch of clips, cell for cell those that `crop.cut` makes.

  No two notes of one pitch may overlap, which songs that were prepared keep; where they do, the
  last thing that happened at a pitch counts: a note begun silences those before it, and the first
  end ends all.

  Args:
    batch: the clips, a leading B on every field.
    codec: spells the notes.
    num_steps: T.
    halo: H, steps before the crop.
  """
  first_Bx1 = batch.start[:, None] - halo
  step_BxS = first_Bx1 + jnp.arange(halo + num_steps)
  struck_BxPxS, velocity_BxPxS = _latest(batch, codec, first_Bx1, halo + num_steps)
  if codec.has_onsets:
    tokens_BxPxS = jnp.where(struck_BxPxS, onset_token(velocity_BxPxS), HOLD)
  else:
    tokens_BxPxS = velocity_BxPxS if codec.name == 'velocity' else 1
  tokens_BxPxS = jnp.where(velocity_BxPxS > 0, tokens_BxPxS, SILENCE)
  tokens_BxPxS = jnp.where(step_BxS[:, None] < 0, codec.outside, tokens_BxPxS)
  is_song_BxS = step_BxS < batch.num_steps[:, None]
  tokens_BxPxS = jnp.where(is_song_BxS[:, None], tokens_BxPxS, SILENCE).astype(jnp.uint8)
  step_BxT, per_bar_Bx1 = step_BxS[:, halo:], batch.steps_per_bar[:, None]
  return Crop(
    tokens_PxT=tokens_BxPxS[:, :, halo:],
    left_PxH=tokens_BxPxS[:, :, :halo],
    valid_T=is_song_BxS[:, halo:],
    phase_T=phase(step_BxT, per_bar_Bx1),
    bar_T=step_BxT // per_bar_Bx1,
    attributes_A=batch.attributes_A,
  )


def _latest(batch: Clip, codec: Codec, first_Bx1, size: int):
  """Whether each cell is struck, and the velocity that sounds in it, 0 = none; BxPxS both.

  Column 0 stands for all that happened before the first step, column s for step s - 1. An event is
  `column * 128 + velocity`, of velocity 0 if it is an end. A note that begins where another ends
  is the greater of the two, so the greatest event up to a cell is the last that happened.
  """
  onset_BxN, duration_BxN, pitch_BxN, velocity_BxN = jnp.moveaxis(batch.notes_4xN, 1, 0)
  begin_BxN = jnp.maximum(onset_BxN - first_Bx1 + 1, 0)
  end_BxN = onset_BxN - first_Bx1 + duration_BxN + 1
  row_BxN = pitch_BxN + batch.transpose[:, None] - codec.low
  heard_BxN = (duration_BxN > 0) & (end_BxN > 1) & (row_BxN >= 0)
  # What lies past the last row or column is dropped.
  row_BxN = jnp.where(heard_BxN, row_BxN, codec.num_pitches)
  song_Bx1 = jnp.arange(len(row_BxN))[:, None]
  event_BxPxC = jnp.zeros((len(row_BxN), codec.num_pitches, size + 1), jnp.int32)
  for column_BxN, value_BxN in ((begin_BxN, velocity_BxN), (end_BxN, 0)):
    event_BxN = column_BxN * NUM_VELOCITIES + value_BxN
    event_BxPxC = event_BxPxC.at[song_Bx1, row_BxN, column_BxN].max(event_BxN, mode='drop')
  latest_BxPxS = jax.lax.cummax(event_BxPxC, axis=2)[:, :, 1:]
  column_BxPxS, velocity_BxPxS = jnp.divmod(latest_BxPxS, NUM_VELOCITIES)
  return column_BxPxS == jnp.arange(1, size + 1), velocity_BxPxS
