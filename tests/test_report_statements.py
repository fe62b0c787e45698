# Sentences that reports must not say: what only a name, a declaration or a coincidence of words speaks for; and those that
# they must.
import pytest

import cutaway
from cutaway.facts.config_classes import find_config_classes
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.extensions import find_extension_points
from cutaway.facts.llm import llm_verdict
from cutaway.facts.project import find_project
from cutaway.facts.pseudocode import pseudocode
from cutaway.facts.states import find_states
from cutaway.facts.tasks import creation_points
from cutaway.read.memory import program_of

GO = """\
package main

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	w := &Worker{}
	go w.run()
	go func() {
		defer wg.Done()
		fetch(1)
	}()
	<-c
	w.Close()
	os.Exit(1)
}

type Worker struct{ queue chan int }

func (w *Worker) run() {
	for {
		w.step()
	}
}
func (w *Worker) step()  {}
func (w *Worker) Close() { close(w.queue) }
func fetch(n int)        {}

type Door struct{}

func (d *Door) Close() { d.ajar = false }
"""


@pytest.fixture
def written(tmp_path):
    """Files -> the Markdown of a report about them."""

    def write(files: dict[str, str], kind: str = "project") -> str:
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        return cutaway.report(str(tmp_path), kind=kind, cache=False).to_markdown()

    return write


def part(text: str, title: str) -> list[str]:
    """The items of a list below a bold title."""
    lines = text.partition(f"**{title}**\n")[2].lstrip("\n").splitlines()
    return lines[: lines.index("")] if "" in lines else lines


def test_what_is_only_named_an_end_is_none(written):
    text = written({"main.go": GO, "go.mod": "module x\n"})
    assert part(text, "Shutdown") == ["- `Worker.Close` `main.go:25`: ends: close"]
    assert "Door.Close" not in text


def test_signals_and_exits_end_a_program(written):
    text = written({"main.go": GO, "go.mod": "module x\n"})
    assert part(text, "What ends it") == [
        "- asks to be told of os.Interrupt, SIGTERM: signal.Notify in main: `main.go:5`",
        "- exits: os.Exit in main: `main.go:14`",
    ]


def test_goroutines_are_started_and_closures_are_not_what_they_call():
    rows = {r["symbol"]: r for r in creation_points(program_of({"main.go": GO, "go.mod": "module x\n"}))}
    assert rows["main"]["spawns"] == ["main.go:Worker.run"]
    assert rows["main"]["closures"] == [{"line": 8, "calls": "fetch"}]
    assert rows["Worker.run"]["runs_as"] == "goroutine"


def test_a_closure_of_rust_calls_no_attribute():
    text = (
        "fn main() {\n    std::thread::spawn(move || {\n        #[allow(unused)]\n        let a = listen(1);\n    });\n"
        "    std::thread::spawn(\n        #[allow(unused)]\n        || log::info!(1),\n    );\n}\n"
    )
    (row,) = creation_points(program_of({"src/main.rs": text}))
    assert (row["spawns"], row["closures"]) == (
        [],
        [{"line": 2, "calls": "listen"}, {"line": 6, "calls": ""}],
    )


def test_a_pool_runs_nothing_before_it_is_told():
    text = "from concurrent.futures import ThreadPoolExecutor\ndef main():\n    pool = ThreadPoolExecutor(max_workers=3)\n"
    (row,) = creation_points(program_of({"a.py": text}))
    assert row["spawns"] == [] and row["evidence"][0]["why"] == "makes an executor"


def test_types_of_an_interface_make_no_language_model():
    declared = "interface Ask { top_p: number; prompt_tokens: number; logits: number; num_heads: number; prefill: number }\n"
    assert not llm_verdict(program_of({"src/types.ts": declared})).related
    used = (
        declared
        + "export function ask(a: Ask) { return a.top_p + a.prompt_tokens + a.logits + a.num_heads + a.prefill }\n"
    )
    assert llm_verdict(program_of({"src/types.ts": used})).related


def test_a_note_without_words_is_no_pitfall():
    files = {"a.py": "def f():\n    # FIXME\n    return g()  # FIXME: breaks on empty input\n"}
    (note,) = find_project(program_of(files))["pitfalls"]
    assert (note["line"], note["what"]) == (3, "its author marked it FIXME: breaks on empty input")


