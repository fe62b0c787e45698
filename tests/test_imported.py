"""Files of users: alone, beside their neighbours, and as parts of a package that imports relatively; and `--input`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cutaway.errors import BadValue, NeedsExtra
from cutaway.trace.imported import import_file
from cutaway.trace.inputs_given import given_plan

SIZES = "WIDTH = 24\n"


@pytest.fixture(autouse=True)
def _as_before():
    """What a test imports is forgotten after it."""
    known, path = set(sys.modules), list(sys.path)
    yield
    assert sys.path == path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def _write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_file_finds_its_neighbour(tmp_path):
    folder = _write(tmp_path, cutaway_sizes=SIZES, part="from cutaway_sizes import WIDTH\n")
    assert import_file(folder / "part.py", "part.py:X").WIDTH == 24


@pytest.mark.parametrize("marked", [True, False])
def test_a_file_that_imports_relatively_is_part_of_its_folders(tmp_path, marked):
    folder = _write(tmp_path / "cutaway_pk" / "inner", part="from ..sizes import WIDTH\n")
    _write(tmp_path / "cutaway_pk", sizes=SIZES)
    if marked:
        _write(folder, __init__="")
        _write(tmp_path / "cutaway_pk", __init__="")
    found = import_file(folder / "part.py", "part.py:X")
    assert (found.WIDTH, found.__name__) == (24, "cutaway_pk.inner.part")


def test_a_package_finds_itself_by_its_full_name(tmp_path):
    folder = _write(tmp_path / "cutaway_pk2", __init__="", sizes=SIZES, part="from cutaway_pk2.sizes import WIDTH\n")
    assert import_file(folder / "part.py", "part.py:X").WIDTH == 24


def test_a_package_that_is_loaded_from_elsewhere_is_named(tmp_path):
    for side in ("one", "two"):
        _write(tmp_path / side / "cutaway_pk3", __init__="", sizes=SIZES, part="from .sizes import WIDTH\n")
    import_file(tmp_path / "one/cutaway_pk3/part.py", "part.py:X")
    with pytest.raises(BadValue, match="loaded already") as error:
        import_file(tmp_path / "two/cutaway_pk3/part.py", "part.py:X")
    assert "one" in error.value.where


def test_a_missing_package_is_named(tmp_path):
    folder = _write(tmp_path, part="import cutaway_lacks_this.part\n")
    with pytest.raises(NeedsExtra, match="cutaway_lacks_this"):
        import_file(folder / "part.py", "part.py:X")


def forward(x, mask, start_pos: int, scale=1.0, *, flag=False):
    """What the plans below are for."""


def _planned(**given: str):
    return given_plan(forward, "prefill", {"mask": "None", "start_pos": "0", "x": "batch_size,seq_len,8", **given})


def test_sizes_dtypes_and_values():
    plan = _planned(mask="seq_len,seq_len:bool", scale="2", flag="True")
    assert [(s.name, s.shape, s.dtype) for s in plan.specs] == [
        ("mask", ("seq_len", "seq_len"), "bool"),
        ("x", ("batch_size", "seq_len", 8), "float"),
    ]
    assert dict(plan.extra) == {"start_pos": 0, "scale": 2, "flag": True}
    assert [s.name for s in plan.symbols] == ["seq_len", "batch_size"]
    assert dict(_planned().extra)["mask"] is None


def test_a_lone_number_is_a_size_where_nothing_says_that_it_is_a_value():
    assert _planned(x="8").specs[0].shape == (8,)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"start": "0"}, "no such argument"),
        ({"x": "batch_size:int3"}, "unknown dtype"),
        ({"x": "batch_size,__import__('os')"}, "no size"),
    ],
)
def test_what_makes_no_sense_is_refused(given, says):
    with pytest.raises(BadValue, match=says):
        _planned(**given)


def test_what_is_missing_is_named():
    with pytest.raises(BadValue, match="also takes mask, start_pos"):
        given_plan(forward, "prefill", {"x": "batch_size,8"})
