# A good report has no findings; the same report with one mistake planted has exactly that one. So the checks neither miss
# what they are for nor shout twice.
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cutaway import cli
from cutaway.errors import CutawayError
from cutaway.read.source import open_source
from cutaway.report.evidence import cite, to_dict
from cutaway.report.templates import template, templates
from cutaway.report.verify import CHECKS, verify
from cutaway.report.verify.render import to_json, to_sarif, to_text
from cutaway.report.verify.sources import Sources

ENGINE = '''"""A tiny engine."""

from collections import deque

MAX_TOKENS = 2048


class Scheduler:
    """Decides what runs next."""

    def __init__(self):
        self.waiting = deque()
        self.budget = MAX_TOKENS

    def add(self, seq):
        self.waiting.append(seq)

    def schedule(self):
        batch = []
        while self.waiting:
            batch.append(self.waiting.popleft())
        return batch


class Engine:
    def __init__(self):
        self.scheduler = Scheduler()

    def step(self):
        batch = self.scheduler.schedule()
        return self.sample(batch)

    def sample(self, batch):
        return [0 for _ in batch]

    def append_cache(self, key):
        self.cache[key] = 1
'''
FILES = {
    "tiny/engine.py": ENGINE,
    "tiny/server.py": '"""HTTP."""\nimport os\n\nPORT = int(os.environ["TINY_PORT"])\n\n\ndef main():\n    pass\n',
    "tiny/__init__.py": "",
    "tiny/long.py": "X = [\n" + "    1,\n" * 200 + "]\n",
    "pyproject.toml": '[project]\nname = "tiny"\n',
    "docs/my notes.md": "# Notes\n",
}
REPORT = """# Repo analysis: tiny

**Repo:** https://github.com/o/tiny
**Commit:** 0123456789abcdef
**LLM-related:** yes (signals: KV cache)

## TL;DR (5–8 lines)

`tiny` is an engine of one process.
`Engine.step` (`tiny/engine.py:29`) is its loop.
Requests wait in a deque.
A server listens on a port from the environment.
It takes 2048 tokens at most (`tiny/engine.py:5`).

## What problem it solves

- Runs a model with a budget (`tiny/engine.py:13`).

## Architecture map (one diagram)

```mermaid
flowchart TB
  n1["Server"] --> n2["Engine (step)"]
  n2 -->|"calls"| n3["Scheduler"]
```

## Module map (table)

| Path | Role | Notes |
| --- | --- | --- |
| `tiny/engine.py` | the engine | holds the scheduler |
| `tiny/` | the package | |
| docs/my notes.md | notes | a \\| in a cell |

## Primary workflows

### Install / build

- `pip install .` (`pyproject.toml`)

### Entrypoints (how to run)

- Server: [`tiny/server.py:7`](https://github.com/o/tiny/blob/0123456789abcdef/tiny/server.py#L7) `main`.

### Configuration surface (how to control it)

| Mechanism | Where | Examples |
| --- | --- | --- |
| env vars | `tiny/server.py:4` | `TINY_PORT` |

## Key components (with code locations)

| Component | Location | Responsibility |
| --- | --- | --- |
| runtime loop | `tiny/engine.py:29` (`Engine.step`) | calls `schedule` and `sample` |
| scheduler | `tiny/engine.py:18-22` | pops from `self.waiting` |
| admission | `tiny/engine.py:15` | appends to `waiting` |
| sampling | `tiny/engine.py:33` | gives one token for each of `batch` |
| KV cache | `tiny/engine.py:37` | `cache` |
| preemption | not present | |

## LLM deep dive (only if LLM-related)

### Prefill vs decode loop (real nesting)

```text
step()                          # tiny/engine.py:29
  batch = scheduler.schedule()  # tiny/engine.py:30
```

### KV cache

- Update: `tiny/engine.py:37`; a block takes `2 * {num_layers} * {head_dim}` elements.

### Scheduler / batching

- Queue: `Scheduler.waiting` (`tiny/engine.py:12`)

### Sampling / decoding

- `Engine.sample()` at `tiny/engine.py:33`, at http://localhost:8000 or on cuda:0.

### Kernel hotspots / backends

None.

## Extension points (safe places to modify)

| Goal | Recommended place | Why |
| --- | --- | --- |
| another policy | `tiny/engine.py:18` | `schedule` alone decides |

## Pitfalls / time sinks

- Nothing bounds the queue, see `tiny/engine.py:15-16`.
- The route `/v1/{name}` is not served.

## Open questions

- Why 2048?

## Self-review checklist (before calling it “done”)

- No placeholder markers like `<...>` remain.
"""


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "tiny-repo"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    with open_source(root) as opened:
        yield opened


