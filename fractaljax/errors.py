"""What the user can mend."""


class UserError(Exception):
  """The message names the file, flag or key, and the remedy; commands print it as one line."""
