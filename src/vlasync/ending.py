"""How a command ends: with an exit code, and with one message where the user can act on what went wrong."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from rich.markup import escape

from vlasync.errors import VlasyncError
from vlasync.progress import error_console

_ON_THE_USERS_SIDE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)
"""Of the disk: full, over quota, or not to be written."""


def run_and_exit(command: Callable[[], int]) -> NoReturn:
    """Run a command and leave Python with its exit code.

    2 after an error that the user can act on, 130 after Ctrl-C, 141 when nobody reads the output any more, as in
    `vlasync --help | head`; any other error is a defect of vlasync and shows its traceback.
    """
    try:
        try:
            code = _run(command)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        code = 128 + signal.SIGPIPE
    sys.exit(code)


def _run(command: Callable[[], int]) -> int:
    try:
        return command()
    except VlasyncError as error:
        message = str(error)
    except OSError as error:
        if error.errno not in _ON_THE_USERS_SIDE:
            raise
        message = f"{error.filename}: {error.strerror}"
    except KeyboardInterrupt:
        error_console.print("stopped; the same command goes on from here")
        return 130
    error_console.print(f"[bold red]error:[/bold red] {escape(message)}", highlight=False)
    return 2
