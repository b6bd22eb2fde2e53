"""Workers that die: their jobs are done all the same, and a job that kills every worker is an error."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from vlasync.processes import WorkerDiedError, results_of


def square(number: int, *, folder: Path, deadly: int) -> int:
    """The square of a number; the process that first gets the deadly one does not survive it."""
    mark = folder / "died"
    if number == deadly and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(number: int) -> None:
    raise LookupError(f"job {number}")


def test_the_jobs_of_a_killed_worker_are_done_again_and_each_result_comes_once(tmp_path: Path):
    results = results_of(partial(square, folder=tmp_path, deadly=2), range(5), workers=2)
    assert sorted(results) == [0, 1, 4, 9, 16]
    assert (tmp_path / "died").exists()


def test_a_job_that_kills_every_worker_ends_the_work():
    with pytest.raises(WorkerDiedError, match="run the same command again"):
        list(results_of(die, [1], workers=1))


def test_an_exception_in_a_job_is_not_tried_again():
    with pytest.raises(LookupError, match="job 7"):
        list(results_of(fail, [7], workers=1))


def test_no_jobs_need_no_processes():
    assert list(results_of(die, [], workers=2)) == []


def threads(_: int) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def test_workers_compute_in_one_thread_each_and_the_parent_as_before(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert list(results_of(threads, [0, 1], workers=2)) == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "OPENBLAS_NUM_THREADS" not in os.environ
