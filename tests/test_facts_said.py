# Statements of a report that were false of some repository, each with the smallest code of which they were.
import re

import pytest

from cutaway.facts.build_install import find_build_install
from cutaway.facts.config_surface import find_config_surface
from cutaway.facts.describing import describes
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.errors import find_errors
from cutaway.facts.languages import find_languages
from cutaway.facts.modules import find_modules
from cutaway.facts.pitfalls import find_pitfalls
from cutaway.facts.project import find_project
from cutaway.facts.reach import entry_reach
from cutaway.facts.states import find_states
from cutaway.read.memory import program_of
from cutaway.report.repo.architecture_map import architecture_map
from cutaway.report.repo.page import Page


def page_of(files, **facts):
    program = program_of(files)
    program.source.url = program.source.commit = ""
    return Page({"repo": {}, **facts}, program)


def pitfalls(files):
    program = program_of(files)
    entries, config = find_entrypoints(program), find_config_surface(program)
    rows = find_pitfalls(
        program, find_project(program, entries, config), config, entry_reach(program, entries)
    )
    return [(r["kind"], r["line"]) for r in rows]


@pytest.mark.parametrize(
    "text",
    [
        "-*- mode: c++ -*-",
        "vim: set ts=4 :",
        "indent = tab tab-size = 4",
        "tab-width: 4",
        "Copyright 2020 A",
        "1. First",
        "<id> <ip:port@cport> <flags> 07c3 127.0.0.1:30004 slave",
    ],
)
def test_what_an_editor_or_lawyer_is_told_describes_nothing(text):
    assert not describes(text)


def test_tabs_are_described_all_the_same():
    assert describes("Tabs of the window, and what is shown in each") and describes("Models that speak")


FLAG = """\
import os, argparse
p = argparse.ArgumentParser()
p.add_argument("--interval", type=int,
               default=os.environ.get("APP_INTERVAL", "3"))
p.add_argument("--workers")
p.add_argument("--silent")


def elsewhere():
    return os.environ.get("APP_WORKERS")
"""


def test_a_flag_whose_default_is_a_variable_has_one_source():
    assert pitfalls({"a.py": FLAG}) == [("two sources", 10)]


CLASS = """\
class Config:
    @classmethod
    def load(cls, text):
        return cls.parse(cls, text), Config.parse(cls, text), cls.made(text, 2)

    def parse(self, text):
        return text

    @classmethod
    def made(cls, text):
        return text


if __name__ == "__main__":
    Config.load("a")
"""


def test_one_flag_and_the_keys_of_many_services_are_not_the_same_setting():
    names = ["ONE_API_KEY", "TWO_API_KEY"]
    text = 'import os, argparse\nargparse.ArgumentParser().add_argument("--api-key")\ndef f():\n    return '
    one, both = (
        text + " or ".join(f'os.environ.get("{n}")' for n in some) + "\n" for some in (names[:1], names)
    )
    assert pitfalls({"a.py": one}) == [("two sources", 4)] and pitfalls({"a.py": both}) == []


def test_a_method_called_by_its_class_is_given_whose_it_is():
    assert pitfalls({"a.py": CLASS}) == [("wrong call", 4)]
    assert pitfalls({"a.py": CLASS.replace(", cls.made(text, 2)", "")}) == []


LOOPS = """\
class Plug:
    def __init_subclass__(cls): ...


class Worker:
    def run(self):
        while self.width() < 3:
            self.grow()
        while not self.stopped:
            self.step()
            self.rest()

    def width(self): ...
    def grow(self): ...
    def step(self): ...
    def rest(self): ...


class Missing(Exception):
    pass


def fail():
    raise Missing


if __name__ == "__main__":
    Worker().run()
"""


def test_of_several_loops_the_one_that_goes_on_is_named():
    program = program_of({"a.py": LOOPS})
    project = find_project(program, find_entrypoints(program))
    (loop,) = project["lifecycle"]["main_loop"]
    assert loop["evidence"][0]["line"] == 9
    assert [r["symbol"] for r in project["lifecycle"]["startup"] if "subclass" in r["symbol"]] == []
    assert [m["symbol"] for m in project["critical"]] == ["Worker"]


def test_a_mere_exception_is_no_chief():
    text = "class Missing(Exception): ...\ndef work():\n    raise Missing\ndef main():\n    work()\n"
    text += "if __name__ == '__main__':\n    main()\n"
    (module,) = find_project(program_of({"a.py": text}))["critical"]
    assert module["symbol"] in ("main", "work")


STATES = """\
class Base:
    def __init__(self):
        self.done = False
        self.begun = False

    def on_text(self): ...
    def on_tool(self): ...
    def on_end(self): ...


class Stream(Base):
    def read(self):
        self.begun = True

    def end(self):
        self.done = True
"""


def test_what_a_subclass_sets_is_the_attribute_of_its_base():
    machine = next(m for m in find_states(program_of({"a.py": STATES})) if m["name"] == "Base")
    assert {(s["name"], t["line"]) for s in machine["states"] for t in s["set"]} == {
        ("begun", 13),
        ("done", 16),
    }


