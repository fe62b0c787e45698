# `cutaway report` and `cutaway path` on a tiny engine, as a user runs them: the report holds, is the same twice and from
# another folder, and wrong questions get an answer.
import json
import os
import re
import shutil
import subprocess
from types import SimpleNamespace

import msgspec
import pytest

import cutaway
from cutaway.cli import run
from cutaway.reading import KINDS
from cutaway.report.project import markdown as project
from cutaway.report.repo.page import Page

ENGINE = {
    "README.md": "# tiny\n\nA tiny engine that serves one model and shows how a request becomes tokens.\n\n"
    "## Install\n\n```sh\npip install .\n```\n",
    "pyproject.toml": '[project]\nname = "tiny"\ndescription = "A tiny engine"\n[project.scripts]\ntiny = "tiny.main:main"\n',
    "tiny/__init__.py": "from tiny.engine import Engine\n",
    "tiny/main.py": "import argparse\nfrom tiny.engine import Engine\n\n\ndef main():\n"
    '    """Serve prompts from the command line."""\n    parser = argparse.ArgumentParser()\n'
    '    parser.add_argument("--max-batch", type=int, default=8, help="sequences at once")\n'
    "    args = parser.parse_args()\n    Engine(args.max_batch).generate(['hi'])\n",
    "tiny/engine.py": "from tiny.model import TinyForCausalLM\nfrom tiny.queueing import Batcher\n\n\nclass Engine:\n"
    '    """Runs requests to their end."""\n\n    def __init__(self, max_batch):\n        self.batcher = Batcher(max_batch)\n'
    "        self.model = TinyForCausalLM()\n\n    def generate(self, prompts):\n        for p in prompts:\n"
    "            self.batcher.waiting.append(p)\n        while self.batcher.has_work():\n            self.step()\n\n"
    "    def step(self):\n        batch = self.batcher.schedule()\n        logits = self.model(batch)\n"
    "        return sample(logits, 0.7)\n\n\ndef sample(logits, temperature):\n"
    '    """Draw the next token."""\n    probs = torch.softmax(logits / temperature, dim=-1)\n'
    "    return torch.multinomial(probs, 1)\n",
    "tiny/queueing.py": "from collections import deque\n\n\nclass Batcher:\n    def __init__(self, max_batch):\n"
    "        self.waiting = deque()\n        self.running = deque()\n        self.max_batch = max_batch\n\n"
    "    def has_work(self):\n        return bool(self.waiting or self.running)\n\n    def schedule(self):\n"
    "        while self.waiting and len(self.running) < self.max_batch:\n"
    "            self.running.append(self.waiting.popleft())\n        return list(self.running)\n",
    "tiny/model.py": "from torch import nn\n\n\nclass Attention(nn.Module):\n    def forward(self, x):\n        return x\n\n\n"
    "class TinyForCausalLM(nn.Module):\n    def __init__(self):\n        self.layers = nn.ModuleList("
    "[Attention() for _ in range(2)])\n\n"
    "    def forward(self, x):\n        for layer in self.layers:\n            x = layer(x)\n        return x\n",
}


@pytest.fixture
def engine(tmp_path):
    return written(tmp_path / "tiny")


def written(root):
    for name, text in ENGINE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["md", "json"])
def test_every_report_holds(engine, tmp_path, kind, form, capsys):
    file = tmp_path / f"{kind}.{form}"
    assert run(["report", str(engine), "--kind", kind, "--no-cache", "-o", str(file)]) == 0
    assert run(["verify", str(file), "--source", str(engine)]) == 0, capsys.readouterr().out


def test_the_same_files_in_another_folder_give_the_same_bytes(engine, tmp_path):
    other = written(tmp_path / "elsewhere" / "tiny")
    for kind in KINDS:
        one, two = (cutaway.report(str(root), kind=kind, cache=False) for root in (engine, other))
        assert one.to_json() == two.to_json()
        assert one.to_markdown() == two.to_markdown()


def test_a_commit_is_read_without_a_checkout(engine, tmp_path):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for args in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *args], cwd=engine, env=env, check=True)
    bare = tmp_path / "bare"
    shutil.copytree(engine / ".git", bare)
    facts = json.loads(cutaway.report(str(bare), commit="HEAD", cache=False).to_json())
    assert len(facts["repo"]["commit"]) == 40
    assert any(e["symbol"] == "main" for e in facts["entrypoints"])


