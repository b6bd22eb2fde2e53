"""Errors that a user can act on: one line that names the file or field, what was found, what was expected, what to do.

The command line prints the message alone and exits with code 2; a traceback means a defect of vlasync itself.
"""


class VlasyncError(ValueError):
    """Wrong input or a wrong setting; the message says what to do."""


class DatasetError(VlasyncError):
    """A dataset is missing, empty or damaged; the message names file and key."""


class NotFiniteError(DatasetError):
    """A frame holds NaN or an infinite number; the message names file and key."""


class SpecMismatchError(VlasyncError):
    """Two SyncSpecs disagree at a hand-over; the message shows both values."""


class UnsafeFileError(DatasetError):
    """A file holds pickled objects other than arrays and plain containers."""


class CheckpointError(VlasyncError):
    """A run folder is missing, torn, or does not fit the code that loads it."""


class RenderingError(VlasyncError):
    """No headless OpenGL is available; the message says what to install."""
