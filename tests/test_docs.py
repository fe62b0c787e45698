# Documents are tests: what they show is run, what exists is mentioned, what they link to is there. Lines of
# `…` in an example stand for any lines. Answers are kept in one folder for all documents, so each target is
# traced once a worker at most.
import contextlib
import doctest
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from cutaway import cli
from cutaway.rules import KINDS, api
from cutaway.rules.registry import load

ROOT = Path(__file__).parents[1]
DOCS = runpy.run_path(str(ROOT / "scripts" / "docs.py"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PLANNED = {"explore", "mcp"}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
EXAMPLES = [
    page
    for page in PAGES
    if any(kind in ("console", "python") for kind, _ in BLOCK.findall(page.read_text("utf-8")))
]


def ids(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", EXAMPLES, ids=ids)
def test_examples_print_what_is_shown(page, here, capsys):
    names = {}
    for kind, text in BLOCK.findall(page.read_text("utf-8")):
        if kind == "python" and text.startswith("# ") and text.partition("\n")[0].endswith(".py"):
            (here / text.partition("\n")[0][2:]).write_text(text.partition("\n")[2], "utf-8")
        elif kind == "python":
            run_python(text, names, page)
        elif kind == "console":
            run_console(text, capsys)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    text = BLOCK.sub("", page.read_text("utf-8"))
    assert [link for link in LINK.findall(text) if not leads_somewhere(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_no_path_of_a_machine(page):
    assert re.findall(r"(?<![\w.])/(?:work|tmp|home|root|Users|mnt|opt)/\S*", page.read_text("utf-8")) == []


def test_every_command_is_in_the_documents():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in DOCS["commands"]() if f"`cutaway {name}" not in readme] == []


def test_documents_speak_of_commands_that_exist():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    named = set(re.findall(r"(?:`|^\$ |^)cutaway ([a-z]+)\b", text, re.MULTILINE))
    assert named - set(DOCS["commands"]()) == set()


def test_planned_commands_are_planned_still():
    planned = PLANNED & set(DOCS["commands"]())
    assert not planned, f"no longer planned: {planned}; say so in README.md and CHANGELOG.md"


def test_every_kind_of_rule_is_in_the_documents():
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert [kind for kind in KINDS if f"| `{kind}` |" not in text] == []


def test_the_reference_is_what_the_commands_say():
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == DOCS["page"](), "python scripts/docs.py"


def test_every_folder_is_on_the_map():
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    folders = [path.parent for path in (ROOT / "src" / "cutaway").glob("*/__init__.py")]
    assert [f.name for f in folders if f"### `src/cutaway/{f.name}`" not in text] == []
    code = set(re.findall(r"`(\w+/\w+\.py)`", text))
    assert [
        path for path in code if not any((base / path).exists() for base in (ROOT, ROOT / "src/cutaway"))
    ] == []


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a\nb", "a\nc"),
        ("a\n…\nc", "a\nb"),
        ("…\nb", "a\nb\nc"),
        ("a\n…", "b\na"),
        ("a", "a\nb"),
    ],
)
def test_an_example_that_is_wrong_is_found(shown, printed):
    assert not fits(shown, printed)


@pytest.fixture
def here(tmp_path, tmp_path_factory, monkeypatch):
    """An empty folder to work in, a cache for all documents, and no rule of an example left behind."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "popen-gw" in base.name else base
    monkeypatch.setenv("CUTAWAY_CACHE_DIR", str(shared / "cutaway-docs"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    load()  # ours, before those of an example
    rules = dict(api.TABLE)
    yield tmp_path
    api.TABLE.clear()
    api.TABLE.update(rules)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def run_python(text, names, page):
    """A doctest, in the names of the blocks before it; or plain code."""
    if ">>>" not in text:
        exec(compile(text, ids(page), "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(text, names, ids(page), ids(page), 0)
    said = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert not result.failed, "".join(said)


def run_console(text, capsys):
    """Each `$ cutaway …` in this process; what follows it is what it prints, stderr too."""
    code = 0
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        capsys.readouterr()
        if command == "echo $?":
            print(code)
        else:
            program, *argv = shlex.split(command)
            assert program == "cutaway"
            with contextlib.suppress(SystemExit):
                code = cli.run(argv)
        out, err = capsys.readouterr()
        printed = "\n".join(line.rstrip() for line in (out + err).rstrip("\n").split("\n"))
        assert fits(shown.rstrip("\n"), printed), f"$ {command}\n{printed}"


def fits(shown, printed):
    """Whether `printed` is `shown`, where a line of `…` is any number of lines."""
    parts = re.split(r"^…$", shown, flags=re.MULTILINE)
    return re.fullmatch(r"(?:.*\n)*?.*".join(re.escape(part) for part in parts), printed) is not None


def leads_somewhere(page, link):
    """A file of this repository, and the heading in it."""
    if "://" in link:
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in {
        slug(line) for line in target.read_text("utf-8").splitlines() if line.startswith("#")
    }


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.lstrip("# ").strip().lower()).replace(" ", "-")