def test_words_alike_are_no_second_source():
    files = {
        "settings.py": "import os\nA = os.getenv('DB_PASSWORD')\nB = os.getenv('SMTP_HOST')\nC = os.getenv('S3_KEY')\n",
        "cli.py": "import argparse\np = argparse.ArgumentParser()\np.add_argument('--password')\n",
    }
    assert find_project(program_of(files))["pitfalls"] == []


def test_an_experiment_slows_a_wait_and_no_look_up():
    loop = "class Loop:\n    def run(self):\n        while True:\n            self.seen.get(1)\n            self.step()\n{}\n"
    main = "    def step(self): ...\ndef main():\n    Loop().run()\nif __name__ == '__main__':\n    main()\n"

    def kinds(extra: str) -> set[str]:
        program = program_of({"a.py": loop.format(extra) + main})
        return {e["kind"] for e in find_project(program)["experiments"]}

    assert "timing" not in kinds("")
    assert "timing" in kinds("            time.sleep(2)\n")


GUARDED = """\
namespace store {
class Base {
 public:
  Base()
      :
#if !defined(NDEBUG)
        limit_(1),
#endif
        size_(0) {}
  void add(int n) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int take() LOCKS_EXCLUDED(mutex_) { return 1; }

 private:
  std::vector<int> rows_ GUARDED_BY(mutex_);
};
class Disk : public Base {
  int head_ PT_GUARDED_BY(mutex_) = 0;
};
class Memory : public Base {};
}  // namespace store
"""


def test_locks_and_conditions_leave_the_classes_around_them():
    record = program_of({"store.cc": GUARDED}).record("store.cc")
    assert record.parse == "ok"
    assert [d.name for d in record.defs if d.kind == "class"] == ["store.Base", "store.Disk", "store.Memory"]
    assert [b.target for b in record.binds if b.kind == "field"] == ["rows_", "head_"]
    made = program_of({"t.h": "#define GUARDED_BY(x) __attribute__((guarded_by(x)))\nint a;\n"}).record("t.h")
    assert [d.name for d in made.defs if d.kind == "macro"] == ["GUARDED_BY"]


def test_what_several_implement_takes_one_more():
    rust = "pub trait Backend { fn go(&self); }\n" + "".join(
        f"pub struct {n};\nimpl Backend for {n} {{ fn go(&self) {{}} }}\n" for n in ("Cpu", "Gpu")
    )
    go = "package a\ntype Store interface { Put(k string) }\ntype One struct{}\nfunc (o *One) Put(k string) {}\n"
    files = {"src/lib.rs": rust, "store.cc": GUARDED, "a.go": go}
    points = {p["goal"]: p["why"] for p in find_extension_points(program_of(files))}
    assert points == {
        "another Backend": "2 types implement it: Cpu, Gpu",
        "another Base": "2 types derive from it: Disk, Memory",
    }
    files["b.go"] = "package a\ntype Two struct{}\nfunc (t *Two) Put(k string) {}\n"
    points = {p["goal"]: p["why"] for p in find_extension_points(program_of(files))}
    assert points["another Store"] == "2 types implement it: One, Two"


def test_fields_of_a_struct_are_its_state(written):
    assert "- State: `queue` `main.go:17`." in written({"main.go": GO, "go.mod": "module x\n"})


def test_a_tree_looks_into_namespaces_and_knows_customary_names(written):
    files = {
        "lib/store.cc": GUARDED, "LICENSE": "x\n",
        "lib/base.cc": 'namespace s {\nvoid Base::a() { b(); }\nvoid Base::b() {}\n}\n',
        "lib/base.h": "int open(int a);\n", "lib/base_test.cc": "TEST_F(BaseTest, Grows) {\n  a();\n}\n",
    }  # fmt: skip
    text = " ".join(written(files, "tree").split())
    for line in (
        "store.cc # 3 classes: Base, Disk, Memory (lib/store.cc:2)",
        "base.cc # 2 methods of Base: a, b (lib/base.cc:2)",
        "base.h # declares function open (lib/base.h:1)",
        "base_test.cc # test: test BaseTest.Grows (lib/base_test.cc:1)",
        "LICENSE # terms of use",
    ):
        assert line in text, text