@pytest.fixture
def findings(tmp_path, source):
    def run(text, name="report.md"):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
        return [(f.check, f.line, f.message) for f in verify(path, source).findings]

    return run


def test_a_good_report_has_no_findings(findings):
    assert findings(REPORT) == []


def replaced(old, new):
    assert REPORT.count(old) >= 1, old
    return REPORT.replace(old, new, 1)


PLANTED = [
    ("path", "| `tiny/engine.py` |", "| `tiny/engin.py` |", "nearest: tiny/engine.py"),
    ("path", "docs/my notes.md |", "`docs/my-notes.md` |", "docs/my-notes.md is not"),
    ("path", "(`tiny/engine.py:13`)", "(`engine.py:13`)", "nearest: tiny/engine.py"),
    ("path", "(`pyproject.toml`)", "(`tiny/setup.py`)", "tiny/setup.py is not"),
    ("path", "/tiny/server.py#L7)", "/tiny/serve.py#L7)", "tiny/serve.py"),
    ("line", "`tiny/engine.py:37`; a", "`tiny/engine.py:370`; a", "has 37 lines"),
    ("range", "`tiny/engine.py:15-16`", "`tiny/engine.py:16-15`", "backwards"),
    ("range", "`tiny/engine.py:15-16`", "`tiny/long.py:2-190`", "189 lines"),
    ("symbol", "`tiny/engine.py:29` (`Engine.step`)", "`tiny/engine.py:30` (`Engine.step`)", "defined at tiny/engine.py:29"),
    ("symbol", "`Engine.step` (`tiny/engine.py:29`)", "`Scheduler.step` (`tiny/engine.py:29`)", "Scheduler.step"),
    ("symbol", "server.py#L7) `main`", "server.py#L7) `mane`", "mane does not stand"),
    ("symbol", "`Scheduler.waiting` (`tiny/engine.py:12`)", "`Scheduler.waiting` (`tiny/engine.py:13`)", "waiting"),
    ("claim", "pops from `self.waiting`", "pops from `self.running`", "`self.running`"),
    ("claim", "calls `schedule` and `sample`", "calls `schedule` and `sampler`", "`sampler`"),
    ("claim", "| `TINY_PORT` |", "| `TINY_HOST` |", "TINY_HOST"),
    ("claim", "takes 2048 tokens", "takes 4096 tokens", "4096"),
    ("claim", "batch = scheduler.schedule()  # tiny/engine.py:30", "x = worker.form()  # tiny/engine.py:30", "nothing of"),
    ("section", "## Open questions\n\n- Why 2048?\n", "", "`Open questions` is missing"),
    ("section", "- Why 2048?\n", "", "`Open questions` is empty"),
    ("section", "### Scheduler / batching\n", "", "`Scheduler / batching` is missing"),
    ("table", "| the package | |", "| the package |", "2 cells under 3"),
    ("table", "| Goal | Recommended place | Why |", "| Aim | Recommended place | Why |", "Goal"),
    ("placeholder", "- Why 2048?", "- {question_1}", "{question_1}"),
    ("placeholder", "holds the scheduler", "{notes}", "{notes}"),
    ("placeholder", "# tiny/engine.py:30", "# {path:line}", "{path:line}"),
    ("placeholder", "- Why 2048?", "- <...>", "<...>"),
    ("placeholder", "- Why 2048?", "- <fill this in>", "<fill this in>"),
    ("placeholder", "- Why 2048?", "- TODO", "TODO"),
    ("placeholder", "- Why 2048?", "- Lorem ipsum dolor", "Lorem ipsum"),
    ("mermaid", 'n2["Engine (step)"]', "n2[Engine (step)]", "without quotes"),
    ("mermaid", 'n3["Scheduler"]', "end", "cannot be an id"),
    ("mermaid", "flowchart TB\n", "", "no header"),
    ("formula", "`2 * {num_layers} * {head_dim}`", "`2 * {num_layers} ** {head_dim}`", "no formula"),
    ("tldr", "Requests wait in a deque.\nA server listens on a port from the environment.\n", "", "3 lines"),
    ("module-map", "| the engine |", "| |", "no role"),
    ("components", "| preemption | not present | |\n", "", "5 key components"),
    ("components", "| preemption | not present | |", "| preemption | somewhere | |", "preemption has no pointer"),
    ("llm", "**LLM-related:** yes (signals: KV cache)\n", "", "does not say"),
    ("llm", "- Queue: `Scheduler.waiting` (`tiny/engine.py:12`)", "- There is a queue.", "points to no line"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "old", "new", "said"), PLANTED)
