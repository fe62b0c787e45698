# Where programs start, on trees small enough to be read here.
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.read.memory import program_of as program

LIBRARY = {
    "pkg/__init__.py": "from pkg.llm import LLM\nfrom .options import Options as Options\n",
    "pkg/llm.py": "from pkg.engine import Engine\n\nclass LLM(Engine):\n    pass\n",
    "pkg/engine.py": "class Engine:\n    def generate(self, prompts):\n        return prompts\n    def _hidden(self): ...\n",
    "pkg/options.py": "from dataclasses import dataclass\n@dataclass\nclass Options:\n    top_k: int = 1\n",
    "example.py": "from pkg import LLM\ndef main():\n    LLM().generate([])\nif __name__ == '__main__':\n    main()\n",
    "tests/test_it.py": "def main(): ...\nif __name__ == '__main__':\n    main()\n",
}


def found(tree):
    return {(e["kind"], e["path"], e["symbol"]) for e in find_entrypoints(program(tree))}


def test_exported_classes_and_their_inherited_work():
    assert found(LIBRARY) == {
        ("library", "pkg/llm.py", "LLM"),
        ("library", "pkg/engine.py", "Engine.generate"),
        ("library", "pkg/options.py", "Options"),
        ("example", "example.py", "main"),
    }


def test_an_export_is_followed_through_an_alias_and_a_table_of_lazy_imports():
    tree = {
        "pkg/__init__.py": 'TABLE = {"Engine": ".old:Engine"}\ndef __getattr__(name): ...\n',
        "pkg/old.py": "from pkg.new import Core\nEngine = Core\n",
        "pkg/new.py": "class Core:\n    def run(self): ...\n",
    }
    assert found(tree) == {("library", "pkg/new.py", "Core"), ("library", "pkg/new.py", "Core.run")}


def test_a_star_hands_on_what_the_module_lists_or_defines():
    tree = {
        "pkg/__init__.py": "from pkg.core import *\nfrom .parts import *\n",
        "pkg/core.py": '__all__ = ["Core"]\nclass Core:\n    def run(self): ...\nclass Detail:\n    def run(self): ...\n',
        "pkg/parts/__init__.py": "from .one import Part\nfrom .two import *\n",
        "pkg/parts/one.py": "class Part:\n    def start(self): ...\nclass Unseen: ...\n",
        "pkg/parts/two.py": "from .one import Unseen\ndef helps(): ...\ndef _hidden(): ...\n",
    }
    assert found(tree) == {
        ("library", "pkg/core.py", "Core"), ("library", "pkg/core.py", "Core.run"),
        ("library", "pkg/parts/one.py", "Part"), ("library", "pkg/parts/one.py", "Part.start"),
        ("library", "pkg/parts/two.py", "helps"),
    }  # fmt: skip


def test_packages_side_by_side_that_hand_out_nothing_are_no_namespace():
    tree = {f"{name}/__init__.py": "" for name in ("tests_of", "work", "notes", "eval_it")}
    tree |= {"pkg/__init__.py": "from .a import A\n", "pkg/a.py": "class A:\n    def run(self): ...\n"}
    assert ("library", "pkg/a.py", "A") in found(tree)


def test_a_class_that_one_example_derives_from_is_a_library_s_face():
    tree = {
        "pkg/__init__.py": "from .a import A\n",
        "pkg/a.py": "class A: ...\n",
        "pkg/b.py": "class Base: ...\nclass Called: ...\n",
        "examples/x.py": "from pkg.b import Base, Called\nclass Mine(Base): ...\nCalled()\n",
    }
    kinds = found(tree)
    assert ("library", "pkg/b.py", "Base") in kinds and ("library", "pkg/b.py", "Called") not in kinds


def test_the_function_that_runs_is_named_and_not_the_helpers_before_it():
    tree = {
        "tool.py": "def parse(): ...\ndef work(x): ...\nif __name__ == '__main__':\n    a = parse()\n    work(a)\n"
    }
    assert ("cli", "tool.py", "work") in found(tree)


