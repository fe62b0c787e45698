# What Go, Rust and C++ libraries let out, on trees small enough to be read here.
from cutaway.facts.config_classes import find_config_classes
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.env_vars import find_env_vars
from cutaway.read.languages import read_file
from cutaway.read.memory import program_of as program


def library(tree):
    return {(e["path"], e["symbol"]) for e in find_entrypoints(program(tree)) if e["kind"] == "library"}


def many(template, count=40):
    return "".join(template.format(n=n) for n in range(count))


def test_a_go_package_that_a_program_calls_is_its_face_and_what_it_hands_out_too():
    tree = {
        "go.mod": "module example.com/q\n\ngo 1.21\n",
        "cmd/q/main.go": (
            'package main\n\nimport "example.com/q/daemon"\n\nfunc main() {\n\td := daemon.Open()\n\td.Drain()\n}\n'
        ),
        "daemon/daemon.go": (
            "package daemon\n\ntype Daemon struct {\n\tn int\n}\n\nfunc Open() *Daemon {\n\treturn &Daemon{}\n}\n\n"
            "func (d *Daemon) Drain() {\n\td.n = 0\n}\n\nfunc (d *Daemon) Count() int {\n\treturn d.n\n}\n\n"
            "func Unused() {\n}\n"
        ),
        "daemon/internal/x.go": "package x\n\nfunc Open() {\n}\n",
    }
    assert library(tree) == {
        ("daemon/daemon.go", "Open"), ("daemon/daemon.go", "Daemon"), ("daemon/daemon.go", "Daemon.Drain"),
    }  # fmt: skip


def test_of_a_large_go_library_what_its_readme_shows_and_what_begins():
    tree = {
        "go.mod": "module example.com/lib\n",
        "lib.go": "package lib\n\nfunc NewServer() {\n}\n\nfunc Shown() {\n}\n" + many("\nfunc Helper{n}() {{\n}}\n"),
        "README.md": "# lib\n\n```go\nlib.Shown()\n```\n",
    }
    assert library(tree) == {("lib.go", "NewServer"), ("lib.go", "Shown")}


def test_a_crate_lets_out_what_it_reexports_and_what_others_import_from_its_modules():
    tree = {
        "Cargo.toml": '[package]\nname = "my-kv"\nversion = "0.1.0"\n',
        "src/lib.rs": "mod inner;\npub mod server;\npub use inner::{\n    Client,\n};\nuse inner::Hidden;\n",
        "src/inner.rs": "pub struct Client {\n    n: u8,\n}\n\npub struct Hidden {\n    n: u8,\n}\n",
        "src/server.rs": "pub async fn run() {\n    loop {}\n}\n" + many("\npub fn aside{n}() {{\n    todo!()\n}}\n"),
        "src/bin/kv.rs": "use my_kv::server;\n\nfn main() {\n    server::run();\n}\n",
    }
    assert library(tree) == {("src/server.rs", "run")}
    tree["src/server.rs"] = "pub async fn run() {\n    loop {}\n}\n"
    assert library(tree) == {("src/server.rs", "run"), ("src/inner.rs", "Client")}


def test_an_item_is_used_by_the_name_under_which_it_is_imported_and_by_no_namesake():
    tree = {
        "Cargo.toml": '[package]\nname = "nets"\n',
        "src/lib.rs": "pub mod a;\npub mod b;\n",
        "src/a.rs": "pub struct Net {\n    n: u8,\n}\n" + many("\npub fn f{n}() {{\n    todo!()\n}}\n"),
        "src/b.rs": "pub struct Net {\n    n: u8,\n}\n",
        "examples/run.rs": "use nets::a as net;\nuse net::Net;\n\nfn main() {\n    let n = Net { n: 1 };\n}\n",
    }
    assert library(tree) == {("src/a.rs", "Net")}


EXPORTED = """
EX_API struct ex_model * ex_load_model(const char * path);
DEPRECATED(EX_API struct ex_model * ex_old(
               const char * path),
           "use ex_load_model instead");
EX_API ex_status * EX_CALL ex_decode(struct ex_model * model, int token);
"""


def test_what_a_macro_exports_is_public_wherever_its_header_stands():
    tree = {"src/ex.h": EXPORTED, "src/other.h": "int inner(int a);\n"}
    assert library(tree) == {("src/ex.h", "ex_load_model"), ("src/ex.h", "ex_decode")}


def test_of_public_headers_what_programs_use():
    tree = {
        "include/lib/pipe.h": (
            "namespace lib {\nclass Pipe {\n public:\n  void push(int x);\n  int size();\n};\n"
            "class Aside {\n public:\n  int n();\n};\n}\n"
        ),
        "src/detail.h": "struct Detail {\n  int n();\n};\n",
        "cli/main.cc": (
            '#include "lib/pipe.h"\n#include "../src/detail.h"\n'
            "int main() {\n  lib::Pipe p;\n  p.push(1);\n  Detail d;\n}\n"
        ),
    }
    assert library(tree) == {("include/lib/pipe.h", "lib.Pipe"), ("include/lib/pipe.h", "lib.Pipe.push")}


def test_macros_where_the_grammar_has_no_word_change_no_text():
    text = EXPORTED + "class EX_API Llm : public Base {\n public:\n  void run();\n};\nint after(int a);\n"
    record = read_file("ex.hpp", text.encode())
    found = {d.name: d for d in record.defs}
    assert set(found) == {"ex_load_model", "ex_old", "ex_decode", "Llm", "Llm.run", "after"}
    assert found["Llm"].kind == "class" and found["Llm"].bases == ["Base"]
    assert "EX_CALL" in found["ex_decode"].signature and found["ex_decode"].line == 6


def test_variables_read_in_a_macro_or_by_the_name_of_a_constant():
    tree = {
        "src/a.rs": 'thread_local! {\n    static ALL: bool = {\n        std::env::var("DEQUANTIZE_ALL").is_ok()\n    }\n}\n',
        "src/b.cc": (
            'std::string name() {\n  constexpr const char* kName = "TRACE_FILE";\n  return GetEnv(kName);\n}\n'
        ),
        "main.go": 'package main\n\nconst hostVar = "Q_HOST"\n\nfunc main() {\n\thost := os.Getenv(hostVar)\n}\n',
    }
    assert [v["name"] for v in find_env_vars(program(tree))] == ["DEQUANTIZE_ALL", "Q_HOST", "TRACE_FILE"]


def test_settings_in_groups_and_fields_made_by_macros():
    tree = {
        "src/config.hpp": (
            "struct Config {\n  struct Search {\n    int top_k{50};\n  };\n  Search search;\n};\n"
            "struct Options {\n  DEFINE_ARG(int32_t, block_size) = 8;\n  void check(int a, int b);\n};\n"
        )
    }
    found = {c["symbol"]: [(f["name"], f["default"]) for f in c["fields"]] for c in find_config_classes(program(tree))}
    assert found["Options"] == [("block_size", "8")]
    assert found["Config.Search"][0][0] == "top_k"
