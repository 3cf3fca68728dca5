"""The optimizer: AdamW as the design fixes it, from numbers in the config."""

import jax
import optax


def make_schedule(config) -> optax.Schedule:
  """Linear warm-up to the peak, then a cosine down to a share of it at the last step."""
  return optax.warmup_cosine_decay_schedule(
    init_value=0.0,
    peak_value=config.learning_rate,
    warmup_steps=config.warmup_steps,
    decay_steps=max(config.num_steps, config.warmup_steps + 1),
    end_value=config.learning_rate * config.final_share,
  )


def make_optimizer(config) -> optax.GradientTransformation:
  """Clipping, AdamW with decay on matrices only, and accumulation over several batches.

  Args:
    config: the `optimizer` section of the config, with `num_steps` updates in all.
  """
  optimizer = optax.chain(
    optax.clip_by_global_norm(config.clip_norm),
    optax.adamw(
      make_schedule(config),
      b1=config.b1,
      b2=config.b2,
      weight_decay=config.weight_decay,
      mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params),
    ),
  )
  if config.accumulate > 1:
    return optax.MultiSteps(optimizer, config.accumulate).gradient_transformation()
  return optimizer