def test_one_mistake_is_one_finding(findings, check, old, new, said):
    planted = replaced(old, new)
    found = findings(planted)
    assert [f[0] for f in found] == [check]
    assert said in found[0][2]
    if check not in ("section", "components", "llm", "tldr", "table") and new:
        first = new.splitlines()[0].strip()
        assert first in planted.splitlines()[found[0][1] - 1]


def test_a_general_summary_is_found(findings):
    start, end = REPORT.index("`tiny` is an engine"), REPORT.index("## What problem")
    dull = "It is fast.\nIt is good.\nIt is modern.\nIt is simple.\nIt is robust.\n\n"
    assert [f[0] for f in findings(REPORT[:start] + dull + REPORT[end:])] == ["tldr-specific"]


def test_wide_ranges_are_found_even_if_each_may_be(findings):
    text = "# Notes\n\n" + "".join(f"- see `tiny/long.py:{i}-{i + 60}`\n" for i in range(1, 7))
    assert [f[0] for f in findings(text)] == ["range-median"]


def test_every_check_is_planted():
    planted = {row[0] for row in PLANTED} | {
        "range-median",
        "tldr-specific",
        "evidence",
        "key",
        "value",
        "total",
    }
    assert planted == {check.id for check in CHECKS}
    assert len({check.id for check in CHECKS}) == len(CHECKS) and all(check.what for check in CHECKS)


@pytest.mark.parametrize(
    ("claim", "found"),
    [
        ("22 lines in 14 methods (`tiny/engine.py:5`)", []),
        ("`OPT` is given (`docs/run.md:7`)", []),  # as a shell reads it
        ("19 examples and 12 documents use it (`tiny/engine.py:5`)", []),
        ("`run --model x --port 80` (`docs/run.md:1`)", []),
        ("`run --model x --po…` (`docs/run.md:1`)", []),  # cut within a word
        ("`cp -r ${batch_size} x` (`docs/run.md:7`)", []),  # a shell's variable and no symbol
        ("`FAST=1 run --port 80 --mod…` (`docs/run.md:1`)", ["claim"]),
        ("serves 1,200 users (`docs/run.md:3`)", []),
        ("serves 1,300 users (`docs/run.md:3`)", ["claim"]),
        ("`run --model x.y-z.f --port 80` (`docs/run.md:5-6`)", []),
        ("sizes 1,2,80 (`docs/run.md:1-2`)", []),  # a list, no number
        ("sizes 1,2,81 (`docs/run.md:1-2`)", ["claim"]),
        ("`./cli.rs` (`docs/run.md:4`)", []),  # as the page spells what lies beside it
        ("`./cli.rs` (`tiny/engine.py:5`)", ["path"]),
        ("`schedule` of 37 tokens (`tiny/engine.py:18`)", ["claim"]),
        ("the package (`tiny/:3`)", ["path"]),
        ("`pip install .` (`pyproject.toml:1`)", []),
        ("`cargo build` (`pyproject.toml:1`)", ["claim"]),
        (r"adds :func:\`no.such\_name\` to it (`tiny/engine.py:5`)", []),  # no code: the backticks are escaped
        ("`--host-name` (`docs/cli.rs:2`)", []),  # by the attribute above
        ("`--port` (`docs/cli.rs:3`)", []),  # the statement goes on
        ("`--other` (`docs/cli.rs:3`)", ["claim"]),
        ("16000 Hz (`docs/cli.rs:9`)", []),  # by the comment above
        ("16000 Hz (`docs/cli.rs:10`)", ["claim"]),
    ],
)
def test_what_counts_as_said_by_the_lines(findings, tmp_path, claim, found):
    page = tmp_path / "tiny-repo" / "docs" / "run.md"
    run = "run --model x \\\n  --port 80\n1,200 users.\n./cli.rs\nrun --model x.y-z.f \\\n  --port 80\nrun $OPT\n"
    page.write_text(run, "utf-8")
    code = (
        '#[arg(id = "host-name", long)]\nhost: String,\nflag(\n  "--port",\n);\n'
        'flag("--other");\n// in Hz,\n// say 16000\nint rate();\nint size();\n'
    )
    page.with_name("cli.rs").write_text(code, "utf-8")
    with open_source(tmp_path / "tiny-repo") as opened:
        (tmp_path / "n.md").write_text(f"- {claim}\n", "utf-8")
        assert [f.check for f in verify(tmp_path / "n.md", opened).findings] == found


