"""Computing blocks twice changes memory, and nothing else."""

import dataclasses

import jax
import numpy as np

import models
from fractaljax.model.fractal import Fractal


def test_remat_has_the_same_gradients_dropout_included():
  config = models.tiny(dropout=0.5)
  params = models.random_params(config)
  rolls = (np.random.default_rng(0).random((8, 2, 4)) < 0.4).astype(np.int32)
  crop = models.as_crop(rolls, config.halo, config.codec)
  rngs = {name: jax.random.key(0) for name in ('mask', 'dropout')}

  def gradients(remat: bool):
    model = Fractal(dataclasses.replace(config, remat=remat))

    def nats(params):
      return sum(level.nats for level in model.apply(params, crop, True, rngs=rngs))

    assert ('remat' in str(jax.make_jaxpr(nats)(params))) == remat
    # Without XLA's fusion emitters the two programs sum in different orders.
    options = {'xla_cpu_use_fusion_emitters': True}
    return jax.jit(jax.grad(nats), compiler_options=options)(params)

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
    gradients(False), gradients(True),
  )  # fmt: skip
