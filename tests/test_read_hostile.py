# A repository is hostile text: reading it runs nothing, follows nothing, waits for nothing, and ends in records or an error.
import io
import os
import socket
import stat
import subprocess
import sys
import tarfile
import zipfile

import pytest

from cutaway.errors import CutawayError, Unreadable
from cutaway.read import archive, files, folder, git
from cutaway.read.index import Index
from cutaway.read.source import open_source

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs FIFOs, links and signals")


@pytest.fixture
def tree(tmp_path):
    """A function that writes a dict of files below a folder."""

    def write(contents, name="repo"):
        (tmp_path / name).mkdir(exist_ok=True)
        for path, data in contents.items():
            place = tmp_path / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data if isinstance(data, bytes) else data.encode())
        return tmp_path / name

    return write


def run_git(root, *args):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *who, *args], cwd=root, env=env, check=True, capture_output=True)


def committed(root):
    run_git(root, "init", "-q")
    run_git(root, "add", "-A")
    run_git(root, "commit", "-qm", "one")
    return root


def records(target, commit=None, **options):
    with open_source(target, commit) as source, Index.open(source, **options) as index:
        return source, dict(index.records())


def every_form(root):
    """The records of a repository read as work tree, as commit and as git directory."""
    return [records(root)[1], records(root, "HEAD")[1], records(root / ".git")[1]]


def leaving_a_mark(mark):
    return f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n"


