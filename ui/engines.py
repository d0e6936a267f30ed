"""Where the photos of a batch are worked on: in this process, in some, or on a Ray cluster.

Each engine takes jobs as it has room for them, and gives outcomes in the order they come. Stopped
half-way, it finishes the photos in hand, so that nothing is left half.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from ui.shoot import Job, Outcome, retouch_one
from vision.errors import FreckleError

STOPPING = "freckle: stopping when the photos in hand are done"


def run_here(jobs: Iterable[Job], workers: int) -> Generator[Outcome, None, None]:
    """On this machine. A pool of one process for each worker: a photo that takes its process down
    takes no other photo with it."""
    if workers == 1:
        yield from map(retouch_one, jobs)
        return
    idle = [_process() for _ in range(workers)]
    at_work: dict[Future[Outcome], tuple[Job, ProcessPoolExecutor]] = {}

    def come() -> Iterator[Outcome]:
        for future in wait(at_work, return_when=FIRST_COMPLETED).done:
            job, process = at_work.pop(future)
            try:
                outcome = future.result()
            except BrokenProcessPool:
                process.shutdown()
                process, outcome = _process(), _died(job)
            idle.append(process)
            yield outcome

    try:
        for job in jobs:
            if not idle:
                yield from come()
            process = idle.pop()
            at_work[process.submit(retouch_one, job)] = job, process
        while at_work:
            yield from come()
    except KeyboardInterrupt:
        print(STOPPING, file=sys.stderr)
        raise
    finally:
        for process in [*idle, *(process for _, process in at_work.values())]:
            process.shutdown()


def run_on_ray(jobs: Iterable[Job], workers: int | None) -> Generator[Outcome, None, None]:
    """On the cluster that RAY_ADDRESS names, or on one of this machine alone.

    Every machine of it needs freckle, and both folders at the same place.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # where a cluster does not start, Ray raises just that
        raise FreckleError(f"Ray does not start, or not where RAY_ADDRESS says: {error}") from error
    task = ray.remote(num_cpus=1, max_retries=0)(retouch_one)
    room = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    at_work: dict[Any, Job] = {}

    def come() -> Iterator[Outcome]:
        for done in ray.wait(list(at_work))[0]:
            job = at_work.pop(done)
            try:
                yield ray.get(done)
            except ray.exceptions.RayError:
                yield _died(job)

    try:
        for job in jobs:
            if len(at_work) == room:
                yield from come()
            at_work[task.remote(job)] = job
        while at_work:
            yield from come()
    except KeyboardInterrupt:
        print(STOPPING, file=sys.stderr)
        raise
    finally:
        if at_work:
            ray.wait(list(at_work), num_returns=len(at_work))
        ray.shutdown()


def require_ray() -> None:
    """Raise `FreckleError` where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise FreckleError("--engine ray needs Ray: pip install 'freckle[ray]'")


def _process() -> ProcessPoolExecutor:
    """A pool of one process, which starts with its first job."""
    return ProcessPoolExecutor(1, get_context("spawn"), _leave_interrupts_alone)


def _leave_interrupts_alone() -> None:
    """Ctrl-C reaches every process of a terminal; the first one decides when the others end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _died(job: Job) -> Outcome:
    told = "its process died, out of memory perhaps: try it with fewer workers"
    return Outcome(job.name, "failed", told, code=2)