def test_what_opens_the_server_and_what_a_parser_dispatches_to():
    tree = {
        "app/web.py": "import uvicorn\nasync def serve(args):\n    uvicorn.run(args)\n",
        "app/cli.py": (
            "import argparse\nfrom app.web import serve\nclass Base:\n    def cmd(self): raise NotImplementedError\n"
            "class Serve(Base):\n    def cmd(self, args):\n        serve(args)\n"
            "def main():\n    p = argparse.ArgumentParser()\n    for c in [Serve()]:\n        p.set_defaults(func=c.cmd)\n"
        ),
    }
    assert found(tree) == {
        ("server", "app/web.py", "serve"), ("server", "app/cli.py", "Serve.cmd"), ("cli", "app/cli.py", "main"),
    }  # fmt: skip


def test_decorated_commands_and_command_lines_made_from_functions():
    tree = {
        "a.py": "import typer\napp = typer.Typer()\n@app.command()\ndef go(n: int = 1): ...\n",
        "b.py": "from jsonargparse import CLI\nfrom c import train\nTABLE = {'train': train}\nCLI(TABLE)\n",
        "c.py": "def train(lr: float = 0.1): ...\n",
    }
    assert {("cli", "a.py", "go"), ("cli", "c.py", "train")} <= found(tree)


def test_scripts_run_without_a_main():
    calls = "".join(f"print({n})\n" for n in range(8))
    tree = {"train.py": calls, "helper.py": calls, "use.py": "import helper\n" + calls}
    assert found(tree) == {("cli", "train.py", ""), ("cli", "use.py", "")}


def test_every_entry_is_proved_by_a_line():
    for entry in find_entrypoints(program(LIBRARY)):
        assert entry["line"] >= 1 and entry["evidence"]
        for proof in entry["evidence"]:
            assert proof["text"] in LIBRARY[proof["path"]].splitlines()[proof["line"] - 1]


def test_an_example_is_a_program_though_a_package_lies_around_it():
    tree = {"examples/__init__.py": "", "examples/run.py": "from pkg import LLM\nllm = LLM()\nprint(llm.generate([]))\n"}
    assert ("example", "examples/run.py", "") in found(tree)


def test_what_several_examples_and_documents_use_is_a_packages_face():
    tree = {
        "pkg/__init__.py": "",
        "pkg/web.py": "class Handler: ...\nclass Rare: ...\ndef route(x): ...\n",
        "pkg/low.py": "def make(): ...\n",
        "demos/a.py": "import pkg.web\nfrom pkg import low\nclass Mine(pkg.web.Handler): ...\nlow.make()\n",
        "demos/b.py": "import pkg.web\nclass Mine(pkg.web.Handler): ...\npkg.web.Rare()\n",
        "demos/c.py": "from pkg import low\nlow.make()\n",
        "README.md": "```python\nfrom pkg.web import (\n    route,  # one\n)\n```\n",
        "docs/guide.rst": "Do this::\n\n    from pkg.web import route\n",
    }
    often = {("pkg/web.py", "Handler"), ("pkg/low.py", "make"), ("pkg/web.py", "route")}
    assert {e[1:] for e in found(tree) if e[0] == "library"} == {*often, ("pkg/web.py", "Rare")}
    tree |= {"pkg/__init__.py": "from pkg.one import One\n", "pkg/one.py": "class One: ...\n"}
    assert {e[1:] for e in found(tree) if e[0] == "library"} == {*often, ("pkg/one.py", "One")}


def test_methods_that_examples_and_documents_call_belong_to_the_face():
    tree = {
        "pkg/__init__.py": "from pkg.llm import LLM\n",
        "pkg/llm.py": "class LLM:\n    def create_chat(self): ...\n    def create_rare(self): ...\n",
        "examples/a.py": "from pkg import LLM\nllm = LLM()\nllm.create_chat()\n",
        "README.md": "```python\nllm.create_chat()\nllm.create_rare()\n```\n",
    }
    library = {e[2] for e in found(tree) if e[0] == "library"}
    assert library == {"LLM", "LLM.create_chat"}
