"""Memory: what a region is told of music that it may repeat."""

import flax
import jax


@flax.struct.dataclass
class Memory:
  """The E echoes and matches of N regions, and what says how far each can be trusted.

  Attributes:
    echo_NxExQxW: what was there before, see `fractaljax.model.echoes`.
    trust_NxE: how far each goes on as what the region repeats, ids, see `fractaljax.model.trust`.
    so_far_NxEx4: notes of all pitches that are equal to those of each echo, similar (equal but for
      the velocity), added and missed, at the steps from the beginning of the first level's patch,
      the bar, to the region's, as far as the halo shows them.
    below_NxEx4: the same of the notes below the region, at its own steps, see
      `fractaljax.model.children.notes_below`.
    due_NxEx4: what is said of how much of each echo comes again in the bar, see
      `fractaljax.model.due`; zeros where nothing is said.
    past_NxPxB: all pitches of the roll until the region's end, as they were known when it began,
      `outside` before the roll; None where its patches find no matches of their own.
  """

  echo_NxExQxW: jax.Array
  trust_NxE: jax.Array
  so_far_NxEx4: jax.Array
  below_NxEx4: jax.Array
  due_NxEx4: jax.Array
  past_NxPxB: jax.Array | None
