# What is promised of every back end, on a joblib made of a few lines: each answer comes once, deaths are made good up to a
# limit, and what is not installed is named; and on a Ray of a few lines. The real ones are run by bench/sweep.py, with workers
# that are killed.
import sys
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from cutaway.cli import run
from cutaway.errors import BadValue, NeedsExtra
from cutaway.predict import spread as spread_module
from cutaway.predict.spread import AHEAD, RETRIES, spread


class Joblib:
    """`deaths` of all calls, after `before` answers each."""

    def __init__(self, deaths=0, before=2):
        self.deaths, self.before = deaths, before

    def parallel_config(self, backend, n_jobs):
        self.backend, self.jobs = backend, n_jobs
        return nullcontext()

    def delayed(self, function):
        return lambda *arguments: (function, arguments)

    def Parallel(self, return_as):  # as joblib calls it
        assert return_as == "generator_unordered"
        return self._run

    def _run(self, calls):
        calls = calls[::-1]  # as they come, not as they were asked
        dies = self.deaths > 0
        self.deaths -= dies
        return self._answers(calls, dies)

    def _answers(self, calls, dies):
        for n, (function, arguments) in enumerate(calls):
            if dies and n == self.before:
                raise BrokenExecutor
            yield function(*arguments)


@pytest.fixture
def joblib(monkeypatch):
    def put(**how):
        fake = Joblib(**how)
        monkeypatch.setitem(sys.modules, "joblib", fake)
        return fake

    return put


TASKS = {n: (n,) for n in range(40)}


def square(n):
    return n * n


@pytest.mark.parametrize("deaths", [0, 1, RETRIES])
def test_each_answer_comes_once_whoever_dies(joblib, deaths):
    fake = joblib(deaths=deaths)
    found = list(spread(square, TASKS, 2, "local"))
    assert sorted(found) == [(n, n * n) for n in range(40)]
    assert (fake.backend, fake.jobs) == ("loky", 2)


class Ray:
    """What is asked is done when somebody waits for it, the last first."""

    def __init__(self):
        self.most = self.retries = 0

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return {"CPU": 3.0}

    def remote(self, max_retries):
        self.retries = max_retries
        return lambda function: SimpleNamespace(remote=lambda *arguments: (function, arguments))

    def wait(self, running):
        self.most = max(self.most, len(running))
        return running[-1:], running[:-1]

    def get(self, done):
        return [function(*arguments) for function, arguments in done]


@pytest.mark.parametrize(("jobs", "workers"), [(2, 2), (None, 3)])
def test_ray_is_asked_for_few_tasks_at_once_and_asks_again_itself(monkeypatch, jobs, workers):
    fake = Ray()
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert sorted(spread(square, TASKS, jobs, "ray")) == [(n, n * n) for n in range(40)]
    assert (fake.most, fake.retries) == (AHEAD * workers, RETRIES)


def test_deaths_without_end_are_an_error(joblib):
    joblib(deaths=RETRIES + 1)
    with pytest.raises(BrokenExecutor):
        list(spread(square, TASKS, 2, "local"))


def test_one_process_needs_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert dict(spread(square, TASKS, None, "local"))[7] == 49
    assert dict(spread(square, {3: (3,)}, 8, "local")) == {3: 9}


@pytest.mark.parametrize(
    ("backend", "extra", "missing"), [("local", "grid", "joblib"), ("dask", "dask", "dask"), ("ray", "ray", "ray")]
)
def test_what_a_back_end_lacks_is_named(monkeypatch, joblib, backend, extra, missing):
    joblib()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(NeedsExtra, match=missing) as caught:
        list(spread(square, TASKS, 2, backend))
    assert f"cutaway[{extra}]" in caught.value.try_


def test_a_cluster_that_is_not_there_is_an_error_with_its_reason(monkeypatch, joblib):
    joblib()

    def fail(_jobs):
        raise OSError("nobody at tcp://there:8786")

    monkeypatch.setitem(spread_module._ENGINES, "dask", fail)
    with pytest.raises(BadValue, match="no cluster") as caught:
        list(spread(square, TASKS, None, "dask"))
    assert "tcp://there:8786" in caught.value.known


@pytest.mark.parametrize("jobs", ["0", "-3"])
def test_workers_are_counted_from_one(capsys, jobs):
    assert run(["sweep", "llama-3.1-8b", "--hardware", "h100", "--batch", "1", "--jobs", jobs]) == 2
    assert "number of workers" in capsys.readouterr().err
