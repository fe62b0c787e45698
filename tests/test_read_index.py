# The index reads each content once, whoever else writes and whenever it is killed; what is damaged is made anew.
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time

import pytest

from cutaway import store
from cutaway.errors import UnknownTarget
from cutaway.read import database, pool
from cutaway.read.index import Index, reader_version
from cutaway.read.source import open_source

# A reader that leaves a line in `calls` for each file, and does what the text of a file says.
READER = """
import os, signal, sys, time
from pathlib import Path
from cutaway.model.code import Def, FileRecord

CALLS = Path(__file__).with_name("calls")

def read(path, data):
    with CALLS.open("a") as file:
        file.write(f"{path} {os.getpid()}\\n")
    text = data.decode()
    if text.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if text.startswith("spin"):
        while True:
            pass
    if text.startswith("sleep"):
        time.sleep(600)
    if text.startswith("slow"):
        time.sleep(0.02)
    if text.startswith("recurse"):
        return read(path, data)
    if text.startswith("memory"):
        raise MemoryError
    if text.startswith("wrong"):
        return {"no": "record"}
    if text.startswith("surrogate"):
        return FileRecord("text", 1, doc="\\udc80")
    if text.startswith("noise"):
        print("on stdout")
        os.write(1, b"more of it")
    return FileRecord("text", len(text.splitlines()), defs=[Def(word, "function", 1, 1, 1) for word in text.split()])
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A folder to index, a cache, and a reader that tells when it is called."""
    (tmp_path / "counting_reader.py").write_text(READER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "counting_reader", raising=False)
    (tmp_path / "repo").mkdir()
    return World(tmp_path)


class World:
    def __init__(self, root):
        self.root, self.repo, self.cache = root, root / "repo", root / "cache"

    def write(self, **files):
        for name, text in files.items():
            (self.repo / f"{name}.py").write_text(text)

    def open(self, processes=0, **options):
        self.calls_before = len(self.calls())
        return Index.open(
            open_source(self.repo, cache=self.cache),
            options.pop("cache", self.cache),
            reader="counting_reader:read",
            processes=processes,
            **options,
        )

    def calls(self):
        place = self.root / "calls"
        return [line.split()[0] for line in place.read_text().splitlines()] if place.exists() else []

    def read_now(self):
        return sorted(self.calls()[self.calls_before :])

    def databases(self):
        return sorted((self.cache / "index").glob("*.db"))


def names(index):
    return {path: [d.name for d in record.defs] for path, record in index.records()}


def test_only_what_is_new_is_read(world):
    world.write(a="one", b="two")
    assert names(world.open()) == {"a.py": ["one"], "b.py": ["two"]}
    assert world.read_now() == ["a.py", "b.py"]
    assert names(world.open()) == {"a.py": ["one"], "b.py": ["two"]} and world.read_now() == []
    world.write(b="three four")
    assert names(world.open())["b.py"] == ["three", "four"] and world.read_now() == ["b.py"]
    world.write(b="two")
    assert names(world.open())["b.py"] == ["two"] and world.read_now() == []
    (world.repo / "a.py").unlink()
    assert list(names(world.open())) == ["b.py"] and world.read_now() == []


def test_processes_give_the_same(world):
    world.write(noise="noise", **{f"m{i}": f"name{i} slow" for i in range(30)})
    several = names(world.open(processes=2, cache=None))
    assert several == names(world.open(processes=0, cache=None))
    assert list(several) == sorted(several)


def test_without_a_cache_nothing_is_kept(world):
    world.write(a="one")
    assert names(world.open(cache=None)) == {"a.py": ["one"]}
    assert world.databases() == []


def test_a_record_is_that_of_its_path(world):
    world.write(a="one", b="one")
    index = world.open()
    assert world.read_now() == ["a.py", "b.py"] and index.read == 2
    assert index.record("b.py") is index.record("b.py")
    with pytest.raises(UnknownTarget, match="no such file"):
        index.record("c.py")


def test_another_reader_reads_anew(world, monkeypatch):
    world.write(a="one")
    world.open()
    monkeypatch.setattr("cutaway.read.index.reader_version", lambda reader: "0" * 16)
    world.open()
    assert world.read_now() == ["a.py"]
    assert len(reader_version()) == 16 and reader_version() == reader_version()