def test_what_stands_before_a_model_is_no_engine(written):
    go = (
        "package main\n\nfunc main() {\n\tmux.HandleFunc(\"/v1/chat/completions\", forward)\n\tserve(mux)\n}\n\n"
        "type Scheduler struct {\n\twaiting []Request\n\trunning []Request\n}\n\n"
        "func (s *Scheduler) schedule() Request {\n\tr := s.waiting[0]\n\ts.waiting = s.waiting[1:]\n"
        "\ts.running = append(s.running, r)\n\treturn r\n}\n\n"
        "func forward(w http.ResponseWriter, r *http.Request) {\n\tpromptTokens := count(r)\n"
        "\trelay(w, ChatCompletionRequest{promptTokens})\n}\n"
    )  # fmt: skip
    text = written({"main.go": go, "go.mod": "module x\n"}, "repo")
    assert "**LLM-related:** yes" in text and "decides what is done next" in text
    assert "decides which requests run in the next step" not in text
    assert "more parts of an engine." in text


def test_commands_say_what_they_do_some_of_each_kind(written):
    readme = (
        "# X\n\nX keeps all of the things that one gives it to keep.\n\n## Install\n\n```bash\n"
        + "".join(f"pip install p{n}\n" for n in range(9))
    )
    readme += "yarn add p1\nnpm install p1\nmake build\npython -m x.serve --port 1\n${{ x }}/make it\n```\n"
    lines = written({"README.md": readme, "x/serve.py": "print()\n"}, "repo").splitlines()
    first = lines.index("### Install / build") + 2
    commands = lines[first : lines.index("", first)]
    assert (
        commands[0]
        == "- `pip install p0` (what it does: installs p0 for Python; shown under Install, `README.md:8`)"
    )
    assert sum("for JavaScript" in line for line in commands) == 1 and len(commands) <= 12
    assert any("runs the module x.serve" in line for line in commands) and not any(
        "${{" in line for line in commands
    )


def test_a_readme_in_html_and_a_package_say_what_things_are_for(written):
    files = {
        "README.md": '<div align="center">\n  <h2>\n    A board on which one draws by hand. </br>\n  </h2>\n</div>\n\n'
        "## Features\n\nIt supports:\n\n- 🎨&nbsp;Hand-drawn like style & more.\n",
        "packages/math/package.json": '{"name": "@x/math", "description": "Functions of mathematics"}\n',
        "packages/math/README.md": "# math\n\n## Install\n\nIf you prefer Yarn over npm, use this command to install it:\n",
        "packages/math/index.ts": "export function add(a: number, b: number) { return a + b }\n",
        "packages/app/index.ts": "import { add } from '../math'\nexport class App { run() { add(1, 2) } }\n",
        "packages/app/tsconfig.json": '{\n  // settings\n  "strict": true,\n}\n',
        "packages/empty/__init__.py": "",
    }  # fmt: skip
    text = written(files, "repo")
    assert "- A board on which one draws by hand (`README.md:3`)." in text
    assert "- Hand-drawn like style &amp; more. (`README.md:11`)" in text
    assert "| `packages/math/` | Functions of mathematics |" in text and "prefer Yarn" not in text
    assert "packages/empty" not in text and "tsconfig.json`" not in text.partition("## Open questions")[2]


def test_an_own_name_is_asked_about_and_a_strangers_is_not():
    text = (
        "class Loop:\n    def run(self):\n        while True:\n            self.a.append(1)\n            self.b.step()\n"
        "    def step(self): ...\nimport threading\nclass Ticker(threading.Thread):\n    def run(self):\n"
        "        while True:\n            time.sleep(1)\n            # TODO(ann). Write it\n"
    )
    asked = [q["question"] for q in find_project(program_of({"a.py": text}))["questions"]]
    assert any("self.b.step" in q for q in asked) and not any("append" in q or "Ticker" in q for q in asked)


def test_a_header_steps_back_behind_its_body_and_importers_are_callers():
    files = {
        "store.h": "class Store {\n public:\n  int get(int k);\n  int put(int k);\n};\n",
        "store.cc": '#include "store.h"\nint Store::get(int k) { return put(k); }\nint Store::put(int k) { return k; }\n',
        "use.cc": '#include "store.h"\nint ask(Store& s) { return s.get(1); }\nint tell(Store& s) { return s.put(1); }\n',
    }
    critical = {m["path"]: m for m in find_project(program_of(files))["critical"]}
    assert "store.h" not in critical
    assert {c["symbol"] for c in critical["store.cc"]["callers"]} == {"ask", "tell"}