def test_notes_of_people_need_no_sections(findings):
    assert findings("Look at `schedule` (`tiny/engine.py:18`), it is fine.\n") == []
    assert [f[0] for f in findings("Look at `tiny/engine.py:18` (`sched`).")] == ["symbol"]


@pytest.mark.parametrize(
    "text",
    [
        "tiny/engine.py:18", "tiny/engine.py:18:5", "`tiny/engine.py#L18`", "`./tiny/engine.py:18`", "tiny/engine.py:18–22",
        "`tiny/engine.py:L18-L22`", "[x](https://gitlab.com/o/n/-/blob/abc/tiny/engine.py#L18-22)", "`docs/my notes.md:1`",
    ],
)  # fmt: skip
def test_the_spellings_of_a_place(findings, tmp_path, source, text):
    assert findings(f"See {text} for it.\n") == []
    assert verify(tmp_path / "report.md", source).places == 1


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:8000",
        "cuda:0",
        "12:30",
        "`nvidia/cuda:12`",
        "`text/html`",
        "`/v1/models`",
        "a:1",
        "::1",
        "`x/y/z`",
    ],
)
def test_what_is_no_place(findings, tmp_path, source, text):
    assert findings(f"See {text} for it.\n") == []
    assert verify(tmp_path / "report.md", source).places == 0


def test_names_that_cannot_be_printed_are_found_as_they_are_spelled(tmp_path):
    root = tmp_path / "odd"
    root.mkdir()
    (root / "a\nb|`c.py").write_text("def f():\n    pass\n")
    report = tmp_path / "report.md"
    report.write_text("| Path | Role |\n| --- | --- |\n| ``a\\nb\\|`c.py:1`` | `f` |\n")
    with open_source(root) as opened:
        verdict = verify(report, opened)
    assert (verdict.findings, verdict.places) == ((), 1)


# JSON


def record(source, start=18, end=22):
    lines = ENGINE.splitlines()
    defs = Sources(source).record("tiny/engine.py").defs
    return to_dict(cite("tiny/engine.py", lines, start, end, defs))


def test_evidence_is_current_moved_changed_or_gone(tmp_path, source, findings):
    data = {"kind": "note", "scheduler": {**record(source), "claim": "pops from `self.waiting`"}}
    assert findings(data, "r.json") == []
    path = next(Path(tmp_path / "tiny-repo").glob("tiny/engine.py"))
    for edit, state in (
        (lambda t: "# new\n" + t, "has moved to tiny/engine.py:19-23"),
        (lambda t: t.replace("popleft", "pop"), "has changed"),
        (lambda t: "x = 1\n", "is gone"),
    ):
        path.write_text(edit(ENGINE), "utf-8")
        with open_source(tmp_path / "tiny-repo") as opened:
            found = verify(tmp_path / "r.json", opened).findings
        assert [f.check for f in found] == ["evidence"] and state in found[0].message
        assert found[0].severity == ("warning" if "moved" in state else "error")
    path.unlink()
    with open_source(tmp_path / "tiny-repo") as opened:
        assert [f.check for f in verify(tmp_path / "r.json", opened).findings] == ["evidence"]


