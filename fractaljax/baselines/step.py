"""The step that advances the training of a REMI transformer."""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from fractaljax.baselines.excerpts import Excerpt
from fractaljax.baselines.transformer import Transformer, counted, next_logits
from fractaljax.training.optimizer import learning_rate, make_optimizer, make_schedule
from fractaljax.training.state import State, advance


def optimizer(config: ConfigDict) -> tuple[optax.GradientTransformation, optax.Schedule]:
  """The fractal's, without its cosine, and its learning rate: `Budget.share` scales each update."""
  flat = ConfigDict(config.to_dict() | {'final_share': 1.0}), config.warmup_steps
  return make_optimizer(*flat), make_schedule(*flat)


def init_state(config: ConfigDict, model: Transformer) -> State:
  """A fresh state."""
  word_1x1 = jnp.zeros((1, 1), jnp.int32)
  params = model.init(jax.random.key(config.seed), word_1x1, word_1x1, word_1x1)
  opt_state = optimizer(config.optimizer)[0].init(params)
  return State(jnp.zeros((), jnp.int32), params, jax.tree.map(jnp.copy, params), opt_state)


def update(
  config: ConfigDict, model: Transformer, state: State, batch: Excerpt, share: jax.Array
) -> tuple[State, dict]:
  """One update: mean cross-entropy of the excerpts' words, over all words; see `train_step`.

  Args:
    share: factor on the update.
  """
  rng = jax.random.fold_in(jax.random.key(config.seed), state.step)
  counted_BxL, word_BxL = counted(batch), batch.word_S[:, 1:]

  def mean_nats(params):
    logits_BxLxV = next_logits(model, params, batch, True, {'dropout': rng})
    nats_BxL = optax.softmax_cross_entropy_with_integer_labels(logits_BxLxV, word_BxL)
    return jnp.where(counted_BxL, nats_BxL, 0.0).sum() / counted_BxL.sum()

  nats, grads = jax.value_and_grad(mean_nats)(state.params)
  settings = config.optimizer
  adamw, schedule = optimizer(settings)
  updates, opt_state = adamw.update(grads, state.opt_state, state.params)
  params = optax.apply_updates(state.params, jax.tree.map(lambda u: share * u, updates))
  bits = nats * counted_BxL.sum() / jnp.log(2)
  metrics = {
    'bits_per_note': bits / jnp.maximum(batch.num_notes.sum(), 1),
    'grad_norm': optax.tree.norm(grads),
    'learning_rate': share * learning_rate(schedule, state.opt_state),
  }
  is_finite = jnp.isfinite(nats + metrics['grad_norm'])
  metrics['skipped'] = 1.0 - is_finite
  return advance(state, params, opt_state, settings.ema_decay, is_finite), metrics
