"""The one exception that a subcommand raises to end with a message instead of a traceback."""

FAILED = 1
BAD_INPUT = 2
NO_HOST = 3


class CommandError(Exception):
    """Ends the command: `message` goes to stderr, `status` becomes the exit status."""

    def __init__(self, message: str, status: int = BAD_INPUT):
        super().__init__(message)
        self.status = status