def test_the_way_of_a_request_is_followed(engine, capsys):
    assert run(["path", str(engine), "main", "Attention.forward", "--no-cache", "--json"]) == 0
    hops = json.loads(capsys.readouterr().out)["hops"]
    assert [h["symbol"] for h in hops] == [
        "Engine.generate",
        "Engine.step",
        "TinyForCausalLM.forward",
        "Attention.forward",
    ]
    assert all(h["call"] and h["origin"] for h in hops)


def test_no_way_is_a_finding_and_no_name_an_error(engine, capsys):
    assert run(["path", str(engine), "sample", "main", "--no-cache"]) == 1
    assert run(["path", str(engine), "Engine.stepp", "main", "--no-cache"]) == 2
    assert "Engine.step" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["report", "nowhere"],
        ["report", ".", "--kind", "poem"],
        ["report", ".", "--commit", "nonesuch", "--no-cache"],
    ],
)
def test_wrong_questions(argv, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(argv) == 2
    assert "Traceback" not in capsys.readouterr().err


LINKED = ("README", "requirements-dev.txt", "setup.py", "setup.cfg", "Makefile", "Dockerfile", "CMakeLists.txt", "Cargo.toml",
          "go.mod", "package.json", "environment.yml", "docker-compose.yml", ".github/workflows/ci.yml", "tiny/__main__.py",
          "tiny/config.py", "tiny/scheduler.py", "examples/run.py", "main.go", "LICENSE")  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="links need a right on Windows")
@pytest.mark.parametrize("kind", KINDS)
def test_links_under_names_that_mean_something_are_not_read_and_not_cited(engine, tmp_path, kind, capsys):
    for name in LINKED:
        (engine / name).parent.mkdir(parents=True, exist_ok=True)
        (engine / name).symlink_to("/etc/hostname" if name == "Makefile" else engine / "pyproject.toml")
    file = tmp_path / "report.json"
    assert run(["report", str(engine), "--kind", kind, "-o", str(file), "--no-cache"]) == 0
    cited = _cited(json.loads(file.read_text()))
    assert not cited & set(LINKED)
    assert run(["verify", str(file), "--source", str(engine)]) == 0, capsys.readouterr().out


def _cited(part) -> set[str]:
    """Every path that stands beside a line in a report."""
    if isinstance(part, dict):
        own = {part["path"]} if part.get("line") and "path" in part else set()
        return own.union(*map(_cited, part.values()))
    return set().union(*map(_cited, part)) if isinstance(part, list) else set()


