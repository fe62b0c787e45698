# The command's own process leaves out what no trace uses, and whoever asks for it all the same gets the real thing.
import gc
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from cutaway.cli import lean


@pytest.fixture
def heavy(tmp_path, monkeypatch):
    """An installed package `heavy` that is deferred as `torch._dynamo` is."""
    package = tmp_path / "heavy"
    package.mkdir()
    (package / "__init__.py").write_text("def disable(f):\n    return 'wrapped'\n\nvalue = 7\n")
    (package / "light.py").write_text("def size():\n    return 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(lean._LOADERS, "heavy", lean._Deferring)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    threshold = gc.get_threshold()
    lean.lean_imports()
    yield
    gc.set_threshold(*threshold)
    for name in ("heavy", "heavy.light"):
        sys.modules.pop(name, None)


def test_a_deferred_module_does_not_run_for_a_mark_or_a_submodule(heavy):
    module = importlib.import_module("heavy")
    light = importlib.import_module("heavy.light")
    assert module.disable(len) is len
    assert module.disable(recursive=False)(len) is len
    assert light.size() == 3
    assert "value" not in vars(module)


def test_it_runs_in_place_when_more_is_asked_of_it(heavy):
    module = importlib.import_module("heavy")
    with pytest.raises(AttributeError):
        _ = module.__nothing__
    assert module.value == 7
    assert module.disable(len) == "wrapped"
    assert sys.modules["heavy"] is module
    with pytest.raises(AttributeError):
        _ = module.nothing


def test_asking_twice_changes_nothing(heavy):
    lean.lean_imports()
    assert sum(isinstance(finder, lean._Finder) for finder in sys.meta_path) == 1


def test_transformers_is_told_that_this_process_is_alone(tmp_path, monkeypatch, heavy):
    (tmp_path / "answers.py").write_text("def is_torch_distributed_available():\n    return True\n")
    monkeypatch.setitem(lean._LOADERS, "answers", lean._Alone)
    assert importlib.import_module("answers").is_torch_distributed_available() is False
    sys.modules.pop("answers")


def test_files_of_the_folder_one_stands_in_do_not_run_in_the_place_of_modules(tmp_path: Path) -> None:
    for name in ("traceback", "cuda", "cyclopts"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)\n")
    command = [sys.executable, "-m", "cutaway", "models", "--help"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
