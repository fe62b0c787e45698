# What the readers of manifests, build files and documents find, one format at a time, and that hostile ones cost nothing.
import random
import time
from textwrap import dedent

import pytest

from cutaway.read.languages import read_file
from cutaway.read.languages.manifests.common import shell_commands


def marks(path, text, *kinds):
    record = read_file(path, dedent(text).encode())
    assert record.parse == "ok", record.why
    return [(m.kind, m.line, m.name, m.detail) for m in record.marks if not kinds or m.kind in kinds]


def names(path, text, *kinds):
    return [name for _, _, name, _ in marks(path, text, *kinds)]


def test_pyproject():
    text = """\
        [project]
        name = "engine"
        requires-python = ">=3.10"
        dependencies = [
          "torch>=2.6",
          "numpy",
        ]
        [project.optional-dependencies]
        dev = ["pytest[x]==8 ; python_version > '3'"]
        [project.scripts]
        engine = "engine.cli:main"
        [project.entry-points."vllm.plugins"]
        mine = "engine.plugin:register"
        [build-system]
        requires = ["setuptools"]
        """
    assert marks("pyproject.toml", text) == [
        ("title", 2, "engine", {}),
        ("dependency", 3, "python", {"version": ">=3.10"}),
        ("dependency", 5, "torch", {"version": ">=2.6"}),
        ("dependency", 6, "numpy", {}),
        (
            "dependency",
            9,
            "pytest",
            {"version": "==8 ; python_version > '3'", "extras": "[x]", "group": "dev"},
        ),
        ("script", 11, "engine", {"target": "engine.cli:main"}),
        ("script", 13, "mine", {"target": "engine.plugin:register", "group": "vllm.plugins"}),
        ("dependency", 15, "setuptools", {"group": "build"}),
    ]


def test_cargo():
    text = """\
        [package]
        name = "router"
        [[bin]]
        name = "serve"
        path = "src/serve.rs"
        [dependencies]
        axum = { version = "0.7", features = ["json"] }
        [dependencies.tokio]
        version = "1"
        [dev-dependencies]
        mock = "2"
        [features]
        cuda = ["dep:cudarc"]
        """
    assert marks("Cargo.toml", text) == [
        ("title", 2, "router", {}),
        ("script", 4, "serve", {"target": "src/serve.rs"}),
        ("dependency", 7, "axum", {"version": "0.7"}),
        ("dependency", 8, "tokio", {"version": "1"}),
        ("dependency", 11, "mock", {"version": "2", "group": "dev-dependencies"}),
        ("target", 13, "cuda", {"type": "feature", "needs": "dep:cudarc"}),
    ]
    default = marks("Cargo.toml", '[package]\nname = "a"\n', "script")
    assert default == [("script", 2, "a", {"target": "src/main.rs", "how": "default"})]


def test_package_json():
    text = """\
        {
          "name": "ui",
          "bin": {"ui": "./bin/ui.js"},
          "scripts": {
            "build": "vite build"
          },
          "dependencies": {"react": "^18"},
          "devDependencies": {"vite": "5"}
        }
        """
    assert marks("package.json", text) == [
        ("title", 2, "ui", {}),
        ("script", 3, "ui", {"target": "./bin/ui.js"}),
        ("command", 5, "vite build", {"where": "script", "target": "build"}),
        ("dependency", 7, "react", {"version": "^18"}),
        ("dependency", 8, "vite", {"version": "5", "group": "dev"}),
    ]


def test_json_with_comments():
    record = read_file("tsconfig.json", b'{\n  // why\n  "a": "x//y", /* b */\n  "c": [1,],\n}\n')
    assert [(m.name, m.line, m.detail) for m in record.marks] == [("a", 3, {"value": "x//y"}), ("c", 4, {})]


def test_requirements_and_go_mod():
    text = "# comment\n-r common.txt\ntorch==2.6.0  # pinned\nray[default]>=2 ; x\n-e ./plugin\n"
    assert marks("requirements/cuda.txt", text) == [
        ("dependency", 3, "torch", {"version": "==2.6.0"}),
        ("dependency", 4, "ray", {"version": ">=2 ; x", "extras": "[default]"}),
        ("dependency", 5, "./plugin", {"kind": "editable"}),
    ]
    assert read_file("requirements.txt", text.encode()).imports[0].module == "common.txt"
    text = "module example.com/x\n\ngo 1.22\n\nrequire (\n\ta.com/b v1.2.3\n\tc.com/d v0.1.0 // indirect\n)\n"
    assert marks("go.mod", text) == [
        ("title", 1, "example.com/x", {"kind": "module"}),
        ("dependency", 3, "go", {"version": "1.22"}),
        ("dependency", 6, "a.com/b", {"version": "v1.2.3"}),
        ("dependency", 7, "c.com/d", {"version": "v0.1.0", "group": "indirect"}),
    ]


