# Processes and what they talk over, what may be lost, what is deprecated, what costs time, what to try.
from cutaway.facts.async_map import find_loose_ends
from cutaway.facts.project import find_project
from cutaway.read.memory import program_of

TREE = {
    "app/__init__.py": "",
    "app/main.py": """\
import multiprocessing as mp
import os
from app.types import Request
from app.worker import run_worker

def serve(n):
    queue = mp.Queue()
    mp.Process(target=run_worker, args=(queue,)).start()
    token = os.environ["APP_TOKEN"]
    for i in range(n):
        submit(queue, Request(i))

def submit(queue, request, extra):
    queue.put(request)

def main():
    serve(3)

if __name__ == "__main__":
    main()
""",
    "app/worker.py": """\
import time
from app.types import Status

def run_worker(queue):
    while True:
        item = queue.get()
        item.status = Status.DONE
        try:
            item.work()
        except Exception:
            pass
        time.sleep(0.5)
""",
    "app/types.py": """\
from dataclasses import dataclass
from enum import Enum

class Status(Enum):
    NEW = 1
    DONE = 2

@dataclass
class Request:
    number: int
    status: Status = Status.NEW
""",
    "app/old.py": "from app.types import Request\n\nRequestOld = Request\n",
}


def test_units_and_who_starts_them():
    units = {u["name"]: u for u in find_project(program_of(TREE))["processes"]["units"]}
    assert units["run_worker"]["kind"] == "process"
    assert (units["run_worker"]["started_by"]["path"], units["run_worker"]["started_by"]["line"]) == (
        "app/main.py",
        8,
    )


def test_pitfalls_say_how_to_see_them():
    rows = {(r["kind"], r["path"], r["line"]) for r in find_project(program_of(TREE))["pitfalls"]}
    assert {
        ("never joined", "app/main.py", 8), ("must be set", "app/main.py", 9),
        ("wrong call", "app/main.py", 11), ("swallowed", "app/worker.py", 10),
    } <= rows  # fmt: skip


def test_the_chain_of_types_and_its_status():
    chain = find_project(program_of(TREE))["requests"]
    assert [(t["type"], t["made_at"]["line"]) for t in chain["types"]] == [("Request", 11)]
    assert chain["status"]["name"] == "Status"


def test_an_alias_names_what_is_live():
    (alias,) = [d for d in find_project(program_of(TREE))["deprecation"] if d["kind"] == "alias"]
    assert (alias["name"], alias["live"]["path"], alias["live"]["line"]) == ("RequestOld", "app/types.py", 9)


def test_experiments_name_a_line_and_what_is_seen():
    experiments = find_project(program_of(TREE))["experiments"]
    assert {e["kind"] for e in experiments} == {"log", "timing"}
    for experiment in experiments:
        assert experiment["do"] and experiment["see"] and experiment["path"] in TREE


def test_coroutines_that_nobody_awaits_and_tasks_that_nobody_keeps():
    text = (
        "import asyncio\nasync def work(): ...\nasync def main():\n    work()\n    await work()\n"
        "    asyncio.create_task(work())\n    kept = asyncio.create_task(work())\n"
        "    await asyncio.wait_for(\n        work(),\n        3,\n    )\n"
    )
    found = [(e["kind"], e["line"]) for e in find_loose_ends(program_of({"a.py": text}))]
    assert sorted(found) == [("dropped task", 6), ("never awaited", 4)]


def test_tasks_that_a_list_or_a_group_keeps_are_not_lost():
    text = (
        "import asyncio\nasync def work(): ...\nasync def main():\n    kept = [  # both\n"
        "        asyncio.create_task(work()),\n        # and\n        asyncio.create_task(work()),\n    ]\n"
        "    async with asyncio.TaskGroup() as group:\n        group.create_task(work())\n"
        "    loop = asyncio.get_running_loop()\n    loop.create_task(work())\n"
    )
    found = [(e["kind"], e["line"]) for e in find_loose_ends(program_of({"a.py": text}))]
    assert found == [("dropped task", 12)]


def test_the_same_twice_is_the_same():
    assert find_project(program_of(TREE)) == find_project(program_of(TREE))