def test_the_report_of_unchanged_files_is_made_once(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("CUTAWAY_CACHE_DIR", str(tmp_path / "cache"))
    first = {kind: cutaway.report(str(engine), kind=kind) for kind in KINDS}
    with monkeypatch.context() as closed:
        closed.setattr("cutaway.read.program.Program", lambda *_: pytest.fail("it was read again"))
        for kind, made in first.items():
            again = cutaway.report(str(engine), kind=kind)
            assert again.to_json() == made.to_json() and str(again) == made.to_markdown()
            assert again._repr_mimebundle_()["text/markdown"] == made.to_markdown()
        assert cutaway.report(str(engine)).facts["kind"] == "repo"
    (engine / "added.py").write_text("def later():\n    return 1\n")
    assert "added.py" in cutaway.report(str(engine), kind="tree").to_json()


def test_a_kept_report_that_is_not_whole_is_made_anew(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("CUTAWAY_CACHE_DIR", str(tmp_path / "cache"))
    made = cutaway.report(str(engine)).to_json()
    monkeypatch.setattr("cutaway.report.kept._decode", lambda body: msgspec.msgpack.decode(body[:-9], type=tuple[str, str]))
    assert cutaway.report(str(engine)).to_json() == made


@pytest.mark.parametrize("named", ["Pump::run", "work.rs:Pump::run", "src/work.rs:Pump.run"])
def test_a_definition_of_any_language_is_named_in_its_file(tmp_path, named):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "work.rs").write_text("struct Pump;\nimpl Pump { fn run(&self) { turn(); } }\nfn turn() {}\n")
    (tmp_path / "src" / "more.rs").write_text("struct Other;\nimpl Other { fn run(&self) {} }\n")
    hops = cutaway.path(tmp_path, named, "work.rs:turn", cache=False)
    assert [h.node for h in hops] == [("src/work.rs", "turn")]


def test_a_folder_that_cannot_be_made_is_no_fault_of_the_program(tmp_path, capsys):
    (tmp_path / "a.py").write_text("x = 1\n")
    assert run(["report", str(tmp_path), "--no-cache", "-d", str(tmp_path / "a.py")]) == 2
    said = capsys.readouterr().err
    assert "the folder cannot be made" in said and "it is a file" in said and "try" in said


def test_a_statement_over_several_lines_is_cited_as_a_whole(tmp_path):
    root = written(tmp_path / "tiny")
    loop = (
        "class Worker:\n    def serve(self, depth, width):\n        while True:\n            self.made = Worker.make(\n"
        "                depth, 1 << 22, 6\n            )\n            (\n                self.first,\n"
        "                self.second,\n            ) = self.step(width)\n\n"
        "    @staticmethod\n    def make(depth, size, count):\n        return depth\n\n"
        "    def step(self, width):\n        return width, width\n\n\n"
        'if __name__ == "__main__":\n    Worker().serve(1, 2)\n'
    )
    (root / "work.py").write_text(loop)
    for form in ("md", "json"):
        file = tmp_path / f"project.{form}"
        assert run(["report", str(root), "--kind", "project", "--no-cache", "-o", str(file)]) == 0
        assert "22" in file.read_text()
        assert run(["verify", str(file), "--source", str(root)]) == 0
    rows = [r for m in json.loads(file.read_text())["critical"] for r in m["pseudocode"]]
    assert ("work.py", 4, 6) in {(r["path"], r["line"], r.get("end")) for r in rows}


def test_what_runs_no_model_is_described_without_one(tmp_path):
    """Its loop is no loop over tokens, and parts of an engine that it lacks are no open questions."""
    (tmp_path / "README.md").write_text(
        "# Work\n\njoin us on [![Badge](https://a.b/c.svg)](https://a.b) for all of it\n\n"
        "> Does _jobs_ of job_queue, one after another.\n\nHome: https://example.org\n\n# Install\n\n"
        "If you want to have it, fetch it from there.\n"
    )
    (tmp_path / "work.py").write_text(
        ENGINE["tiny/queueing.py"] + "\n    def run(self):\n        while True:\n            for job in self.schedule():\n"
        "                job.step()\n\n\nif __name__ == '__main__':\n    Batcher(3).run()\n"
    )
    assert run(["report", str(tmp_path), "--no-cache", "-o", str(tmp_path / "r.md")]) == 0
    text = (tmp_path / "r.md").read_text("utf-8")
    assert "turn by turn" in text and "runs the model" not in text and "kv\\_cache" not in text
    assert text.count("- Does jobs of job\\_queue") == 2 == text.count("(`README.md:5`)")
    assert "https" not in text and "If you want" not in text


def test_a_project_report_says_each_thing_once(tmp_path):
    (tmp_path / "run.py").write_text(
        "import sys\nimport threading\nfrom queue import Queue\n\n\nclass Pump:\n    '''Moves work along.'''\n\n"
        "    def __init__(self):\n        self.jobs = Queue()\n        self.a = threading.Lock()\n"
        "        self.b = threading.Lock()\n\n    def start(self):\n"
        "        threading.Thread(target=self.loop).start()\n        threading.Thread(target=self.loop).start()\n\n"
        "    def loop(self):\n        while True:\n            self.step(self.jobs.get())\n\n"
        "    def step(self, job):\n        job()\n\n\ndef main():\n    Pump().start()\n    sys.exit(1)\n\n\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    assert (
        run(["report", str(tmp_path), "--kind", "project", "--no-cache", "-o", str(tmp_path / "p.md")]) == 0
    )
    text = (tmp_path / "p.md").read_text("utf-8")
    assert "- Role: Moves work along; ranked" in text and ": ` `" not in text
    assert "starts: thread at `run.py:15`, `run.py:16`. holds: Lock." in text
    assert "log before `run.py:20`. One should" in text
    assert "| `Pump.jobs` `run.py:10` |" in text
    assert "- `Pump.loop` `run.py:18`: loops while True (`run.py:19`)" in text
    assert "**run.py**, chiefly `Pump` `run.py:6`" in text


def test_candidates_of_one_call_and_events_are_named_once():
    program = type("Program", (dict,), {"source": SimpleNamespace(url="", commit="")})()
    page = Page({"repo": {}}, program)
    rows = [{"path": f"{n}.py", "line": 3, "symbol": f"{n}.open"} for n in ("A", "B", "C")]
    assert project._calls(page, rows, alike=True) == "A.open `A.py:3` and 2 more of that name"
    assert project._calls(page, rows[:1] * 2) == "A.open `A.py:3`"
    event = {"name": "stop", "handler": "stop", "how": "called back"}
    assert project._event(event) == "`stop` (called back)"
    assert project._event(event | {"handler": "W.stop"}) == "`stop` in `W.stop` (called back)"


def test_a_reason_is_cited_where_it_stands_elsewhere():
    program = type("Program", (dict,), {"source": SimpleNamespace(url="", commit=""), "lines": lambda self, path: []})()
    row = {"path": "a.py", "line": 3, "evidence": [{"path": "b.py", "line": 7, "why": "exports f"}]}
    assert Page({"repo": {}}, program).because(row) == "exports f (`b.py:7`)"
    assert Page({"repo": {}}, program).because(row | {"path": "b.py", "line": 7}) == "exports f"


def test_a_name_is_code_where_it_stands():
    source = SimpleNamespace(url="", commit="")
    lines = ["self.jobs = Queue()", "with open_it("]
    page = Page({"repo": {}}, type("Program", (dict,), {"source": source, "lines": lambda self, path: lines})({"a.py": 1}))
    assert page.quoted("Pump.jobs", "a.py", 1) == "`Pump.jobs`" and page.quoted("sock", "a.py", 2) == "sock"


def test_states_that_nothing_sets_take_no_table():
    program = type("Program", (dict,), {"source": SimpleNamespace(url="", commit="")})()
    machine = {"name": "S", "kind": "enum", "path": "a.py", "line": 1, "transitions": []}
    machine["states"] = [{"name": n, "path": "a.py", "line": i} for i, n in enumerate(("OFF", "ON"), 2)]
    assert project._states(Page({"repo": {}, "states": [machine]}, program)) == [
        "No enumeration, flag or table of states that the code assigns was found."
    ]
    machine["states"][1]["set"] = [{"by": "start", "path": "a.py", "line": 9}]
    assert "| `ON` | `a.py:3` | start `a.py:9` |" in "\n".join(
        project._states(Page({"repo": {}, "states": [machine]}, program))
    )


def test_features_are_the_outer_items_of_their_list(tmp_path):
    (tmp_path / "README.md").write_text(
        "# Swap\n\n## Features\n\n- \N{WHITE HEAVY CHECK MARK} Easy to deploy\n  with one binary\n  - future proof parts\n"
        "- Supported endpoints of it:\n  - v1/completions here\n- **On demand** switching\n\n## Install\n\n- take it there\n"
    )
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "README.md").write_text("# Wakes\n\nWakes *machines* that sleep, when somebody asks for them.\n")
    (tmp_path / "tool" / "main.go").write_text("package main\n\nfunc main() {\n\trun()\n}\n")
    assert run(["report", str(tmp_path), "--no-cache", "-o", str(tmp_path / "r.md")]) == 0
    text = (tmp_path / "r.md").read_text("utf-8")
    problem = text.partition("## What problem it solves")[2].partition("## ")[0]
    assert problem.strip() == "- Easy to deploy with one binary (`README.md:5-6`)\n- On demand switching (`README.md:10`)"
    does = "Wakes machines that sleep, when somebody asks for them. (`tool/README.md:3`)"
    assert f"`tool/main.go:3` (what it does: {does})" in text