def test_setup_py_is_read_and_not_run():
    text = """\
        import os
        REQUIRES = ["torch>=2"]
        raise SystemExit("never run")
        setup(
            name="engine",
            install_requires=REQUIRES,
            extras_require={"dev": ["pytest"]},
            entry_points={"console_scripts": ["engine=engine.cli:main"]},
            ext_modules=[CUDAExtension("engine._C", ["a.cu"])],
        )
        """
    assert marks("setup.py", text, "title", "dependency", "script", "target") == [
        ("dependency", 2, "torch", {"version": ">=2"}),
        ("title", 5, "engine", {}),
        ("dependency", 7, "pytest", {"group": "dev"}),
        ("script", 8, "engine", {"target": "engine.cli:main"}),
        ("target", 9, "engine._C", {"type": "extension", "callee": "CUDAExtension"}),
    ]


def test_setup_cfg():
    text = """\
        [metadata]
        name = engine
        [options]
        install_requires =
            torch>=2
            numpy
        [options.entry_points]
        console_scripts =
            engine = engine.cli:main
        """
    assert marks("setup.cfg", text) == [
        ("title", 2, "engine", {}),
        ("dependency", 5, "torch", {"version": ">=2"}),
        ("dependency", 6, "numpy", {}),
        ("script", 9, "engine", {"target": "engine.cli:main"}),
    ]


def test_dockerfile():
    text = """\
        ARG CUDA=12.4
        FROM nvidia/cuda:${CUDA} AS build
        ENV A=1 B="two words"
        # a comment
        RUN --mount=type=cache,target=/x pip install \\
            # inside
            torch
        RUN <<EOF
        make all
        EOF
        EXPOSE 8000
        ENTRYPOINT ["python", "-m", "engine.serve"]
        """
    assert marks("docker/Dockerfile.cpu", text) == [
        ("env", 1, "CUDA", {"default": "12.4", "via": "ARG"}),
        ("dependency", 2, "nvidia/cuda", {"version": "${CUDA}", "kind": "image", "stage": "build"}),
        ("target", 2, "build", {"type": "stage"}),
        ("env", 3, "A", {"default": "1", "via": "ENV"}),
        ("env", 3, "B", {"default": "two words", "via": "ENV"}),
        ("command", 5, "pip install torch", {"where": "RUN", "stage": "build"}),
        ("command", 8, "<<EOF; make all", {"where": "RUN", "stage": "build"}),
        ("literal", 11, "EXPOSE", {"value": "8000"}),
        ("command", 12, "python -m engine.serve", {"where": "ENTRYPOINT", "stage": "build"}),
    ]


def test_images_are_those_from_elsewhere_by_the_name_that_they_have():
    text = "ARG BASE=org/engine:1.2\nARG OTHER\nFROM $BASE AS Build\nFROM ${OTHER}\nFROM build AS final\n"
    found = [(line, name, detail.get("version", "")) for kind, line, name, detail in
             marks("Dockerfile", text) if kind == "dependency"]  # fmt: skip
    assert found == [(1, "org/engine", "1.2"), (4, "${OTHER}", "")]


def test_makefile():
    text = "PORT ?= 80\nCC := gcc\n.PHONY: all\ninclude common.mk\n\n"
    text += "all: build test ## everything\n\t@cargo build \\\n\t  --release\nbuild:\n\tmake -C x\n"
    assert marks("Makefile", text) == [
        ("env", 1, "PORT", {"default": "80", "via": "?="}),
        ("target", 6, "all", {"needs": "build test", "help": "everything"}),
        ("command", 7, "cargo build --release", {"where": "recipe", "target": "all"}),
        ("target", 9, "build", {}),
        ("command", 10, "make -C x", {"where": "recipe", "target": "build"}),
    ]
    assert read_file("Makefile", text.encode()).imports[0].module == "common.mk"


