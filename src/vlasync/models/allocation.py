"""Memory that a training step frees on a CPU, kept for the next step.

glibc hands large blocks back to the system as they are freed and fetches them again, page by page and set to zero, at
each step: a tenth of the time of one.
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, as in glibc's malloc.h
_LARGEST_KEPT, _KEPT = 32 << 20, (1 << 31) - 1  # bytes; the most that glibc takes for each


def keep_freed_memory() -> None:
    """From now on this process keeps the memory of freed tensors of up to 32 MiB each; without glibc, nothing changes.

    Its peak stays what it was, but what lies above the present use is no longer given back.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    libc.mallopt(_TRIM_THRESHOLD, _KEPT)