def test_a_workspace_is_described_by_the_package_with_most_code(tmp_path):
    for name, lines in (("big", 20), ("small", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(f"# {name}\n\nThis is the {name} one of both packages here.\n")
        (tmp_path / name / "lib.rs").write_text("pub fn f() { loop { g(); } }\n" * lines)
    (tmp_path / "README.md").symlink_to("small/README.md")
    assert run(["report", str(tmp_path), "--no-cache", "-o", str(tmp_path / "r.md")]) == 0
    text = (tmp_path / "r.md").read_text("utf-8")
    assert text.count("This is the big one") == 2 and "small one" not in text and "loops while |" not in text


def test_only_what_begins_a_sentence_may_begin_a_list():
    program = type("Program", (dict,), {"source": SimpleNamespace(url="", commit="")})()
    words = Page({"repo": {}}, program).words
    assert words("- set (`x`) to `y`. See `z` https://a.b") == "\\- set (`x`) to `y`. See `z` https\\://a.b"


def test_a_small_program_says_which_parts_it_lacks(tmp_path):
    source, out = tmp_path / "small", tmp_path / "report.md"
    source.mkdir()
    text = '"""Adds."""\n\n\ndef add(a, b):\n    return a + b\n\n\nif __name__ == "__main__":\n    print(add(1, 2))\n'
    (source / "tool.py").write_text(text)
    assert run(["report", str(source), "--no-cache", "-o", str(out)]) == 0
    rows = re.findall(r"^\| (.+?) \| not present \| nothing of the kind was found \|$", out.read_text(), re.MULTILINE)
    assert {"main loop", "shutdown"} <= set(rows) and "entry" not in rows
    assert run(["verify", str(out), "--source", str(source)]) == 0
