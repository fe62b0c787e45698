# Citations outlive edits: each edit of a small file, and what becomes of one passage in it.
import pytest

from cutaway.model.code import Def
from cutaway.report.escape import code, prose, visible
from cutaway.report.evidence import Citation, cite, digest, link, place, relocate, to_dict, widths
from cutaway.report.permalink import permalink

TEXT = """import os


class Scheduler:
    def add(self, seq):
        self.waiting.append(seq)

    def schedule(self):
        batch = []
        while self.waiting:
            batch.append(self.waiting.popleft())
        return batch


def main():
    pass
""".splitlines()


def defs(lines):
    """A definition ends before the next line that is indented as little."""
    found = []
    for i, line in enumerate(lines):
        word = line.strip().partition("(")[0].rstrip(":").split()
        if line.strip().startswith(("class ", "def ")):
            indent = len(line) - len(line.lstrip())
            rest = enumerate(lines[i + 1 :], i + 1)
            end = next(
                (j for j, later in rest if later.strip() and len(later) - len(later.lstrip()) <= indent),
                len(lines),
            )
            name = word[1] if not indent else f"Scheduler.{word[1]}"
            found.append(Def(name, word[0], i + 1, i + 1, end))
    return found


@pytest.fixture
def citation():
    return cite("a.py", TEXT, 10, 11, defs(TEXT))


def found(citation, lines):
    now = relocate(citation, lines, defs(lines))
    return now.state, now.start, now.end


def test_a_citation_knows_its_definition_and_its_neighbours(citation):
    assert citation.symbol == "Scheduler.schedule"
    assert citation.lines == digest(TEXT[9:11]) and citation.before == digest(TEXT[6:9])
    assert all(len(h) == 8 for h in (citation.lines, citation.first, citation.last, citation.after))


def test_same_text_is_current(citation):
    assert found(citation, TEXT) == ("current", 10, 11)
    assert found(citation, [line + "  " for line in TEXT]) == ("current", 10, 11)


def test_lines_above_move_it(citation):
    assert found(citation, ["# new", *TEXT]) == ("moved", 11, 12)


def test_it_moves_with_its_function(citation):
    moved = [*TEXT[:3], *TEXT[14:], "", *TEXT[3:13]]
    assert found(citation, moved) == ("moved", 13, 14)


def test_of_two_equal_passages_the_one_in_its_definition_is_it(citation):
    twin = ["def other():", *TEXT[8:12], "", *TEXT]
    assert found(citation, twin) == ("moved", 16, 17)


def test_an_edit_inside_changes_it(citation):
    edited = [line.replace("popleft()", "pop()") for line in TEXT]
    assert found(citation, edited) == ("changed", 10, 11)


def test_a_rewritten_definition_changes_it(citation):
    rewritten = [*TEXT[:8], "        return list(self.waiting)", *TEXT[12:]]
    assert found(citation, rewritten)[0] == "changed"


def test_a_renamed_definition_with_an_edit_is_found_by_its_borders(citation):
    whole = cite("a.py", TEXT, 9, 12)
    renamed = [line.replace("schedule", "plan").replace("popleft", "pop") for line in TEXT]
    assert found(whole, renamed) == ("changed", 9, 12)


def test_what_stood_between_its_neighbours_has_changed():
    bare = cite("a.py", TEXT, 10)
    edited = [line.replace("while self.waiting", "for _ in self.waiting") for line in TEXT]
    assert found(bare, edited) == ("changed", 10, 10)


def test_a_deleted_function_is_gone(citation):
    assert found(citation, [*TEXT[:6], *TEXT[13:]]) == ("gone", 0, 0)
    assert relocate(citation, None).state == "gone"
    assert relocate(citation, []).state == "gone"


def test_a_bracket_elsewhere_is_no_evidence():
    lines = ["a {", "  x", "}", "b"]
    assert relocate(cite("a.c", lines, 3), ["q", "r", "s", "}", "t"]).state == "gone"


