"""The optimizer: AdamW as the design fixes it, from numbers in the config."""

import jax
import optax
from ml_collections import ConfigDict


def make_schedule(config: ConfigDict, num_steps: int) -> optax.Schedule:
  """Linear warm-up to the peak, then a cosine down to a share of it at step `num_steps`."""
  return optax.warmup_cosine_decay_schedule(
    init_value=0.0,
    peak_value=config.learning_rate,
    warmup_steps=config.warmup_steps,
    decay_steps=max(num_steps, config.warmup_steps + 1),
    end_value=config.learning_rate * config.final_share,
  )


def learning_rate(schedule: optax.Schedule, opt_state) -> jax.Array:
  """That of the next update of an optimizer with this state; skipped updates do not count."""
  (_, count), *_ = optax.tree.get_all_with_path(opt_state, 'count')
  return schedule(count)


def make_optimizer(config: ConfigDict, num_steps: int) -> optax.GradientTransformation:
  """Clipping by global norm and AdamW with decay on matrices only.

  Args:
    config: the `optimizer` section of the config.
    num_steps: updates in all, for the schedule.
  """
  return optax.chain(
    optax.clip_by_global_norm(config.clip_norm),
    optax.adamw(
      make_schedule(config, num_steps),
      b1=config.b1,
      b2=config.b2,
      weight_decay=config.weight_decay,
      mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params),
    ),
  )