CAUGHT = {
    "a.ts": "export function f() {\n  try {\n    g();\n  } catch (e) {\n    console.log(e);\n  }\n}\n",
    "a.cpp": "int f() {\n  try {\n    g();\n  } catch (const std::exception& e) {\n    throw Wrong(e);\n  }\n}\n",
    "a.go": "package a\n\nfunc F() {\n\tos.Exit(1)\n}\n",
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.ts", ("is logged", "catch", 4)),
        ("a.cpp", ("becomes another", "const std::exception& e", 4)),
        ("a.go", ("ends the process", "", 4)),
    ],
)
def test_failures_are_caught_in_every_language(path, found):
    assert found in [
        (r["kind"], r["caught"], r["line"]) for r in find_errors(program_of({path: CAUGHT[path]}))
    ]


README = """\
<!--- Copyright of those who made it, all rights
reserved by them. -->
> ### ⚠️ This project is no longer maintained
> It is no secret that maintaining it is hard.

If you are considering donating, please first consider donating to:

## News

##### 22 March 2026

We have released the third version of it in spring.

## Description

- quick
- small
1. right
2. plain

Shows what a machine does, by process
and by disk. It is quick.
"""
MANIFESTS = {
    "setup.py": 'setup(\n    name="it",\n    description=read("README.md"),\n    description="Packs what comes in.",\n)\n',
    "CMakeLists.txt": 'project(it\n  VERSION 1\n  DESCRIPTION "Packs what comes in."\n  LANGUAGES CXX)\n',
}


def test_what_a_readme_says_of_its_makers_is_not_what_the_thing_is():
    page = page_of({"README.md": README})
    assert page.about() == ("Shows what a machine does, by process and by disk", ("README.md", 21, 22))


@pytest.mark.parametrize("path", MANIFESTS)
def test_what_it_is_by_its_manifest(path):
    said = page_of({"README.md": README, path: MANIFESTS[path]}).about()
    assert said and said[0] == "Packs what comes in" and said[1][0] == path


TREES = {
    "go": {"go.mod": "module a.b/c\n", "main.go": 'package main\n\nimport "a.b/c/sub"\n\nfunc main() { sub.Run() }\n',
           "sub/run.go": "package sub\n\nfunc Run() {}\n"},
    "rust": {"Cargo.toml": '[package]\nname = "c"\n', "src/main.rs": "mod sub;\nuse crate::sub::run;\nfn main() { run(); }\n",
             "src/sub.rs": "pub fn run() {}\n"},
    "cpp": {"main.cpp": '#include "sub.hpp"\nint main() { return run(); }\n', "sub.hpp": "int run();\n",
            "sub.cpp": '#include "sub.hpp"\nint run() { return 1; }\n'},
    "ts": {"main.ts": 'import { run } from "./sub";\nrun();\n', "sub.ts": "export function run() {}\n"},
}  # fmt: skip


@pytest.mark.parametrize("language", TREES)
def test_the_map_has_the_imports_of_every_language(language):
    page = page_of(TREES[language], call_nesting=[], modules=find_modules(program_of(TREES[language])))
    lines = architecture_map(page)
    named = dict(re.findall(r'(n\d+)\["([^"]+)"\]', "\n".join(lines)))
    arrows = [[named[n] for n in re.findall(r"n\d+", line)] for line in lines if "-->" in line]
    (used,) = [other for user, other in arrows if "main" in user]
    assert "sub" in used and not used.endswith(".cpp")


HEADERS = {
    "CMakeLists.txt": "project(show)\nadd_executable(show main.cpp)\nadd_library(p OBJECT a.cpp)\nadd_library(q INTERFACE)\n"
    "add_library(elf::elf UNKNOWN IMPORTED)\nadd_custom_target(page DEPENDS page.1)\n",
    "main.cpp": "#include <fmt/core.h>\nint main() { return print(); }\n",
    "include/fmt/core.h": "int print();\n",
    "examples/one.cpp": "#include <fmt/core.h>\nint main() { return print(); }\n",
}


@pytest.mark.parametrize(
    ("more", "exported"),
    [("", False), ("add_library(it STATIC b.cpp)", True), ("add_library(show INTERFACE)", True)],
)
def test_what_makes_programs_alone_lets_no_headers_out(more, exported):
    files = {**HEADERS, "CMakeLists.txt": HEADERS["CMakeLists.txt"] + more}
    assert ("library" in {e["kind"] for e in find_entrypoints(program_of(files))}) == exported


def test_a_heading_is_said_without_its_markup():
    text = "# How do I use `tool` to build?\n\n```sh\ncargo run --release\n```\n"
    rows = find_build_install(program_of({"README.md": text, "Cargo.toml": '[package]\nname = "tool"\n'}))
    assert any(row["what"] == "shown under How do I use tool to build?" for row in rows)


def test_scripts_under_a_dotted_key_have_their_line():
    manifest = '[project]\nname = "q"\nversion = "1"\nscripts.q = "q.cli:main"\n'
    program = program_of({"pyproject.toml": manifest, "q/__init__.py": "", "q/cli.py": "def main():\n    pass\n"})
    assert [m.line for m in program.record("pyproject.toml").marks if m.kind == "script"] == [4]


def test_a_language_of_empty_files_is_none():
    program = program_of({"a.go": "package a\n\nfunc F() {}\n", "x/__init__.py": ""})
    assert [row["name"] for row in find_languages(program)] == ["Go"]