def test_lines_that_are_not_there_cannot_be_cited():
    for start, end in ((0, 1), (3, 2), (17, 0)):
        with pytest.raises(ValueError, match="lines"):
            cite("a.py", TEXT, start, end)


def test_json_has_the_path_and_lines(citation):
    assert to_dict(citation)["path"] == "a.py" and to_dict(citation)["end"] == 11


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://github.com/o/n", "https://github.com/o/n/blob/0123abcd/a.py#L3-L9"),
        ("https://user:secret@github.com/o/n.git", "https://github.com/o/n/blob/0123abcd/a.py#L3-L9"),
        ("git@github.com:o/n.git", "https://github.com/o/n/blob/0123abcd/a.py#L3-L9"),
        ("ssh://git@github.com/o/n.git", "https://github.com/o/n/blob/0123abcd/a.py#L3-L9"),
        ("https://gitlab.com/g/sub/n.git", "https://gitlab.com/g/sub/n/-/blob/0123abcd/a.py#L3-9"),
        ("git@gitlab.example.org:g/n.git", "https://gitlab.example.org/g/n/-/blob/0123abcd/a.py#L3-9"),
        ("https://github.com/o", ""),
        ("https://github.com/o/n)](x", ""),
        ("https://github.com.evil.org/o/n", ""),
        ("https://example.org/o/n", ""),
        ("/srv/git/n", ""),
        ("https://[bad/o/n", ""),
        ("", ""),
    ],
)
def test_permalinks(remote, url):
    assert permalink(remote, "0123abcd", "a.py", 3, 9) == url


def test_no_permalink_without_a_commit():
    assert permalink("https://github.com/o/n", "", "a.py") == ""
    assert permalink("https://github.com/o/n", "main", "a.py") == ""


HOSTILE = [
    "a\nb.py",
    "a`b`.py",
    "](http://evil)x.py",
    "<img src=x>.py",
    "a|b.py",
    "\x1b[31m.py",
    "‮.py",
    "\udcff.py",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leaves_its_code_span_or_its_link(name):
    cited = link(Citation(name, 1, 2), "https://github.com/o/n", "0123abcd", cell=True)
    assert cited.count("\n") == 0 and cited.isprintable()
    text, _, url = cited[1:].rpartition("](")
    assert not set(url[:-1]) & set('()<> |`"\n') and url.endswith("#L1-L2)")
    fence = text[: len(text) - len(text.lstrip("`"))]
    assert text.count(fence) == 2 or fence not in text[len(fence) : -len(fence)].split()
    assert "|" not in text.replace("\\|", "")
    text.encode("utf-8")


@pytest.mark.parametrize("name", HOSTILE)
def test_prose_has_no_markup(name):
    shown = prose(name)
    assert shown.isprintable()
    assert all(shown[i - 1] == "\\" for i, c in enumerate(shown) if c in "`[]<>|*_" and i >= 0)


def test_prose_links_nothing():
    assert prose("see https://evil.org or www.evil.org") == "see https\\://evil.org or www\\.evil.org"
    assert prose("- item") == "\\- item" and prose("# head") == "\\# head"


def test_code_spans_hold_backticks():
    assert code("``") == "` `` `" and code("") == "` `" and visible("é") == "é"


def test_places():
    assert place(Citation("a.py", 3, 3)) == "a.py:3" and place(Citation("a\nb", 3, 4)) == "a\\nb:3-4"


def test_widths():
    wide = Citation("a.py", 1, 300)
    few = [Citation("a.py", 1, 1), Citation("a.py", 1, 12), wide]
    assert widths(few, lambda c: c is wide).narrow
    assert widths(few, lambda c: False).too_wide == (wide,)
    assert widths([], lambda c: False).narrow
    assert not widths([Citation("a.py", 1, 50)], lambda c: False).narrow