def test_cmake():
    text = """\
        project(engine LANGUAGES CXX CUDA)
        option(USE_CUDA "with (CUDA)" ON)
        find_package(Torch 2.1 REQUIRED)
        FetchContent_Declare(cutlass GIT_REPOSITORY https://x/y.git GIT_TAG v3)
        add_library(core STATIC
          a.cpp   # one )
          b.cu)
        add_executable(server main.cpp)
        set(X $ENV{X_DIR})
        add_subdirectory(src)
        """
    assert marks("CMakeLists.txt", text) == [
        ("title", 1, "engine", {"languages": "CXX CUDA"}),
        ("flag", 2, "-DUSE_CUDA", {"help": "with (CUDA)", "default": "ON"}),
        ("dependency", 3, "Torch", {"version": "2.1"}),
        ("dependency", 4, "cutlass", {"version": "v3", "url": "https://x/y.git"}),
        ("target", 5, "core", {"type": "library", "callee": "add_library", "sources": "a.cpp b.cu"}),
        ("target", 8, "server", {"type": "executable", "callee": "add_executable", "sources": "main.cpp"}),
        ("env", 9, "X_DIR", {"via": "$ENV"}),
    ]


def test_only_the_head_of_a_script_describes_it():
    assert read_file("a.sh", b"#!/bin/sh\nset -e\n\n# Builds it all.\nmake\n").doc == "Builds it all."
    assert read_file("a.sh", b"#!/bin/sh\nmake\n# no tests here\nmake x\n").doc == ""


@pytest.mark.parametrize(("line", "command"), [
    ("$ uv venv --python=3.{x}  # which Python you want", "uv venv --python=3.{x}"),
    ("make all # a 'comment'", "make all"), ('make "X=a # b" y', 'make "X=a # b" y'), ("make 'a # b' # c", "make 'a # b'"),
    ("curl https://a.b/#c", "curl https://a.b/#c"), (r"make a\ #b c", r"make a\ #b c"),
])  # fmt: skip
def test_a_comment_is_no_part_of_a_command(line, command):
    assert shell_commands([(1, line)]) == [(1, command)]


def test_shell():
    text = """\
        #!/bin/bash
        # Starts the server.
        export MODEL="llama"
        serve() {
          python -m engine --port ${PORT:-8000}
        }
        case $1 in
          -p|--port) shift ;;
        esac
        serve now
        """
    record = read_file("run.sh", dedent(text).encode())
    assert record.doc == "Starts the server." and [(d.name, d.start, d.end) for d in record.defs] == [
        ("serve", 4, 6)
    ]
    assert [(c.callee, c.scope, c.line) for c in record.calls] == [("serve", -1, 10)]
    assert marks("run.sh", text) == [
        ("env", 3, "MODEL", {"default": "llama", "via": "export", "write": "1"}),
        ("env", 5, "PORT", {"default": "8000", "via": "${}"}),
        ("command", 5, "python -m engine --port ${PORT:-8000}", {"where": "script"}),
        ("flag", 8, "--port", {"also": "-p"}),
    ]


def test_workflow():
    text = """\
        name: ci
        on: [push]
        jobs:
          test:
            runs-on: x
            env:
              TOKEN: "a: b"
            steps:
              - uses: actions/checkout@v4
              - name: run
                run: |
                  pip install -e .
                  pytest \\
                    -q
        """
    assert marks(".github/workflows/ci.yml", text) == [
        ("title", 1, "ci", {}),
        ("target", 4, "test", {"type": "job"}),
        ("env", 7, "TOKEN", {"default": "a: b", "via": "env"}),
        ("dependency", 9, "actions/checkout", {"version": "v4", "kind": "action"}),
        ("command", 12, "pip install -e .", {"where": "run", "target": "test"}),
        ("command", 13, "pytest -q", {"where": "run", "target": "test"}),
    ]


def test_compose_and_other_yaml():
    text = """\
        services:
          api:
            image: engine:1.2
            command: serve --port 80
            environment:
              - MODEL=llama
              - TOKEN
        """
    assert marks("docker-compose.yml", text) == [
        ("target", 2, "api", {"type": "service"}),
        ("dependency", 3, "engine", {"version": "1.2", "kind": "image"}),
        ("command", 4, "serve --port 80", {"where": "command", "target": "api"}),
        ("env", 6, "MODEL", {"default": "llama", "via": "environment"}),
        ("env", 7, "TOKEN", {"via": "environment"}),
    ]
    assert marks("values.yaml", "a: 1 # x\nb:\n  c: 2\n") == [
        ("literal", 1, "a", {"value": "1"}),
        ("literal", 2, "b", {}),
    ]


