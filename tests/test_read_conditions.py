# Conditions of the preprocessor that cut through expressions and blocks, and flags that parsers are told by calls on calls.
import pytest

from cutaway.read.languages.c_conditions import first_branches
from cutaway.read.languages.c_family import read_cpp
from cutaway.read.languages.c_macros import without_macros
from cutaway.read.languages.go import read_go

CLASS = """template <typename T>
class Attention {
public:
    void forward(T *in) {
%s
            run(in);
        }
    }
    void copy(T *in) { store(in); }
};
"""
WITHIN = """        if ((is<T, float>())
#if defined(WIDE)
                || (is<T, half>())
#else
                || (is<T, byte>())
#endif
        ) {"""
ACROSS = """#ifdef WIDE
        if (wide(in)) {
#else
        if (narrow(in)) {
#endif"""


@pytest.mark.parametrize("cut", [WITHIN, ACROSS])
def test_a_condition_that_cuts_a_statement_leaves_the_class_whole(cut):
    record = read_cpp("a.h", CLASS % cut)
    assert [d.name for d in record.defs] == ["Attention", "Attention.forward", "Attention.copy"]
    assert record.parse == "ok"


def test_offsets_stay_and_only_what_cuts_is_blanked():
    text = (CLASS % WITHIN).encode()
    changed = first_branches(text)
    assert len(changed) == len(text)
    assert changed.count(b"\n") == text.count(b"\n")
    assert b"is<T, half>" in changed
    assert b"is<T, byte>" not in changed
    assert b"#" not in changed


@pytest.mark.parametrize(
    "text",
    [
        b"#ifndef A_H\n#define A_H\n#ifdef X\nint f() { return 1; }\n#else\nint f() { return 2; }\n#endif\n#endif\n",
        b'#ifdef __cplusplus\nextern "C" {\n#endif\nint f();\n#ifdef __cplusplus\n}\n#endif\n',
        b'void f() { puts("(\\n#if {"); /* ( #else */ }\n#if A\n#endif\n',
    ],
)
def test_whole_branches_are_left_to_the_grammar(text):
    assert first_branches(text) == text


def flags(record):
    return {m.name: m.detail for m in record.marks if m.kind == "flag"}


def test_flags_of_a_parser_that_is_told_by_calls_on_what_it_returns():
    source = """package main

func main() {
	var (
		path = kingpin.Flag("config.file", "Where settings are.").Short('c').Default("a.yml").Envar("APP_CONFIG").String()
		wide = app.Flag("wide", "Show more.").Bool()
		none = team.Flag("red", colour)
	)
}
"""
    record = read_go("main.go", source)
    found = flags(record)
    assert set(found) == {"--config.file", "--wide"}
    told = {k: found["--config.file"][k] for k in ("also", "type", "default", "help")}
    assert told == {"also": "-c", "type": "string", "default": "a.yml", "help": "Where settings are."}
    assert [m.name for m in record.marks if m.kind == "env"] == ["APP_CONFIG"]


def test_flags_of_a_parser_with_a_letter_and_a_help():
    source = """int main(int argc, char **argv) {
    cmdline::parser args;
    args.add<int>("loop", 'l', "number of loops", false, 3);
    args.add("quiet", '\\0', "say less");
    list.add("name", other, "text");
}
"""
    found = flags(read_cpp("main.cpp", source))
    assert set(found) == {"--loop", "--quiet"}
    assert {k: found["--loop"][k] for k in ("also", "type", "default")} == {"also": "-l", "type": "int", "default": "3"}


def test_only_a_sign_that_begins_a_line_is_a_directive():
    text = "#if X\nif (a) {\n#else\nif (b) {\n #endif\n}\n"
    assert first_branches(text.encode()).decode().split() == ["if", "(a)", "{", "}"]
    amid = text.replace("#if", "x #if")
    assert first_branches(amid.encode()).decode() == amid


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("class API_X Name : Base {};", "class       Name : Base {};"),
        ("subclass API_X Name {};", "subclass API_X Name {};"),
        ('  OLD(int f(int a), "new");\nOLD(int g(), "h");', "      int f(int a)        ;\n    int g()      ;"),
        ('x OLD(int f(int a), "new");', 'x OLD(int f(int a), "new");'),
        ("int API_CALL run(int a);", "int          run(int a);"),
    ],
)
def test_macros_are_blanked_where_they_stand(text, read):
    assert without_macros(text.encode()).decode() == read
