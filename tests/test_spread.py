# What is promised of every back end, on a joblib made of a few lines: each answer comes once, deaths are made good up to a
# limit, and what is not installed is named. The real ones are run by bench/sweep.py, with workers that are killed.
import sys
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from cutaway.cli import run
from cutaway.errors import BadValue, NeedsExtra
from cutaway.predict import spread as spread_module
from cutaway.predict.spread import RETRIES, WAVE, spread


class Joblib:
    """`deaths` of all calls, after `before` answers each."""

    def __init__(self, deaths=0, before=2, one_by_one=True):
        self.deaths, self.before, self.asked = deaths, before, []
        active = SimpleNamespace(supports_return_generator=one_by_one)
        self.parallel = SimpleNamespace(get_active_backend=lambda: (active, 2))

    def parallel_config(self, backend, n_jobs):
        self.backend, self.jobs = backend, n_jobs
        return nullcontext()

    def delayed(self, function):
        return lambda *arguments: (function, arguments)

    def Parallel(self, return_as):  # as joblib calls it
        self.return_as = return_as
        return self._run

    def _run(self, calls):
        self.asked.append(len(calls))
        calls = calls[::-1]  # as they come, not as they were asked
        dies = self.deaths > 0
        self.deaths -= dies
        if self.return_as == "list" and dies:
            raise BrokenExecutor
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


@pytest.mark.parametrize("one_by_one", [True, False])
@pytest.mark.parametrize("deaths", [0, 1, RETRIES])
def test_each_answer_comes_once_whoever_dies(joblib, deaths, one_by_one):
    fake = joblib(deaths=deaths, one_by_one=one_by_one)
    found = list(spread(square, TASKS, 2, "local"))
    assert sorted(found) == [(n, n * n) for n in range(40)]
    assert (fake.backend, fake.jobs) == ("loky", 2)
    assert max(fake.asked) == (40 if one_by_one else WAVE * 2)


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