def repo_record():
    data = {}
    for key in template("repo").keys:
        at = data
        *parents, last = key.split(".")
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = []
    data["repo"] |= {"name": "tiny", "llm_related": True, "path_or_url": "https://github.com/o/tiny"}
    data["components"]["scheduler"] = [
        {
            "path": "tiny/engine.py",
            "line": 8,
            "symbol": "Scheduler",
            "score": 1.0,
            "evidence": ["tiny/engine.py:18"],
        }
    ]
    data["modules"] = [{"path": "tiny/engine.py", "role": "has `MAX_TOKENS`"}]
    data["diagram"] = 'flowchart TB\n  n1["a"] --> n2["b"]\n'
    return data


def changed(data, where, value):
    *parents, last = where.split("/")
    for parent in parents:
        data = data[int(parent) if parent.isdigit() else parent]
    if value is None:
        del data[last]
    else:
        data[last] = value


def test_a_good_json_report_has_no_findings(findings):
    assert findings(repo_record(), "r.json") == []


@pytest.mark.parametrize(
    ("check", "where", "value"),
    [
        ("key", "components/sampler", None),
        ("key", "config_surface", None),
        ("path", "modules/0/path", "tiny/engin.py"),
        ("line", "components/scheduler/0/line", 800),
        ("symbol", "components/scheduler/0/line", 9),
        ("symbol", "components/scheduler/0/symbol", "Planner"),
        ("line", "components/scheduler/0/evidence", ["tiny/engine.py:90"]),
        ("claim", "components/scheduler/0/why", "it calls `reschedule`"),
        ("placeholder", "modules/0/role", "{role_1}"),
        ("placeholder", "modules/0/role", "TBD"),
        ("mermaid", "diagram", "flowchart TB\n  end --> b\n"),
        ("formula", "modules/0/role", "2 * {num_layers} +* 3"),
    ],
)
def test_one_mistake_in_json_is_one_finding(findings, check, where, value):
    data = repo_record()
    changed(data, where, value)
    assert [f[0] for f in findings(data, "r.json")] == [check]


def figures(flops, read):
    access = {"read": read, "write": "0"}
    return {"flops": flops, "matmul_flops": "0", "memory_access": access}


def cost_record():
    """A root that calls one module twice, at batch_size 3."""
    leaf = {
        "class_name": "Leaf",
        "kernels": [{"kernel_type": "basic", "repeat": 2, **figures("{batch_size}", "8")}],
    }
    leaf["total"] = figures("2 * {batch_size}", "16")
    call = {"kernel_type": "composite", "repeat": 2, "module": 1, **figures("2 * {batch_size}", "16")}
    root = {
        "class_name": "Root",
        "kernels": [call, {"kernel_type": "basic", "repeat": 1, **figures("5", "0")}],
    }
    root["total"] = figures("4 * {batch_size} + 5", "32")
    totals = figures("4 * {batch_size} + 5", "32")
    totals["values"] = {"flops": 17, "memory_access": {"read": 32, "write": 0}, "at": {"batch_size": 3}}
    return {"convention": {}, "totals": totals, "modules": [root, leaf]}


def test_a_good_cost_has_no_findings(findings):
    assert findings(cost_record(), "cost.json") == []


@pytest.mark.parametrize(
    ("check", "where", "value"),
    [
        ("total", "totals/matmul_flops", "7"),
        ("total", "modules/0/total/memory_access/write", "33"),
        ("total", "modules/1/kernels/0/memory_access/write", "9"),
        ("value", "totals/values/flops", 18),
        ("value", "totals/values/memory_access/read", 31),
        ("formula", "modules/1/kernels/0/flops", "2 * (batch_size"),
    ],
)
def test_one_mistake_in_a_cost_is_one_finding(findings, check, where, value):
    data = cost_record()
    changed(data, where, value)
    expected = ["total", "total"] if where == "modules/0/total/memory_access/write" else [check]
    assert [f[0] for f in findings(data, "cost.json")] == expected


def test_a_cost_that_was_derived_holds(tmp_path):
    import cutaway

    result = cutaway.cost("torch.nn.TransformerEncoderLayer", args={"d_model": 64, "nhead": 4})
    path = tmp_path / "cost.json"
    path.write_text(result.to_json(), "utf-8")
    assert verify(path).findings == ()


# What leaves


