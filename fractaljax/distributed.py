"""Several processes as one program: how they find each other, and which of them speaks.

Each machine runs the same command. `--distributed=auto` asks the scheduler (TPU pod, SLURM, GKE,
Open MPI); elsewhere --coordinator, --num_processes and --process_id say it.
"""

import os
import signal

from absl import flags
from tqdm import tqdm

from fractaljax.errors import UserError

_DISTRIBUTED = flags.DEFINE_enum(
  'distributed', 'off', ['off', 'auto'], 'auto: one process of several, as the scheduler says'
)
_COORDINATOR = flags.DEFINE_string('coordinator', None, 'HOST:PORT of process 0')
_NUM_PROCESSES = flags.DEFINE_integer('num_processes', None, 'of all machines', lower_bound=1)
_PROCESS_ID = flags.DEFINE_integer('process_id', None, 'number of this process', lower_bound=0)


def start(stop_together: bool = False) -> None:
  """Joins the other processes, as the flags say; call it before anything else asks JAX.

  Args:
    stop_together: SIGTERM or Ctrl-C in one process stops none at once; `Interrupt.is_due` lets all
      of them agree on a step. Otherwise they end as signals end a process.

  Raises:
    UserError: the flags do not go together, or the others are not found.
  """
  import jax

  given = [_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value]
  if any(value is not None for value in given):
    if None in given:
      raise UserError('--coordinator, --num_processes and --process_id go together; give all three')
    if _PROCESS_ID.value >= _NUM_PROCESSES.value:
      raise UserError(
        f'--process_id={_PROCESS_ID.value}: must be below --num_processes={_NUM_PROCESSES.value}'
      )
  elif _DISTRIBUTED.value == 'off':
    return
  jax.config.update('jax_enable_preemption_service', stop_together)
  try:
    jax.distributed.initialize(*given)
  except (ValueError, RuntimeError, IndexError) as error:
    reason = ' '.join(str(error).split())[:200]
    raise UserError(
      f'the processes do not find each other ({reason}); give --coordinator=HOST:PORT, '
      '--num_processes and --process_id'
    ) from error
  if stop_together and jax.process_count() > 1:  # JAX listens to SIGTERM now
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
  elif stop_together:  # alone it listens, too, but has nobody to tell: what did before shall again
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


def is_first() -> bool:
  """Whether this is the process that writes files and speaks for all."""
  import jax

  return jax.process_index() == 0


def say(text: str) -> None:
  """A line on the screen, once for all processes."""
  if is_first():
    tqdm.write(text)


def differing(number: int) -> list[int]:
  """The processes that have another number, of 32 bits, than the first one; all have to ask."""
  import jax
  import numpy as np
  from jax.experimental import multihost_utils

  if jax.process_count() == 1:
    return []
  all_P = multihost_utils.process_allgather(np.uint32(number))
  return np.flatnonzero(all_P != all_P[0]).tolist()


def wait(name: str) -> None:
  """Waits until every process is here; `name` is the same in all of them."""
  import jax
  from jax.experimental import multihost_utils

  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(name)
