# Cases of a sweep are independent, so any engine that runs functions elsewhere will do. joblib is the seam to processes of
# this machine and to a Dask cluster. Ray is asked in its own words: joblib's pools there wait for ever where a worker died, as
# the new pool is promised the cores that the old one still holds. What differs between them is here and nowhere else: how they
# start, and what becomes of tasks whose worker is gone.
"""`spread(function, tasks, jobs, backend)`: answers from many processes or machines, whoever dies meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from cutaway.errors import BadValue, NeedsExtra, last_line

BACKENDS = ("local", "loky", "dask", "ray")
ALL = -1  # as many workers as there are, in joblib's words
RETRIES = 3  # of tasks whose worker died
AHEAD = 2  # tasks for each worker of Ray that are asked at once, so that none waits for its next
Answer = TypeVar("Answer")


def spread(
    function: Callable[..., Answer], tasks: Mapping[int, tuple], jobs: int | None, backend: str
) -> Iterator[tuple[int, Answer]]:
    """(number, answer) of each task, in the order in which they are done.

    jobs: workers; None is one process here, and on a cluster all that it has. Tasks whose worker died are asked again.
    """
    if backend == "local" and (jobs in (None, 1) or len(tasks) < 2):
        for number, arguments in tasks.items():
            yield number, function(*arguments)
        return
    left = dict(tasks)
    with ExitStack() as engine:
        try:
            if backend != "ray":
                import joblib
            workers = engine.enter_context(_ENGINES[backend](jobs or ALL))
        except ImportError as error:
            extra = backend if backend in ("dask", "ray") else "grid"
            asked = f"--jobs {jobs}" if backend == "local" else f"--backend {backend}"
            raise NeedsExtra.named(extra, error.name or extra, asked=asked) from error
        except Exception as error:  # engines raise what they like when they do not start
            raise BadValue(
                "no cluster could be reached or begun", asked=f"--backend {backend}", known=last_line(error),
                try_="the address in DASK_SCHEDULER_ADDRESS or RAY_ADDRESS, or --backend local",
            ) from error  # fmt: skip
        if backend == "ray":
            yield from _asked_of_ray(function, tasks, AHEAD * workers)
            return
        engine.enter_context(joblib.parallel_config("loky" if backend == "local" else backend, n_jobs=workers))
        for attempt in range(RETRIES + 1):
            try:
                for number, answer in _asked(joblib, function, left):
                    del left[number]
                    yield number, answer
                return
            except _deaths(backend):
                # A killed worker takes its task with it; what had come back is kept, and the rest is asked again.
                if attempt == RETRIES:
                    raise


def _asked(joblib: Any, function: Callable, tasks: Mapping[int, tuple]) -> Iterator[tuple[int, Any]]:
    calls = [joblib.delayed(_numbered)(function, n, arguments) for n, arguments in tasks.items()]
    yield from joblib.Parallel(return_as="generator_unordered")(calls)


def _asked_of_ray(function: Callable, tasks: Mapping[int, tuple], at_once: int) -> Iterator[tuple[int, Any]]:
    """Ray itself asks again what a dead worker had."""
    import ray

    ask, running = ray.remote(max_retries=RETRIES)(_numbered).remote, []
    for number, arguments in tasks.items():
        running.append(ask(function, number, arguments))
        if len(running) >= at_once:
            done, running = ray.wait(running)
            yield from ray.get(done)
    while running:
        done, running = ray.wait(running)
        yield from ray.get(done)


def _numbered(function: Callable, number: int, arguments: tuple) -> tuple[int, Any]:
    return number, function(*arguments)


@contextmanager
def _local(jobs: int) -> Iterator[int]:
    yield jobs


@contextmanager
def _dask(jobs: int) -> Iterator[int]:
    """The cluster of the client that is open, else the one that Dask's settings name, else one on this machine."""
    import dask
    import distributed

    try:
        distributed.get_client()
    except ValueError:
        elsewhere = dask.config.get("scheduler-address", None)
        here = {} if elsewhere else {"n_workers": None if jobs == ALL else jobs, "threads_per_worker": 1}
        with distributed.Client(**here):
            yield jobs
    else:
        yield jobs


@contextmanager
def _ray(jobs: int) -> Iterator[int]:
    """The cluster that is connected, else the one that RAY_ADDRESS names or that runs here, else one that is begun."""
    import ray

    ours = not ray.is_initialized()
    if ours:
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        yield max(1, int(ray.cluster_resources().get("CPU", 1))) if jobs == ALL else jobs
    finally:
        if ours:
            ray.shutdown()


_ENGINES = {"local": _local, "loky": _local, "dask": _dask, "ray": _ray}


def _deaths(backend: str) -> tuple[type[BaseException], ...]:
    """What the back end raises when a worker is gone."""
    if backend == "dask":
        from distributed import KilledWorker

        return (KilledWorker, ConnectionError)
    return (BrokenExecutor,)
