"""Worker processes for simulators: started afresh, deaf to Ctrl-C, and gone as soon as their parent is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What tells the numerical libraries how many threads to start, when they are loaded."""

ATTEMPTS = 3
"""Deaths of workers in a row, without a result in between, after which the fault is not theirs."""


class WorkerDiedError(RuntimeError):
    """A worker process died; what it had finished is kept."""


def results_of(function: Callable[[Job], Result], jobs: Iterable[Job], *, workers: int) -> Iterator[Result]:
    """The results of a function for some jobs, in worker processes, as they come; each job's once.

    When a worker dies (killed, out of memory, crashed in native code), fresh processes repeat what had not come back:
    a job may run twice, so that it must do the same again.

    Raises:
        WorkerDiedError: that happens again and again.
    """
    missing = list(jobs)
    deaths = 0
    while missing:
        try:
            with worker_pool(min(workers, len(missing))) as pool:
                pending = {pool.submit(function, job): job for job in missing}
                for future in as_completed(pending):
                    result = future.result()
                    missing.remove(pending[future])
                    deaths = 0
                    yield result
        except WorkerDiedError:
            deaths += 1
            if deaths == ATTEMPTS:
                raise


@contextmanager
def worker_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """`count` processes that end with the block, or with their parent; forking would copy an OpenGL context.

    Each computes in one thread: as many threads each as there are cores only wait for one another. When the block
    fails, by Ctrl-C too, work under way is finished and the rest is not begun.

    Raises:
        WorkerDiedError: a worker died; what it had finished is kept.
    """
    pool = ProcessPoolExecutor(max(count, 1), mp_context=get_context("spawn"), initializer=_start_worker)
    with _one_thread_each():
        try:
            yield pool
        except BrokenProcessPool as error:
            raise WorkerDiedError(
                "a worker process died; what is complete is kept, run the same command again"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """The environment of processes that start within the block."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is killed: its queue would keep an orphan waiting forever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