def test_what_is_skipped_says_why(world):
    world.write(a="one")
    (world.repo / "b.png").write_bytes(b"x")
    with world.open() as index:
        assert (index.record("b.png").parse, index.record("b.png").why) == ("skipped", "binary (.png)")
        assert index.paths == ["a.py", "b.png"]


def test_progress_counts_what_is_new(world):
    world.write(a="one", b="two")
    seen = []
    world.open(progress=lambda *now: seen.append(now))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("crash", "the reader crashed (SIGSEGV)"),
        ("spin", "the reader was stopped after 1 s"),
        ("sleep", "the reader was stopped after 1 s"),
        ("memory", "the reader failed: MemoryError: ''"),
        ("recurse", "the reader failed: RecursionError"),
        ("wrong", "the reader gave something that is no record"),
        ("surrogate", "the reader failed: UnicodeEncodeError"),
    ],
)
def test_a_file_that_breaks_its_reader_is_the_only_one_skipped(world, monkeypatch, text, why):
    world.write(a="one", b=text, c="three")
    monkeypatch.setattr(pool.worker, "SECONDS", 1)
    if text == "sleep":  # for the others, a machine that takes as long to start a process breaks nothing
        monkeypatch.setattr(pool, "_WALL", 5)
    with world.open(processes=1) as index:
        assert index.record("b.py").parse == "skipped" and index.record("b.py").why.startswith(why)
        assert [d.name for d in index.record("a.py").defs + index.record("c.py").defs] == ["one", "three"]
    if text != "wrong":
        with world.open(processes=1) as index:
            assert index.record("b.py").why.startswith(why) and world.read_now() == []


def test_of_files_handed_over_together_those_that_break_are_skipped_alone(world):
    broken = {"m07": "crash", "m08": "crash", "m31": "crash"}
    world.write(**{f"m{i:02}": f"name{i}" for i in range(40)} | broken)
    with world.open(processes=1) as index:
        for path, record in index.records():
            found = record.why or [d.name for d in record.defs]
            name = f"name{int(path[1:3])}"
            assert found == ("the reader crashed (SIGSEGV)" if path[:-3] in broken else [name])


def test_as_many_files_are_handed_over_together_as_are_small():
    jobs = iter([("", "", b"x" * size) for size in (pool._HANDFUL_BYTES, 1, *[0] * 50)])
    assert [len(pool._some(jobs)) for _ in range(4)] == [1, pool._HANDFUL, 51 - pool._HANDFUL, 0]


def test_text_that_parsers_break_on_is_read_elsewhere(world):
    world.write(a="one", deep="(" * 1000, long="x" * 30_000, large="word\n" * 60_000)
    world.open(processes=0)
    pids = dict(line.split() for line in (world.root / "calls").read_text().splitlines())
    assert pids["a.py"] == str(os.getpid()) and len(set(pids.values())) == 2


def test_few_files_start_no_process():
    assert pool.processes_for(pool.FEW) == 0 and 1 <= pool.processes_for(pool.FEW + 1) <= pool.MOST


def damage_header(path):
    path.write_bytes(b"this is no database" * 1000)


def damage_middle(path):
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[:6000])


@pytest.mark.parametrize("damage", [damage_header, damage_middle, truncate])
def test_a_damaged_index_is_made_anew(world, damage):
    world.write(a="one", b="two")
    world.open().close()
    damage(*world.databases())
    with world.open() as index:
        assert names(index) == {"a.py": ["one"], "b.py": ["two"]}
        assert any("damaged" in note for note in index.notes)
    with world.open() as index:
        assert names(index) == {"a.py": ["one"], "b.py": ["two"]} and index.notes == []
        assert world.read_now() == []


def test_rows_that_are_not_whole_count_as_absent(world):
    world.write(a="one", b="two")
    world.open().close()
    with sqlite3.connect(*world.databases()) as connection:
        (key, body), *_ = connection.execute("SELECT key, body FROM kept").fetchall()
        connection.execute("UPDATE kept SET body = ? WHERE key = ?", (body[:-1] + b"\0", key))
    connection.close()
    with world.open() as index:
        assert names(index) == {"a.py": ["one"], "b.py": ["two"]}
        assert len(world.read_now()) == 1


