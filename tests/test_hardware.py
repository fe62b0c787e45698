# The sheet is facts typed by hand: these tests read what a reader would look up, and what a slip in a sheet answers.
import pytest

from cutaway import hardware
from cutaway.cli import run
from cutaway.errors import BadValue, UnknownTarget, Unreadable
from cutaway.hardware.sheet import parse

GOOD = """
[mine]
title = "Mine"
vendor = "me"
architecture = "ampere"
units = 10
capacity_gib = 16
bandwidth_gb_s = 500
matrix_tflops = { bf16 = 100 }
sources = { device = "measured here" }
"""

WANTED = (
    "a100-sxm-40gb a100-sxm-80gb a100-pcie-40gb a100-pcie-80gb a10 a40 l4 l40s h100-sxm h100-pcie h100-nvl h200-sxm "
    "h20 h800 b200 b300 gb200 gb300 rtx-3090 rtx-4090 rtx-5090 rtx-pro-6000 rtx-a6000 mi210 mi300x mi325x tpu-v5e "
    "tpu-v6e m1 m4-max cpu-2core"
)


@pytest.mark.parametrize("name", WANTED.split())
def test_every_device_has_its_figures(name):
    device = hardware.find(name)
    assert device.peak("bf16") > 0 and device.sources["device"]
    assert (
        device.peak("bf16")
        <= min((device.peak(d) for d in ("fp8", "int8") if d in device.matrix), default=1e99) * 16
    )


def test_rates_are_dense():
    assert hardware.find("H100").peak("bf16") == pytest.approx(989.4e12)
    assert hardware.find("l4").peak("fp8") == pytest.approx(242.5e12)


def test_aliases_and_nearest():
    assert hardware.find("A100 SXM").name == "a100-sxm-80gb"
    with pytest.raises(UnknownTarget, match="unknown hardware") as caught:
        hardware.find("h10")
    assert "h100" in caught.value.known


def test_fp4_where_there_is_none():
    with pytest.raises(BadValue) as caught:
        hardware.find("h100").peak("nvfp4")
    assert "nearest: fp8" in caught.value.known
    with pytest.raises(BadValue, match="unknown dtype"):
        hardware.dtype_name("bf61")


@pytest.mark.parametrize(
    ("slip", "line", "what"),
    [
        (("bandwidth_gb_s = 500", "bandwidth_gb_s = -1"), 8, "positive"),
        (("bandwidth_gb_s = 500", "bandwidth_gb_s = nan"), 8, "positive"),
        (("units = 10", "units = 1.5"), 6, "positive"),
        (("units = 10", "unitz = 10"), 6, "unknown key"),
        (("units = 10\n", ""), 2, "missing"),
        (("{ bf16 = 100 }", "{ bf61 = 100 }"), 9, "unknown 'bf61'"),
        (('device = "measured here"', ""), 10, "sources"),
        (("units = 10", "units = = 10"), 6, "not TOML"),
    ],
)
def test_a_slip_names_its_line(slip, line, what):
    with pytest.raises(BadValue, match=what) as caught:
        parse(GOOD.replace(*slip), "mine.toml")
    assert caught.value.where == f"mine.toml:{line}"


def test_own_sheet(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert hardware.find(str(path)).peak("bf16") == 100e12
    assert run(["hardware", str(path)]) == 0
    assert "measured here" in capsys.readouterr().out
    path.write_text("")
    with pytest.raises(BadValue, match="no device"):
        hardware.load(path)
    with pytest.raises(Unreadable):
        hardware.load(tmp_path / "none.toml")


def test_command_line(capsys):
    assert run(["hardware", "h200", "--json"]) == 0
    assert '"bandwidth": 4800000000000.0' in capsys.readouterr().out
    assert run(["hardware", "--format", "csv"]) == 0
    assert "capacity" in capsys.readouterr().out
    assert run(["hardware", "h10"]) == 2
