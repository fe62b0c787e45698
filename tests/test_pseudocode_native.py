# Functions of the languages that tree-sitter reads, reduced: each line's text is the source's, at the line where it stands.
import pytest

from cutaway.facts.pseudocode import pseudocode
from cutaway.read.memory import program_of

NATIVE = {
    "a.rs": """\
fn work(jobs: Vec<Job>) -> Result<u8> {
    println!("begins"); // says so
    let kind = match jobs.len() {
        0 => return Err(Empty),
        _ => pick(&jobs),
    };
    for job in jobs {
        job.first() /* not
            this */ .second()?;
    }
    Ok(kind)
}
fn pick(jobs: &[Job]) -> u8 { 1 }
""",
    "a.go": """\
package a

func Work(c chan int) error {
\tif err := pick(); err != nil {
\t\treturn err
\t} else if other() {
\t\tpick()
\t}
\tadd("each", func() {
\t\tselect {
\t\tcase v := <-c:
\t\t\tput(v)
\t\tdefault:
\t\t}
\t})
\treturn nil
}

func pick() error { return nil }
""",
    "a.cpp": """\
int work(int kind) {
    do {
        switch (kind) {
        case 1:
            return pick(kind);
        default:
            break;
        }
    } while (kind);
    try {
        pick(2);
    } catch (const std::exception& e) {
        end(e);
    }
    return 0;
}
int pick(int kind) { return kind; }
""",
    "a.ts": """\
export async function work(app: App) {
    app.get("/a", async (request, reply) => {
        await pick(request);
    });
    while (true) { await pick(1); }
}
async function pick(one) { return one; }
""",
}
REDUCED = {
    "a.rs": [
        (1, "let kind = match jobs.len()", 3),
        (2, "0 =>", 4),
        (3, "return Err(Empty)", 4),
        (2, "_ =>", 5),
        (3, "pick(&jobs)", 5),
        (1, "for job in jobs", 7),
        (2, "job.first() .second()?", 8),
    ],
    "a.go": [
        (1, "if err := pick(); err != nil", 4),
        (2, "return err", 5),
        (1, "if other()", 6),
        (2, "pick()", 7),
        (1, 'add("each", func()', 9),
        (2, "select", 10),
        (3, "case v := <-c:", 11),
        (4, "put(v)", 12),
        (1, "return nil", 16),
    ],
    "a.cpp": [
        (1, "do", 2),
        (2, "switch (kind)", 3),
        (3, "case 1:", 4),
        (4, "return pick(kind)", 5),
        (3, "default:", 6),
        (4, "break", 7),
        (1, "try", 10),
        (2, "pick(2)", 11),
        (1, "catch (const std::exception& e)", 12),
        (2, "end(e)", 13),
        (1, "return 0", 15),
    ],
    "a.ts": [
        (1, 'app.get("/a", async (request, reply) =>', 2),
        (2, "await pick(request)", 3),
        (1, "while (true)", 5),
        (2, "await pick(1)", 5),
    ],
}


@pytest.mark.parametrize("path", NATIVE)
def test_pseudocode_of_every_grammar_is_its_control_flow_and_calls(path):
    program = program_of({path: NATIVE[path]})
    definition = next(d for d in program.record(path).defs if d.name.lower() == "work")
    lines = pseudocode(program, path, definition)[1:]
    assert [(p["depth"], p["text"], p["line"]) for p in lines] == REDUCED[path]


def test_a_statement_over_lines_is_cited_to_where_its_text_ends():
    program = program_of({"a.rs": NATIVE["a.rs"]})
    lines = pseudocode(program, "a.rs", program.definition("a.rs", "work"))
    assert [(p["line"], p["end"]) for p in lines if "end" in p] == [(8, 9)]