def test_constants_of_a_type_are_states_and_setters_move_them():
    go = (
        "package a\n\ntype DoorState string\n\nconst (\n\tOpen DoorState = \"open\"\n\tShut DoorState = \"shut\"\n)\n\n"
        "type Door struct{ state atomic.Value }\n\nfunc (d *Door) push() {\n\td.state.Store(Open)\n\td.log(Shut)\n}\n"
    )  # fmt: skip
    cpp = (
        "enum LampState { kDark, kLit };\nenum Other { kSeen };\nstruct Lamp { LampState state; };\n"
        "void flip(Lamp* l) { l->state = kLit; }\n"
    )
    found = {m["name"]: m for m in find_states(program_of({"a.go": go, "lamp.cc": cpp}))}
    moved = {n: [(t["to"], t["by"], t["line"]) for t in m["transitions"]] for n, m in found.items()}
    assert moved == {"DoorState": [("Open", "Door.push", 13)], "LampState": [("kLit", "flip", 4)]}


def test_a_handler_is_cited_with_what_it_does():
    text = "def f():\n    try:\n        g()\n    except Exception:\n        log(1)\n        sleep(10)\n"
    (row,) = find_project(program_of({"a.py": text}))["errors"]
    assert (row["line"], row["evidence"][0]["end"]) == (4, 6)


def test_a_page_and_a_package_are_entered_at_a_file():
    files = {
        "app/index.html": '<script>1</script>\n<script type="module" src="/src/main.tsx"></script>\n',
        "app/src/main.tsx": "render()\n",
        "packages/m/package.json": '{\n "name": "@x/m",\n "main": "./dist/index.js"\n}\n',
        "packages/m/src/index.ts": "export const a = 1\n",
    }
    entries = {(e["kind"], e["path"], e["name"]) for e in find_entrypoints(program_of(files))}
    assert entries == {
        ("page", "app/src/main.tsx", "app/index.html"),
        ("library", "packages/m/src/index.ts", "@x/m"),
    }


def test_a_class_called_timer_starts_nothing():
    text = "class Timer:\n    def __init__(self, name): ...\ndef f():\n    Timer('a')\n"
    assert creation_points(program_of({"a.py": text})) == []
    library = "from threading import Timer\ndef f():\n    Timer(1, g)\n"
    assert [r["kind"] for r in creation_points(program_of({"a.py": library}))] == ["timer"]


def test_tables_of_what_runs_hold_only_what_is_used(written):
    text = (
        "import queue, threading\nclass A:\n    def __init__(self):\n        self.jobs = queue.Queue()\n"
        "        self.idle = queue.Queue()\n        self.lock = threading.Lock()\n        self.free = threading.Lock()\n"
        "    def put(self, j):\n        with self.lock:\n            self.jobs.put(j)\n"
        "    def run(self):\n        while True:\n            self.jobs.get()\n"
    )
    report = written({"a.py": text})
    assert "`A.jobs` `a.py:4` | queue.Queue, unbounded" in report and "`A.lock`" in report
    assert (
        "A.idle" not in report.partition("**Queues**")[2] and "`A.free`" not in report.partition("**Locks")[2]
    )


def test_pseudocode_keeps_loops_that_work_in_their_condition_and_what_is_tried():
    text = (
        "def run(self):\n    while not self.stop:\n        while self.step():\n            pass\n        while True:\n"
        "            pass\n    try:\n        x = fetch(1)\n    except OSError:\n        raise\n"
    )
    program = program_of({"a.py": text})
    lines = [(r["depth"], r["text"]) for r in pseudocode(program, "a.py", program.definition("a.py", "run"))]
    assert lines[1:] == [
        (1, "while not self.stop:"), (2, "while self.step():"), (1, "try:"), (2, "x = fetch(1)"),
        (1, "except OSError:"), (2, "raise"),
    ]  # fmt: skip


def test_a_part_of_a_program_that_django_knows_holds_no_settings():
    text = "class ShopConfig(AppConfig):\n    name = 'shop'\nclass MailConfig:\n    host: str = 'a'\n    port: int = 1\n"
    assert [c["symbol"] for c in find_config_classes(program_of({"a.py": text}))] == ["MailConfig"]


def test_a_map_of_many_modules_draws_the_strongest_imports(written):
    names = [f"p{n}" for n in range(9)]
    files = {
        f"{n}/a.py": "".join(f"import {m}.a\n" for m in names if m != n) + "def f():\n    return 1\n"
        for n in names
    }
    files |= {f"{n}/__init__.py": "" for n in names}
    drawn = written(files, "repo").partition("```mermaid")[2].partition("```")[0]
    assert drawn.count("-->") == 18
