# The command as people run it: data on stdout, talk on stderr, 0/1/2, and light at the door.
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from cutaway.cli import COMMANDS, run
from cutaway.cli.output import write_atomic
from cutaway.costing import saved_totals
from cutaway.errors import CutawayError, OutputError
from cutaway.store import Request

HEAVY = ("torch", "sympy", "transformers", "mcp")


def cutaway(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "cutaway", *words], capture_output=True, text=True, timeout=60, **options
    )


@pytest.mark.parametrize("words", [["--help"], ["models", "--json"], ["inspect", "--help"], ["--version"]])
def test_the_door_is_light(words):
    script = (
        "import sys\nfrom cutaway.cli import run\n"
        f"code = run({words!r})\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


def test_help_names_every_command_that_is_there():
    text = cutaway("--help").stdout
    package = Path(sys.modules["cutaway.cli"].__file__).parent
    for name, (place, _) in COMMANDS.items():
        assert (f" {name} " in text) == (
            package / f"{place.partition(':')[0].rpartition('.')[2]}.py"
        ).exists()


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["models", "--nonsense"], ["models", "zzz"], ["inspect"], ["inspect", "lama-3.1-8b"],
     ["models", "--format", "html"], ["models", "--json", "--format", "csv"], ["inspect", "./no.json"]],
)  # fmt: skip
def test_what_cannot_run_says_why_on_stderr_and_leaves_with_2(words, capfd):
    assert run(words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_a_traceback_only_with_debug(capfd):
    assert run(["inspect", "lama-3.1-8b", "--debug"]) == 2
    assert "Traceback" in capfd.readouterr().err


def test_models_filters_in_every_format(capfd):
    assert run(["models", "llama-3.1-8b", "--json"]) == 0
    models = json.loads(capfd.readouterr().out)["models"]
    assert [m["parameters"] for m in models] == [8030261248]
    assert run(["models", "--type", "gpt2", "--format", "csv"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 5


def test_a_file_is_whole_or_untouched(tmp_path, capfd):
    path = tmp_path / "models.md"
    assert run(["models", "gpt2", "-o", str(path)]) == 0
    assert path.read_text().startswith("| model |")
    assert capfd.readouterr().out == ""
    assert [p.name for p in tmp_path.iterdir()] == ["models.md"]
    for place in (tmp_path, tmp_path / "none" / "x.txt"):
        with pytest.raises(OutputError):
            write_atomic(place, "text")
    assert [p.name for p in tmp_path.iterdir()] == ["models.md"]


@pytest.mark.parametrize(
    "words",
    ["models", "ops", "hardware", "cache clean", "inspect gpt2", "cost gpt2", "report .", "verify r.md", "path . a b",
     "predict gpt2", "compare gpt2 gpt2", "sweep gpt2 --hardware h100 --batch 1"],
)  # fmt: skip
def test_a_file_holds_what_its_ending_says_or_is_refused(words, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("CUTAWAY_CACHE_DIR", str(tmp_path / "cache"))
    for ending in ("xlsx", "sarif" if "verify" not in words else "csv"):
        file = tmp_path / f"answer.{ending}"
        assert run([*words.split(), "-o", str(file)]) == 2
        said = capfd.readouterr().err
        assert "ending" in said or "format" in said, said
        assert not file.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "cutaway", "models"], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 2
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_leaves_early_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m cutaway models --json | head -n 1", shell=True, capture_output=True, text=True
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


# Python imports a module of this name when it starts; here it hides the heavy packages.
WITHOUT_TORCH = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in ("torch", "transformers")
        return None if hidden else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""


def test_inspect_without_torch_gives_the_catalogues_totals(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TORCH)
    blocked = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = cutaway("inspect", "llama-3.1-8b", "--json", env=blocked)
    assert json.loads(done.stdout)["parameters"]["total"] == 8030261248
    assert 'pip install "cutaway[torch]"' in done.stderr
    done = cutaway("inspect", "torch.nn.Linear", env=blocked)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'pip install "cutaway[torch]"' in done.stderr


def test_errors_print_only_what_is_known():
    error = CutawayError("it broke", asked="x", try_="y\nz")
    assert error.render() == "error: it broke\n  asked  x\n  try    y\n         z"


def test_a_value_without_its_option_gets_one(capfd):
    assert run(["cost", "llama-3.1-8b", "batch_size=1", "seq_len=4"]) == 2
    assert "--set batch_size=1 --set seq_len=4" in capfd.readouterr().err


def test_a_wrong_name_is_told_before_torch_is_imported():
    script = (
        "import sys\nfrom cutaway.cli import run\n"
        "code = run(['cost', 'llama-9', '--no-cache'])\n"
        "sys.exit(code if 'torch' not in sys.modules else 3)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "no such model" in done.stderr


def test_only_the_totals(capfd):
    words = ["cost", "torch.nn:Linear", "--arg", "in_features=4", "--arg", "out_features=8", "--no-cache"]
    answers = []
    for more in ([], ["--totals"]):
        assert run([*words, *more]) == 0
        answers.append(capfd.readouterr().out)
    assert "F.linear(" in answers[0] and "F.linear(" not in answers[1]
    assert all("72 * batch_size * seq_len" in text for text in answers)


def test_a_container_has_no_forward(capfd):
    assert run(["cost", "torch.nn:ModuleList", "--no-cache"]) == 2
    assert "ModuleList has no forward" in capfd.readouterr().err


def test_totals_of_the_catalogue_are_those_of_the_sizes_asked_for(capfd):
    asked = partial(Request, "AntonV/mamba2-2.7b-hf", "prefill", "shapes", "bfloat16", False, {}, {}, "eager")
    assert saved_totals(asked({"batch_size": 2, "seq_len": 600})) is not None
    assert "batch_size == 1" in json.loads(saved_totals(asked({"batch_size": 1, "seq_len": 600})) or "{}")["valid_when"]
    assert saved_totals(asked({"batch_size": 2, "seq_len": 512})) is None  # nothing is padded there
    assert run(["cost", "meta-llama/Llama-3.1-8B", "--totals", "--set", "batch_size=2,seq_len=1"]) == 0
    assert "seq_len > 1 is not met" in capfd.readouterr().out
