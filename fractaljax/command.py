"""How a command starts and how it refuses: one clear line on stderr and exit code 2."""

import contextlib
import os
import signal
import sys
import traceback
import warnings

from absl import app, flags, logging

from fractaljax.errors import UserError

TUNABLE = 'glibc.malloc.hugetlb=1'


def run(main, when_stopped: str = ''):
  """Runs a command's `main(argv)` under absl; what the user can mend is one line, exit code 2.

  Args:
    main: the command.
    when_stopped: what a stop leaves behind. SIGTERM, from a scheduler, is then told in one line,
      too, once what is half written is removed; Ctrl-C always is. Exit code 130.
  """
  _use_huge_pages()

  def guarded(argv):
    # JAX and Orbax tell of every step they take; people want to hear of what goes wrong.
    logging.set_verbosity(logging.WARNING)
    logging.get_absl_handler().addFilter(_is_for_people)
    sys.unraisablehook = _tell_unraisable
    # What a failed save leaves of its own steps.
    warnings.filterwarnings('ignore', 'coroutine .* was never awaited', RuntimeWarning)
    if when_stopped:
      signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
      if len(argv) > 1:
        raise UserError(f'unexpected argument {argv[1]!r}: flags are written --name=value')
      return main(argv)
    except UserError as error:
      _refuse(error)
    except KeyboardInterrupt:
      print('; '.join(filter(None, ('interrupted', when_stopped))), file=sys.stderr)
      _end(130)
    except Exception:
      if not _is_one_of_several():
        raise
      traceback.print_exc()
      _end(1)

  app.run(guarded, flags_parser=_parse)


def refuse_useless(why: str, *useless: flags.FlagHolder):
  """Raises UserError if one of these flags is given: said, and without effect."""
  for flag in useless:
    if flag.present:
      raise UserError(f'--{flag.name} {why}; leave it out')


def _is_for_people(record) -> bool:
  """Not what Orbax, and asyncio below it, say of an error that is raised as well."""
  return record.name != 'asyncio' and f'{os.sep}orbax{os.sep}' not in record.pathname


def _tell_unraisable(event) -> None:
  """Not of the threads of a failed save, which end after it and find nobody to tell."""
  if 'Event loop is closed' not in str(event.exc_value):
    sys.__unraisablehook__(event)


def _parse(argv):
  try:
    return flags.FLAGS(argv)
  except (flags.Error, UserError, AttributeError, KeyError, TypeError, ValueError) as error:
    # Config overrides of unknown keys or of another type come as Python's own errors.
    _refuse(f'{error}; see --help' if isinstance(error, flags.Error) else error)
  except OSError as error:
    _refuse(f'{error.filename}: {error.strerror}; check the path')


def _refuse(error):
  text = error.args[0] if isinstance(error, KeyError) and error.args else error
  print('error:', ' '.join(str(text).split()), file=sys.stderr)
  _end(2)


def _end(status: int):
  if _is_one_of_several():
    # JAX would wait for the others at the end, and they wait for this one.
    for stream in (sys.stdout, sys.stderr):
      with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
        stream.flush()
    os._exit(status)
  sys.exit(status)


def _is_one_of_several() -> bool:
  jax = sys.modules.get('jax')
  return jax is not None and jax.distributed.is_initialized() and jax.process_count() > 1


def _use_huge_pages():
  """Starts the process again with huge pages for malloc, where the C library knows them.

  XLA on the CPU takes fresh memory for every step, and faulting it in by 4 KiB pages costs a third
  of a training step. The C library reads the setting only at start. Elsewhere it does nothing.
  """
  tunables = os.environ.get('GLIBC_TUNABLES', '')
  if not sys.platform.startswith('linux') or 'hugetlb' in tunables:
    return
  os.environ['GLIBC_TUNABLES'] = f'{tunables}:{TUNABLE}' if tunables else TUNABLE
  os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