def test_code_of_a_repository_is_not_run(tree, tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    code = leaving_a_mark(mark)
    names = [
        "setup.py",
        "conftest.py",
        "pkg/__init__.py",
        "sitecustomize.py",
        "usercustomize.py",
        "msgspec.py",
        "ast.py",
        "git",
    ]
    root = committed(tree(dict.fromkeys(names, code) | {"a.pth": f"import os; open({str(mark)!r}, 'w')"}))
    (root / "git").chmod(0o755)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    git.executable.cache_clear()
    for found in [*every_form(root), records(root, processes=1)[1]]:
        assert found["setup.py"].parse == "ok" and found["pkg/__init__.py"].imports
    git.executable.cache_clear()
    assert not mark.exists()


@POSIX
def test_what_a_repository_configures_is_not_run(tree, tmp_path):
    mark, script = tmp_path / "mark", tmp_path / "script"
    script.write_text(f'#!/bin/sh\necho "$0 $@" >> {mark}\ncat\n')
    script.chmod(0o755)
    root = committed(
        tree(
            {"a.py": "a = 1\n", "b.txt": "b\n", ".gitattributes": "* filter=evil diff=evil merge=evil text\n"}
        )
    )
    settings = {
        "core.fsmonitor": script, "core.sshCommand": script, "core.hooksPath": tmp_path / "hooks", "core.pager": script,
        "core.editor": script, "core.askPass": script, "core.gitProxy": script, "core.alternateRefsCommand": script,
        "filter.evil.clean": script, "filter.evil.smudge": script, "filter.evil.process": script,
        "filter.evil.required": "true", "diff.evil.textconv": script, "diff.evil.command": script, "diff.external": script,
        "alias.ls-files": f"!{script}", "alias.ls-tree": f"!{script}", "alias.cat-file": f"!{script}",
        "alias.rev-parse": f"!{script}", "credential.helper": f"!{script}", "uploadpack.packObjectsHook": script,
        "gpg.program": script, "remote.origin.url": f"ext::{script} x", "protocol.ext.allow": "always",
        "submodule.recurse": "true", "core.untrackedCache": "true", "core.preloadIndex": "true",
    }  # fmt: skip
    for name, value in settings.items():
        run_git(root, "config", name, str(value))
    (tmp_path / "hooks").mkdir()
    for hooks in (tmp_path / "hooks", root / ".git/hooks"):
        hooks.mkdir(exist_ok=True)
        for hook in (
            "post-index-change",
            "post-checkout",
            "pre-commit",
            "reference-transaction",
            "fsmonitor-watchman",
            "pre-auto-gc",
        ):
            (hooks / hook).write_text(script.read_text())
            (hooks / hook).chmod(0o755)
    mark.unlink(missing_ok=True)
    (root / "a.py").write_text("a = 2\n")  # a changed file is what filters run on
    assert [sorted(found) for found in every_form(root)] == [[".gitattributes", "a.py", "b.txt"]] * 3
    assert records(root)[0].dirty and not mark.exists()


@POSIX
def test_objects_that_are_missing_are_not_fetched(tree, tmp_path):
    """A partial clone names a remote, whose transport may be any command."""
    mark = tmp_path / "mark"
    root = committed(tree({"a.py": "a = 1\n", "b.py": "b = 1\n"}))
    settings = {
        "core.repositoryFormatVersion": "1", "extensions.partialClone": "origin", "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::sh -c touch% {mark}", "protocol.ext.allow": "always", "protocol.allow": "always",
    }  # fmt: skip
    for name, value in settings.items():
        run_git(root, "config", name, value)
    with open_source(root, "HEAD") as source:
        key = source.file("b.py").key
    lost = root / ".git/objects" / key[:2] / key[2:]
    lost.chmod(0o600)
    lost.unlink()
    source, found = records(root, "HEAD")
    assert found["a.py"].parse == "ok" and "not in this repository" in found["b.py"].why
    assert records(root)[1]["b.py"].parse == "ok" and not mark.exists()


def test_submodules_are_named_and_not_entered(tree, tmp_path):
    inner = committed(tree({"inside.py": "x = 1\n"}, "inner"))
    root = committed(tree({"a.py": "a = 1\n"}))
    run_git(root, "submodule", "add", "-q", str(inner), "sub")
    run_git(root, "commit", "-qm", "two")
    for found in every_form(root):
        assert "submodule" in found["sub"].why and not any("inside" in path for path in found)


def test_a_repository_inside_is_named_and_not_entered(tree):
    root = committed(tree({"a.py": "a = 1\n"}))
    (root / "nested").mkdir()
    (root / "nested/inside.py").write_text("x = 1\n")
    committed(root / "nested")
    assert "another repository" in records(root)[1]["nested"].why


@POSIX
@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can give files away")
def test_a_folder_of_another_user_is_read(tree):
    root = committed(tree({"a.py": "a = 1\n"}))
    for folder_, folders, names in os.walk(root):
        for name in [".", *folders, *names]:
            os.chown(os.path.join(folder_, name), 12345, 12345)  # noqa: PTH118
    assert [found["a.py"].parse for found in every_form(root)] == ["ok"] * 3


@POSIX
@pytest.mark.parametrize("in_git", [True, False])
def test_links_are_not_followed(tree, tmp_path, in_git):
    secret = tree({"secret.py": "password = 1\n"}, "outside")
    root = tree({"a.py": "a = 1\n", "sub/b.py": "b = 1\n"})
    (root / "file.py").symlink_to(secret / "secret.py")
    (root / "folder").symlink_to(secret)
    (root / "loop").symlink_to(root)
    (root / "sub/up").symlink_to("..")
    (root / "self").symlink_to("self")
    (root / "gone.py").symlink_to("nowhere.py")
    if in_git:
        committed(root)
    for found in every_form(root) if in_git else [records(root)[1]]:
        read = sorted(path for path, record in found.items() if record.parse != "skipped")
        assert read == ["a.py", "sub/b.py"]
        assert {found[p].why for p in ("file.py", "folder", "loop", "sub/up", "self")} == {
            "symbolic link (not followed)"
        }


@POSIX
def test_a_tracked_file_behind_a_link_is_not_read(tree):
    root = committed(tree({"sub/secret.py": "mine = 1\n", "a.py": "a = 1\n"}))
    outside = tree({"secret.py": "password = 1\n"}, "outside")
    (root / "sub/secret.py").unlink()
    (root / "sub").rmdir()
    (root / "sub").symlink_to(outside)
    source, found = records(root)
    assert found["sub/secret.py"].why == "it lies behind a symbolic link (not followed)"
    with pytest.raises(Unreadable):
        source.read("sub/secret.py")


@POSIX
@pytest.mark.parametrize("in_git", [True, False])
def test_nothing_waits_for_a_fifo(tree, monkeypatch, in_git):
    root = tree({"a.py": "a = 1\n", "b.py": "b = 1\n"})
    if in_git:
        committed(root)
    (root / "b.py").unlink()
    os.mkfifo(root / "b.py")
    os.mkfifo(root / "new.py")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(root)
        server.bind("s.sock")
        _, found = records(root)
    assert found["a.py"].parse == "ok" and "FIFO" in found["b.py"].why
    assert in_git or ("FIFO" in found["new.py"].why and "socket" in found["s.sock"].why)


@POSIX
def test_a_device_is_not_opened(monkeypatch):
    with pytest.raises(OSError, match="not a regular file"):
        folder.read_regular("/dev/zero")
    assert folder.why_not_mode_on_disk(os.stat("/dev/zero").st_mode) == "a device, not a file"  # noqa: PTH116


@POSIX
def test_fifos_in_place_of_gits_own_files(tree, monkeypatch):
    monkeypatch.setattr(git.Git.__init__, "__kwdefaults__", {"seconds": 1.0})
    root = committed(tree({"a.py": "a = 1\n"}))
    os.mkfifo(root / ".gitignore")
    _, found = records(root)
    assert found["a.py"].parse == "ok"
    for name in ("index", "config"):
        (root / ".git" / name).unlink()
        os.mkfifo(root / ".git" / name)
        source, found = records(root)
        assert found["a.py"].parse == "ok"
        assert any("did not answer within 1 s" in note for note in source.notes)


def test_a_broken_git_directory_leaves_a_folder(tree):
    root = tree({"a.py": "a = 1\n", ".git/HEAD": "nonsense"})
    source, found = records(root)
    assert source.kind == "folder" and list(found) == ["a.py"] and "its .git is not heeded" in source.notes[0]


def test_a_huge_sparse_file_is_not_read(tree):
    root = tree({"a.py": "a = 1\n"})
    with (root / "data.py").open("wb") as file:
        file.truncate(2**30)
    _, found = records(root)
    assert found["data.py"].why == "1,024.0 MB; files over 4 MB are not read"


@pytest.mark.parametrize(
    ("name", "data", "parse"),
    [
        ("utf16.py", "def café(): ...\n".encode("utf-16"), "ok"),
        ("bom.py", b"\xef\xbb\xbfdef caf\xc3\xa9(): ...\n", "ok"),
        ("zero.py", b"def f(): ...\0\n", "skipped"),
    ],
)
def test_encodings(tree, name, data, parse):
    _, found = records(tree({name: data}))
    assert found[name].parse == parse
    assert [d.name for d in found[name].defs] == (["café"] if parse == "ok" else [])


@pytest.mark.parametrize(
    "suffix", ["py", "c", "cu", "rs", "go", "ts", "js", "json", "yaml", "toml", "md", "sh", "txt"]
)
@pytest.mark.parametrize(
    "data",
    [
        b"def f(): '\xff\xfe\x80'\n\xc3\n",
        b"(" * 100_000,
        b"{[" * 5_000 + b"]}" * 5_000,
        b"-" * 50_000 + b"1",
        b"x" + b".y" * 20_000,
        b"f" + b"()" * 5_000,
        b"if (a) {} else " * 5_000,
        b"\n".join(b" " * i + b"if x:" for i in range(300)),
        b"\x1b[31m<script>alert(1)</script>\r\n`\x1b]8;;http://evil\x07\n",
        b"",
    ],
    ids=["invalid", "open", "nested", "minus", "dots", "calls", "else", "indent", "escapes", "empty"],
)
def test_text_that_breaks_parsers(tree, suffix, data):
    name = f"a.{suffix}"
    _, found = records(tree({name: data, "b.py": "def good(): ...\n"}))
    assert found[name].parse in ("ok", "errors", "fallback", "pattern", "skipped")
    assert [d.name for d in found["b.py"].defs] == ["good"]


@POSIX
def test_deep_folders(tmp_path):
    root = tmp_path / "repo"
    (root / "a").mkdir(parents=True)
    (root / "top.py").write_text("x = 1\n")
    os.makedirs(root.joinpath(*["d"] * (files.MAX_DEPTH + 5)))  # noqa: PTH103
    root.joinpath(*["d"] * (files.MAX_DEPTH + 5), "deep.py").write_text("x = 1\n")
    _, plain = records(root)
    assert plain["top.py"].parse == "ok" and not any(path.endswith("deep.py") for path in plain)
    assert [r.why for r in plain.values() if r.parse == "skipped"] == ["more than 100 folders deep"]
    for found in every_form(committed(root)):
        assert "more than 100" in next(r.why for path, r in found.items() if path.endswith("deep.py"))


def test_many_files(tree, tmp_path):
    root = tree({f"p{i % 50}/m{i}.txt": f"{i}\n" for i in range(5_000)})
    _, found = records(root, reader="cutaway.read.languages:read_file", processes=0)
    assert len(found) == 5_000


def test_a_count_that_no_repository_has_is_cut(tree, monkeypatch):
    for module in (folder, git):
        monkeypatch.setattr(module, "MAX_FILES", 20)
    root = tree({f"m{i:03}.py": "" for i in range(50)})
    assert (len(records(root)[1]), records(root)[0].notes) == (20, [files.too_many()])
    committed(root)
    for target, commit in ((root, None), (root, "HEAD"), (root / ".git", None)):
        source, found = records(target, commit)
        assert len(found) == 20 and "the rest is not listed" in source.notes[0]


ODD = ["new\nline.py", "\x1b[31mred.py", "<b>bold.py", "[a](evil).py", "`tick`.py", " space .py", "-rf.py", "tab\t.py",
       "quote\".py", "emoji\U0001f600.py", "$(touch mark).py", "a;b.py", "back\\slash.py", "star*.py"]  # fmt: skip


@POSIX
def test_odd_names_are_kept_exactly(tree):
    root = tree(dict.fromkeys(ODD, "x = 1\n"))
    assert list(records(root)[1]) == sorted(ODD)
    for found in every_form(committed(root)):
        assert list(found) == sorted(ODD) and {r.parse for r in found.values()} == {"ok"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes any bytes")
def test_names_that_are_no_text(tree):
    root = tree({"a.py": "a = 1\n"})
    with open(os.fsencode(root) + b"/caf\xe9.py", "w") as file:  # noqa: PTH123
        file.write("x = 1\n")
    for found in [records(root)[1], *every_form(committed(root))]:
        assert found["caf\\xe9.py"].why == "its name is not UTF-8"


def test_a_tree_that_names_places_outside(tmp_path):
    """git writes no such trees; whoever makes a repository by hand does."""
    root = tmp_path / "repo"
    root.mkdir()
    run_git(root, "init", "-q")

    def made(kind, data):
        command = ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"]
        done = subprocess.run(command, cwd=root, input=data, capture_output=True, check=True)
        return done.stdout.decode().strip()

    blob = made("blob", b"x = 1\n")
    inner = made("tree", b"100644 evil.py\0" + bytes.fromhex(blob))
    entries = [(b"40000", b"..", inner), (b"40000", b".git", inner), (b"100644", b"a.py", blob)]
    tree = made(
        "tree", b"".join(b"%b %b\0" % (mode, name) + bytes.fromhex(key) for mode, name, key in entries)
    )
    commit = made("commit", f"tree {tree}\nauthor A <a> 0 +0000\ncommitter A <a> 0 +0000\n\none\n".encode())
    _, found = records(root, commit)
    assert found["a.py"].parse == "ok" and found["../evil.py"].why == "its path leaves the repository"


@POSIX
@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tree):
    root = tree({"a.py": "a = 1\n", "b.py": "b = 1\n"})
    (root / "b.py").chmod(0)
    assert records(root)[1]["b.py"].why == "permission denied"


def test_intricate_ignore_patterns_are_left_out(tree):
    pattern = "*a" * 30 + "b"
    root = tree({".gitignore": f"{pattern}\n[\n\\\n*.log\n", "a" * 200: "x", "b.log": "x"})
    source, found = records(root)
    assert "b.log" not in found and "too intricate" in source.notes[0]


def tarred(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, data, kind in members:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(data), kind, "/etc/passwd"
            tar.addfile(member, io.BytesIO(data))
    return path


def test_members_of_a_tar_that_would_do_harm(tmp_path):
    plain = tarfile.REGTYPE
    _, found = records(
        tarred(
            tmp_path / "p-1.tar.gz",
            [
                ("p-1/a.py", b"a = 1\n", plain),
                ("../../evil.py", b"x", plain),
                ("/etc/cron.d/evil", b"x", plain),
                ("p-1/link", b"", tarfile.SYMTYPE),
                ("p-1/hard", b"", tarfile.LNKTYPE),
                ("p-1/pipe", b"", tarfile.FIFOTYPE),
                ("p-1/device", b"", tarfile.CHRTYPE),
                ("p-1/large.py", b"x" * (5 * 2**20), plain),
            ],
        )
    )
    whys = {path.rpartition("/")[2]: record.why for path, record in found.items()}
    assert "leaves the repository" in whys["evil.py"] and "leaves the repository" in whys["evil"]
    assert (
        "link" in whys["link"]
        and "link" in whys["hard"]
        and "FIFO" in whys["pipe"]
        and "device" in whys["device"]
    )
    assert "over 4 MB" in whys["large.py"] and whys["a.py"] == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p-1.tar.gz"]


def test_members_of_a_zip_that_would_do_harm(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.py", "a = 1\n")
        out.writestr("../evil.py", "x")
        out.writestr("bomb.py", b" " * (3 * 2**20))
        link = zipfile.ZipInfo("link.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(link, "/etc/passwd")
    _, found = records(tmp_path / "p.zip")
    assert {path: record.why for path, record in found.items() if record.parse == "skipped"} == {
        "../evil.py": "its path leaves the repository",
        "bomb.py": "packed too well to be text",
        "link.py": "a link (not followed)",
    }


def test_archives_that_unpack_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED", 8 * 2**20)
    many = [(f"p/{i}.py", b" " * (3 * 2**20), tarfile.REGTYPE) for i in range(20)]
    source, found = records(tarred(tmp_path / "p.tar.gz", [("p/a.py", b"a = 1\n", tarfile.REGTYPE), *many]))
    assert found["a.py"].parse == "ok" and "unpacks to more than 8 MB" in source.notes[0]
    huge = tarfile.TarInfo("x" * 200)
    huge.type, huge.size = tarfile.GNUTYPE_LONGNAME, 2**40
    (tmp_path / "q.tar").write_bytes(huge.tobuf(tarfile.GNU_FORMAT)[-512:] + b"\0" * 1024)
    with pytest.raises(CutawayError):
        open_source(tmp_path / "q.tar")


def test_an_archive_that_breaks_off(tmp_path):
    whole = tarred(
        tmp_path / "p.tar.gz",
        [(f"p/{i}.py", os.urandom(20_000).hex().encode(), tarfile.REGTYPE) for i in range(20)],
    )
    whole.write_bytes(whole.read_bytes()[:200_000])
    source, found = records(whole)
    assert 0 < len(found) < 20 and "breaks off" in source.notes[0]


def test_a_file_that_is_no_target(tmp_path):
    for name in ("a\0b", "x" * 5000, ""):
        if name:
            with pytest.raises(CutawayError):
                open_source(str(tmp_path / name) if "\0" not in name else name)