def test_text_json_and_sarif(tmp_path, source):
    report = tmp_path / "report.md"
    report.write_text(replaced("takes 2048 tokens", "takes 4096 tokens"), "utf-8")
    verdict = verify(report, source)
    assert to_text(verdict, "report.md").splitlines()[0] == (
        "report.md:13: claim: 4096 does not occur at tiny/engine.py:5"
    )
    data = json.loads(to_json(verdict))
    assert data["findings"][0]["cited"] == {"path": "tiny/engine.py", "start": 5, "end": 5, "symbol": ""}
    assert [c["id"] for c in data["checks"]] == [c.id for c in CHECKS]
    log = json.loads(to_sarif(verdict, "my report.md"))
    result = log["runs"][0]["results"][0]
    assert log["version"] == "2.1.0" and result["ruleId"] == "claim" and result["level"] == "error"
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == "claim"
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20report.md"},
        "region": {"startLine": 13},
    }
    Draft202012Validator(SARIF_PART).validate(log)


SARIF_PART = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "results": {
                        "items": {
                            "required": ["message", "ruleId", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"required": ["text"]},
                            },
                        }
                    }
                },
            },
        },
    },
}


def test_nothing_of_a_report_moves_the_terminal(tmp_path, source):
    report = tmp_path / "report.md"
    report.write_text("See `tiny/\x1b[31mevil\x07.py:3` and `tiny/engine.py:1` (`a`).\n", "utf-8")
    verdict = verify(report, source)
    text = to_text(verdict, "re\nport.md")
    assert verdict.findings and all(line.isprintable() for line in text.splitlines())
    json.loads(to_sarif(verdict, "r.md"))


def test_exit_codes(tmp_path, source, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = tmp_path / "report.md"
    report.write_text(REPORT, "utf-8")
    assert cli.run(["verify", "report.md", "--source", "tiny-repo"]) == 0
    assert "no findings" in capsys.readouterr().out
    report.write_text(replaced("- Why 2048?", "- TODO"), "utf-8")
    assert cli.run(["verify", "report.md", "--source", "tiny-repo", "-o", "found.sarif"]) == 1
    assert json.loads((tmp_path / "found.sarif").read_text("utf-8"))["runs"][0]["results"]
    assert cli.run(["verify", "report.md", "--source", "tiny-repo", "--json"]) == 1
    for words in (
        ["gone.md"], ["report.md"], ["report.md", "--source", "gone"], ["report.md", "--commit", "abc"],
        ["found.sarif", "--source", "tiny-repo", "--format", "csv"], ["tiny-repo"],
    ):  # fmt: skip
        assert cli.run(["verify", *words]) == 2, words
        said = capsys.readouterr().err
        assert said.startswith("error: ") and "Traceback" not in said and "itself failed" not in said


@pytest.mark.parametrize("text", ["[1, 2]", "{}", '{"a": 1}', "{", "\x00\xff", '{"a":' * 5000])
def test_what_is_no_report_is_said_to_be_none(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CutawayError):
        verify(path)


def test_checks_without_a_source_say_what_they_left_out(tmp_path):
    path = tmp_path / "report.md"
    path.write_text(replaced("- Why 2048?", "- TODO"), "utf-8")
    verdict = verify(path)
    assert [f.check for f in verdict.findings] == ["placeholder"] and "path" in verdict.skipped


def test_templates():
    assert set(templates()) == {"repo", "project", "tree"}
    assert len(template("repo").sections) == 19 and template("other") is None


def test_a_value_of_c_is_no_placeholder():
    from cutaway.report.verify.checks.placeholders import _braces, _whole

    assert _braces("{torch::headeronly::ScalarType::Undefined}", in_code=False) == ""
    assert not _whole("{torch::headeronly::ScalarType::Undefined}")
    assert _braces("{path:line}", in_code=False) == "{path:line}"


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("a::Mask.operator()(int)", ["a", "Mask", "operator()"]),
        ("Node.operator->", ["Node", "operator->"]),
        ("Map<K, V>::find(key)", ["Map", "find"]),
        ("self.operator_of.run", ["operator_of", "run"]),
    ],
)
def test_an_operator_is_a_name_with_its_brackets(symbol, parts):
    from cutaway.report.verify.checks.symbols import _parts

    assert _parts(symbol) == parts
