# Answers kept between runs: given again only when nothing has changed, whole or not at all, and never in
# the way.
import hashlib
import json
import os
import runpy
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from cutaway import costing, store
from cutaway.cli import run
from cutaway.report.cost_json import to_json
from cutaway.store import folder

HAND = runpy.run_path(str(Path(__file__).parent / "fixtures" / "hand_llama.py"))
HEAVY = ("torch", "transformers", "sympy", "rich", "numpy")
DEFAULTS = {"batch_size": 1, "seq_len": 2048}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTAWAY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(folder, "_warned", False)
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A file that was executed for an answer."""
    (tmp_path / "lib").mkdir()
    path = tmp_path / "lib" / "its_model.py"
    path.write_text("one = 1\n")
    monkeypatch.syspath_prepend(str(path.parent))
    return path


def keep(request, source, text="an answer", valid_when=("seq_len > 1",)):
    files = {source.name: hashlib.sha256(source.read_bytes()).hexdigest()[:16]}
    store.keep(request, text, files=files, valid_when=list(valid_when), defaults=DEFAULTS)


def asked(**values):
    return store.Request("its_model.Model", values=values)


def test_an_answer_is_found_again(source):
    assert store.find(asked()) is None
    keep(asked(), source)
    assert store.find(asked()) == "an answer"


def test_another_question_is_another_answer(source):
    keep(asked(), source)
    for change in ({"phase": "decode"}, {"dtype": "float32"}, {"symbols": "all"}, {"execution": "fused"},
                   {"args": {"n": 1}}, {"inputs": {"x": "batch_size"}}, {"target": "its_model.Other"},
                   {"trust_code": True}):  # fmt: skip
        assert store.find(replace(asked(), **change)) is None, change


def test_an_edited_source_is_a_miss(source):
    keep(asked(), source)
    before = source.stat()
    source.write_text("two = 2\n")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.find(asked()) is None


def test_a_source_that_changed_during_the_trace_is_not_kept(source):
    store.keep(asked(), "an answer", files={source.name: "0" * 16}, valid_when=[], defaults=DEFAULTS)
    assert store.size() == (0, 0)


def test_an_edited_config_is_a_miss(source, tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"hidden_size": 8}')
    for target in (config, tmp_path):
        request = store.Request(str(target))
        keep(request, source)
        assert store.find(request) == "an answer"
        config.write_text(config.read_text() + " ")
        assert store.find(request) is None


def test_values_are_answered_from_their_regime(source):
    keep(asked(), source, "many")
    keep(asked(seq_len=1), source, "one", ["seq_len == 1"])
    assert store.find(asked()) == "many"
    assert store.find(asked(seq_len=7)) == "many"
    assert store.find(asked(seq_len=1)) == "one"
    assert store.find(asked(batch_size=3, seq_len=1)) == "one"


def test_a_condition_that_cannot_be_read_answers_only_its_own_values(source):
    keep(asked(seq_len=5), source, "odd", ["the moon is full"])
    assert store.find(asked(seq_len=5)) == "odd"
    assert store.find(asked(seq_len=6)) is None


@pytest.mark.parametrize("spoil", ["cut", "empty", "header", "body", "folder"])
def test_a_spoilt_entry_is_a_miss_and_mended(source, cache, spoil):
    keep(asked(), source, "an answer " * 99)
    (entry,) = cache.glob("cost/*/*.entry")
    data = entry.read_bytes()
    if spoil == "folder":
        entry.unlink()
        entry.mkdir()
    else:
        entry.write_bytes(
            {"cut": data[:-7], "empty": b"", "header": b"{" + data, "body": data[:-1] + b"!"}[spoil]
        )
    assert store.find(asked()) is None
    if spoil != "folder":
        keep(asked(), source)
        assert store.find(asked()) == "an answer"


def test_any_cut_is_a_miss(source, cache):
    keep(asked(), source)
    (entry,) = cache.glob("cost/*/*.entry")
    data = entry.read_bytes()
    for length in range(len(data)):
        entry.write_bytes(data[:length])
        assert store.find(asked()) is None


def test_the_folder_is_tagged(source, cache):
    keep(asked(), source)
    assert (cache / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_many_processes_at_once(source, cache):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(_write_and_read, [str(source)] * 2, ["a" * 50_000, "b" * 50_000]))
    assert done == [True, True]
    assert store.find(asked())[0] in "ab"
    assert not list(cache.glob("cost/*/*.part"))


def _write_and_read(source, text):
    """Whether every answer seen while another process writes too was a whole one."""
    sys.path.insert(0, str(Path(source).parent))
    for _ in range(40):
        keep(asked(), Path(source), text)
        found = store.find(asked())
        if found is None or len(set(found)) != 1 or len(found) != 50_000:
            return False
    return True


def test_killed_while_writing(source, cache):
    keep(asked(), source, "before")
    code = f"""
import os, runpy, sys
sys.path.insert(0, {str(source.parent)!r})
from cutaway.store import folder
real = os.fsync
folder.os.fsync = lambda descriptor: (real(descriptor), os.kill(os.getpid(), 9))
runpy.run_path({__file__!r})["keep"](__import__("cutaway.store").store.Request("its_model.Model"),
                                     __import__("pathlib").Path({str(source)!r}), "after")
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert store.find(asked()) == "before"
    assert list(cache.glob("cost/*/*.part"))
    assert store.clean()[0] == 1
    assert not list(cache.glob("cost/*/*.*"))


@pytest.mark.parametrize("place", ["a file", "no space"])
def test_a_cache_that_cannot_be_written_is_said_once(source, cache, place, capfd, monkeypatch):
    if place == "a file":
        cache.write_text("not a folder")
    else:
        monkeypatch.setattr(folder.os, "fsync", _full)
    keep(asked(), source)
    keep(asked(seq_len=1), source)
    assert store.find(asked()) is None
    said = capfd.readouterr().err
    assert said.count("cannot be written") == 1
    assert said.count("\n") == 1


def _full(descriptor):
    raise OSError(28, "No space left on device")


def test_cache_command(source, cache, capsys):
    keep(asked(), source)
    (cache / "cost" / "mine.txt").write_text("not ours")
    assert run(["cache", "dir"]) == 0
    assert capsys.readouterr().out == f"{cache}\n"
    assert run(["cache", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["entries"], shown["bytes"] > 0) == (1, True)
    assert run(["cache", "clean"]) == 0
    assert "1 answers removed" in capsys.readouterr().out
    assert store.find(asked()) is None
    assert (cache / "cost" / "mine.txt").exists()


def test_a_kept_answer_needs_nothing_heavy(source):
    """The whole command, in a process of its own: JSON as it was kept, and what it imported for that."""
    analysis = replace(HAND["analysis"](), target="its_model.Model")
    keep(asked(), source, to_json(analysis))
    code = (
        "import sys; from cutaway.cli import run; code = run(['cost', 'its_model.Model', '--json']);"
        f"print(code, [m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    path = os.pathsep.join([str(source.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.stderr == "0 []\n"
    assert done.stdout == to_json(analysis)


def test_no_cache_neither_reads_nor_writes(source, monkeypatch):
    keep(asked(), source, "kept")
    assert costing.saved_text(asked()) == "kept"
    assert costing.saved_text(asked(), False) is None
