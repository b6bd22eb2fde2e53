"""Worker processes for simulators: started afresh, deaf to Ctrl-C, and gone as soon as their parent is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process


@contextmanager
def worker_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """`count` processes that end with the block, or with their parent; forking would copy an OpenGL context.

    When the block fails, by Ctrl-C too, work under way is finished and the rest is not begun.

    Raises:
        RuntimeError: a worker died; what it had finished is kept.
    """
    pool = ProcessPoolExecutor(max(count, 1), mp_context=get_context("spawn"), initializer=_start_worker)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise RuntimeError("a worker process died; what is complete is kept, run the same command again") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is killed: its queue would keep an orphan waiting forever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
