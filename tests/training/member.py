"""One process of a run: python -m member WORKDIR FSDP STEPS, with the flags of `distributed`."""

import sys

from absl import app

from fractaljax import distributed
from runs import exact_config


def main(argv):
  workdir, fsdp, num_steps = argv[1], int(argv[2]), int(argv[3])
  distributed.start(stop_together=True)
  from fractaljax.training import loop
  from fractaljax.training.score import SCORE

  # Its programs take long to compile, and have tests of their own.
  loop.Evaluation.report = lambda *_: {SCORE: 1.0}
  config = exact_config(
    **{'num_steps': num_steps, 'fsdp': fsdp, 'data.batch_size': 8, 'log_every': 1}
  )
  config.optimizer.final_share = 1.0  # the same rate, however long the run
  loop.train(config, workdir)


if __name__ == '__main__':
  app.run(main, argv=sys.argv)