def test_readme():
    text = """\
        # Engine

        An engine that serves language models to people in a hurry.

        ## Install

        ```bash
        # first
        $ pip install engine \\
            --extra-index-url x
        Installing ...
        ```
        ```sh
        curl http://x -d '{
          "a": 1}'
        ```
        ```python
        import engine
        ```
        ```
        $ engine serve
        listening on 8000
        ```
        """
    commands = marks("README.md", text, "command")
    assert commands == [
        ("command", 9, "pip install engine --extra-index-url x", {"where": "document", "section": "Install"}),
        ("command", 14, """curl http://x -d '{ "a": 1}'""", {"where": "document", "section": "Install"}),
        ("command", 21, "engine serve", {"where": "document", "section": "Install"}),
    ]
    assert [(n, t, d["level"]) for _, n, t, d in marks("README.md", text, "title")] == [
        (1, "Engine", "1"),
        (5, "Install", "2"),
    ]
    assert read_file("README.md", dedent(text).encode()).doc.startswith("An engine that serves")
    assert not marks("docs/design/internals.md", text, "command")


def test_badges_lists_and_links_are_no_description():
    text = (
        "# Q\n\n[![Build Status](https://a.b/c.svg)](https://a.b/c) [![Release](https://a.b/d.svg)](https://a.b/d)\n\n<ul>\n"
        "<li><b>Source</b>: <a href='https://a.b'>the place of all the source code</a>\n</ul>\nDocumentation: https://a.b/docs/of/q/in/full\n\n"
        "1. Install it, which takes a while, and then start it\n\nMoves messages from one place to another, without loss.\n"
    )
    assert read_file("README.md", text.encode()).doc == "Moves messages from one place to another, without loss."


def test_rst():
    text = "Engine\n======\n\nWords.\n\n.. code-block:: bash\n\n   pip install engine\n\nMore.\n"
    assert marks("README.rst", text) == [
        ("title", 1, "Engine", {"sign": "="}),
        ("command", 8, "pip install engine", {"where": "document"}),
    ]


HOSTILE = {
    "a.yaml": "a: &a [x]\nb: &b [*a, *a]\n" * 2000 + "- " * 3000,
    "a.json": "[" * 100_000,
    "package.json": '{"scripts": [1], "bin": 3, "dependencies": null}',
    "pyproject.toml": "[project]\nname = 3\nscripts = 3\ndependencies = {a = 1}\n[tool.poetry]\ndependencies = []\n",
    "Cargo.toml": "bin = 3\nfeatures = 2\n[package]\nname = []\n",
    "deep.toml": "a = " + "[" * 50_000,
    "CMakeLists.txt": "add_library(" * 5000 + '"' * 5001,
    "Makefile": "a:" * 5000 + "\\\n" * 5000,
    "Dockerfile": "RUN <<A\n" * 3000 + "ENV \nFROM\n" + "RUN a \\\n" * 3000,
    "run.sh": "f() {\n" * 3000 + "'" * 5001 + "${A:-" * 3000,
    "README.md": "```\n" * 3001 + "[" * 5000 + "<" * 5000,
    "setup.py": "setup(install_requires=x, entry_points=[1], extras_require={**a, 1: 2})\nx = x\n",
    "setup.cfg": "[options\n = \n[options]\n  a\n",
    "go.mod": "require (((\nmodule\n",
    "requirements.txt": "-r\n@@@\n" * 2000,
}


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_text_never_raises(path):
    started = time.process_time()
    text = HOSTILE[path]
    chance = random.Random(path)
    for sample in (text, text[: len(text) // 2], "".join(chance.sample(text[:2000], min(len(text), 2000)))):
        assert read_file(path, sample.encode()).parse in ("ok", "skipped", "fallback", "errors")
    assert time.process_time() - started < 30  # not a speed: a quadratic reader takes minutes


def test_a_target_stands_on_the_line_of_its_name():
    text = 'add_library(\n  core\n  "src/a.cc")\nadd_executable(tool main.cc)\n'
    marks = read_file("CMakeLists.txt", text.encode()).marks
    assert [(m.name, m.line) for m in marks if m.kind == "target"] == [("core", 2), ("tool", 4)]