def test_an_index_of_another_format_is_made_anew(world, monkeypatch):
    world.write(a="one")
    world.open().close()
    monkeypatch.setattr(database, "FORMAT", 2)
    monkeypatch.setattr(database, "_SCHEMA", database._SCHEMA.replace("user_version = 1", "user_version = 2"))
    with world.open() as index:
        assert names(index) == {"a.py": ["one"]} and "format 1, not 2" in index.notes[0]


def test_a_cache_that_cannot_be_written_is_no_error(world):
    world.write(a="one")
    world.cache.write_text("not a folder")
    with world.open() as index:
        assert names(index) == {"a.py": ["one"]} and "cannot be kept" in index.notes[0]


def test_derived_data(world):
    world.write(a="one")
    with world.open() as index:
        assert index.get_derived("edges", "k") is None
        index.put_derived("edges", [("k", b"v"), ("l", b"w")])
    with world.open() as index:
        assert index.get_derived("edges", "k") == b"v" and index.get_derived("other", "k") is None


def test_the_cache_can_be_emptied(world, monkeypatch):
    monkeypatch.setenv("CUTAWAY_CACHE_DIR", str(world.root / "kept"))
    world.cache = world.root / "kept" / "repositories"
    world.write(a="one")
    world.open().close()
    clone = world.cache / "clones" / f"{'ab' * 12}.git"
    (clone / "objects").mkdir(parents=True)
    (clone / "HEAD").write_text("x")
    (world.cache / "index" / "mine.txt").write_text("not ours")
    entries, size = store.size()
    assert entries == 0 and size >= world.databases()[0].stat().st_size
    assert store.clean() == (0, size) and store.size() == (0, 0)
    assert not clone.exists() and (world.cache / "index" / "mine.txt").exists()


def test_old_commits_are_forgotten_in_time(world, monkeypatch):
    world.write(a="one")
    with world.open() as index:
        index._database.put("record", [(f"{i}".encode(), b"x") for i in range(10_010)])
    with world.open() as index:
        assert len(index._database.keys("record")) == 1 and world.read_now() == []


RUN = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from pathlib import Path
    from cutaway.read.index import Index
    from cutaway.read.source import open_source
    root = Path(sys.argv[1])
    with open_source(root / "repo") as source:
        with Index.open(source, root / "cache", reader="counting_reader:read", processes=int(sys.argv[2])) as index:
            print(len(list(index.records())), index.notes)
"""


def start(world, processes):
    arguments = [sys.executable, "-c", textwrap.dedent(RUN), str(world.root), str(processes)]
    return subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores Ctrl-C
    )


def test_two_runs_at_once(world):
    world.write(**{f"m{i}": f"slow {i}" for i in range(60)})
    runs = [start(world, processes) for processes in (1, 0)]
    assert [run.communicate(timeout=120) for run in runs] == [("60 []\n", "")] * 2
    with world.open() as index:
        assert len(names(index)) == 60 and world.read_now() == [] and index.notes == []


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_a_good_index_and_no_process(world, signal_):
    world.write(**{f"m{i:03}": f"{'slow' if i > 260 else 'fast'} {i}" for i in range(400)})
    run = start(world, 1)
    until = time.monotonic() + 60
    while len(world.calls()) < 270 and time.monotonic() < until:
        time.sleep(0.02)
    run.send_signal(signal_)
    run.communicate(timeout=60)
    readers = {line.split()[1] for line in (world.root / "calls").read_text().splitlines()}
    while any(os.path.exists(f"/proc/{pid}/task") for pid in readers) and time.monotonic() < until:  # noqa: PTH110
        time.sleep(0.02)
    assert not any(os.path.exists(f"/proc/{pid}/task") for pid in readers)  # noqa: PTH110
    with world.open(processes=1) as index:
        assert len(names(index)) == 400 and index.notes == []
        assert 0 < index.read < 400
