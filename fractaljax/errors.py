"""The one way in which a command refuses: a clear line on stderr and exit code 2."""

import functools
import sys


class UserError(Exception):
  """What the user can mend: the message names the file, flag or key, and the remedy."""


def exit_cleanly(main):
  """Wraps a command's `main(argv)`: a `UserError` becomes one line and exit code 2."""

  @functools.wraps(main)
  def wrapped(argv):
    try:
      return main(argv)
    except UserError as error:
      print(f'error: {error}', file=sys.stderr)
      sys.exit(2)

  return wrapped
