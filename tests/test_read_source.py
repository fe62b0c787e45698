# One repository in every form that it may come in: the same files, the same contents, the same identities.
import io
import os
import subprocess
import tarfile
import zipfile

import pytest

from cutaway.errors import Offline, UnknownTarget, Unreadable
from cutaway.read import clone
from cutaway.read.source import blob_id, open_source

FILES = {
    "pkg/__init__.py": "",
    "pkg/a.py": "def a(): ...\n",
    "README.md": "# A title\n",
    "pkg/logo.png": "no text",
}


@pytest.fixture
def tree(tmp_path):
    """A function that writes a dict of files below a folder."""

    def write(files=FILES, folder="repo"):
        for path, text in files.items():
            place = tmp_path / folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / folder

    return write


def git(root, *args):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *who, *args], cwd=root, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repo(tree):
    """A work tree with one commit."""
    root = tree()
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    return root


def contents(source):
    return dict(source.read_many([file.path for file in source.files]))


def read(target, commit=None, **options):
    with open_source(str(target), commit, **options) as source:
        return source, contents(source)


def expected(files=FILES):
    return {path: text.encode() for path, text in files.items() if not path.endswith(".png")}


def test_work_tree_git_directory_and_folder_show_the_same(repo, tree):
    forms = [
        read(repo),
        read(repo / ".git"),
        read(repo, "HEAD"),
        read(tree(folder="plain")),
    ]
    assert [source.kind for source, _ in forms] == ["worktree", "git", "git", "folder"]
    assert [found for _, found in forms] == [expected()] * 4
    keys = [{file.path: file.key for file in source.files if not file.skipped} for source, _ in forms]
    assert keys == [{path: blob_id(data) for path, data in expected().items()}] * 4
    assert {source.file("pkg/logo.png").skipped for source, _ in forms} == {"binary (.png)"}


def test_a_bare_directory_is_read_at_any_commit(repo, tmp_path):
    first = git(repo, "rev-parse", "HEAD")
    (repo / "later.py").write_text("x = 1\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "two")
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    bare = tmp_path / "bare.git"
    assert "later.py" in read(bare)[1]
    old, found = read(bare, first[:10])
    assert (old.commit, old.name, old.dirty) == (first, "bare", False)
    assert found == expected()


def test_a_work_tree_is_what_lies_on_disk(repo):
    assert read(repo)[0].dirty is False
    (repo / ".gitignore").write_text("*.log\n")
    (repo / "new.py").write_text("new = 1\n")
    (repo / "noise.log").write_text("x\n")
    source, found = read(repo)
    assert "new.py" in found and "noise.log" not in source and source.dirty is False
    (repo / "pkg/a.py").write_text("changed = 1\n")
    source, found = read(repo)
    assert source.dirty is True and found["pkg/a.py"] == b"changed = 1\n"


def test_deleted_and_staged_files_make_it_dirty(repo):
    (repo / "README.md").unlink()
    source, _ = read(repo)
    assert source.dirty and "README.md" not in source and source.notes == ["1 tracked files are not on disk"]
    git(repo, "checkout", "-q", "README.md")
    assert not read(repo)[0].dirty
    (repo / "staged.py").write_text("x = 1\n")
    git(repo, "add", "staged.py")
    assert read(repo)[0].dirty


def test_other_line_ends_on_disk_are_no_edit(repo):
    git(repo, "config", "core.autocrlf", "true")
    (repo / "pkg/a.py").write_bytes(b"def a(): ...\r\n")
    assert not read(repo)[0].dirty


def test_a_part_of_a_work_tree(repo):
    source, found = read(repo / "pkg")
    assert (source.kind, source.prefix, sorted(found)) == ("worktree", "pkg/", ["__init__.py", "a.py"])
    source, found = read(repo / "pkg", "HEAD")
    assert (source.kind, source.prefix, sorted(found)) == ("git", "pkg/", ["__init__.py", "a.py"])


def test_an_ignored_folder_in_a_work_tree_is_a_plain_one(repo):
    (repo / ".gitignore").write_text("vendor/\n")
    (repo / "vendor").mkdir()
    (repo / "vendor/b.py").write_text("b = 1\n")
    source, found = read(repo / "vendor")
    assert (source.kind, list(found)) == ("folder", ["b.py"])


def test_unchanged_files_are_not_read_again(repo, tmp_path, monkeypatch):
    from cutaway.read import folder, stamps

    monkeypatch.setattr(stamps, "_SETTLED", 0)
    cache = tmp_path / "cache"
    first = open_source(repo, cache=cache)
    reads = []
    real = folder.read_regular
    monkeypatch.setattr(
        folder, "read_regular", lambda path, *rest: reads.append(path.rpartition("/")[2]) or real(path, *rest)
    )
    again = open_source(repo, cache=cache)
    assert reads == [] and [f.key for f in again.files] == [f.key for f in first.files]
    (repo / "pkg/a.py").write_text("def b(): ...\n")  # of the same length
    os.utime(repo / "pkg/a.py", (1, 1))
    changed = open_source(repo, cache=cache)
    assert "a.py" in reads and changed.file("pkg/a.py").key == blob_id(b"def b(): ...\n")


def test_a_file_touched_just_now_is_not_trusted(repo, tmp_path):
    from cutaway.read.stamps import Stamps

    cache = tmp_path / "cache"
    open_source(repo, cache=cache)
    found = (repo / "README.md").stat()
    assert Stamps(cache, repo).find("README.md", found) == ""


def test_broken_stamps_are_as_none(repo, tmp_path):
    cache = tmp_path / "cache"
    (cache / "index").mkdir(parents=True)
    first = open_source(repo, cache=cache)
    for place in (cache / "index").glob("*.stamps"):
        place.write_bytes(b"\x93\x01garbage")
    assert [f.key for f in open_source(repo, cache=cache).files] == [f.key for f in first.files]


def test_a_plain_folder_heeds_its_ignore_files(tree):
    root = tree(
        {
            ".gitignore": "*.log\n/build/\n!keep.log\n",
            "a.log": "x", "keep.log": "x", "build/b.py": "x", "sub/build/c.py": "x",
            "sub/.gitignore": "secret.py\n", "sub/secret.py": "x", "secret.py": "x",
            "__pycache__/a.pyc": "x", "env/pyvenv.cfg": "x", "env/lib/d.py": "x",
        }
    )  # fmt: skip
    assert sorted(read(root)[1]) == [
        ".gitignore",
        "keep.log",
        "secret.py",
        "sub/.gitignore",
        "sub/build/c.py",
    ]


def sdist(path, files=FILES, wrapper="pkg-1.0/"):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(wrapper + name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def zipped(path, files=FILES, wrapper=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(wrapper + name, text)
    return path


@pytest.mark.parametrize(
    ("make", "name"), [(sdist, "pkg-1.0.tar.gz"), (zipped, "pkg-1.0-py3-none-any.whl"), (zipped, "pkg.zip")]
)
def test_archives(tmp_path, make, name):
    source, found = read(make(tmp_path / name))
    assert (source.kind, source.name, found) == ("archive", "pkg", expected())
    assert source.file("pkg/a.py").key == blob_id(found["pkg/a.py"])
    assert source.read("README.md") == b"# A title\n"


def test_a_zipped_package_keeps_its_folder(tmp_path):
    files = {"__init__.py": "", "a.py": "x = 1\n"}
    assert sorted(read(zipped(tmp_path / "m.zip", files, "m/"))[1]) == ["m/__init__.py", "m/a.py"]


def test_the_remote_gives_address_and_name(repo):
    git(repo, "remote", "add", "upstream", "https://example.org/other")
    git(repo, "remote", "add", "origin", "https://user:secret@github.com/owner/engine.git")
    source, _ = read(repo)
    assert (source.url, source.name) == ("https://github.com/owner/engine", "engine")
    assert "secret" not in repr(vars(source))


@pytest.mark.parametrize(
    ("manifest", "text", "name"),
    [
        ("pyproject.toml", '[project]\nname = "nano-engine"\n', "nano-engine"),
        ("Cargo.toml", '[package]\nname = "engine"\n', "engine"),
        ("go.mod", "module github.com/owner/server\n\ngo 1.22\n", "server"),
        ("package.json", '{"name": "@scope/app"}', "app"),
        ("CMakeLists.txt", 'cmake_minimum_required(VERSION 3.1)\nproject("fast.cpp" C CXX)\n', "fast.cpp"),
        ("pyproject.toml", "[project\n", "repo"),
    ],
)
def test_without_an_address_it_is_called_what_it_calls_itself(tree, manifest, text, name):
    assert read(tree({manifest: text}))[0].name == name


def failure(error, target, commit=None, **options):
    with pytest.raises(error) as caught:
        open_source(str(target), commit, **options)
    return caught.value


def test_errors_say_what_was_known(repo, tmp_path, tree):
    git(repo, "branch", "release-1")
    error = failure(UnknownTarget, repo, "relese-1")
    assert error.known == "nearest: release-1"
    assert "refs: main" in failure(UnknownTarget, repo, "f" * 40).known
    assert failure(UnknownTarget, repo, "--upload-pack=touch x").what == "no such commit in this repository"
    assert "nearest: repo" in failure(UnknownTarget, tmp_path / "repp").known
    (tmp_path / "notes.txt").write_text("x")
    assert "not a repository" in failure(Unreadable, tmp_path / "notes.txt").what
    (tmp_path / "bad.tar.gz").write_bytes(b"\x1f\x8bno")
    assert "cannot be read" in failure(Unreadable, tmp_path / "bad.tar.gz").what
    assert "only be read from git" in failure(Unreadable, tree(folder="plain"), "HEAD").what
    (tmp_path / "empty").mkdir()
    assert "no file" in failure(Unreadable, tmp_path / "empty").what
    git(tmp_path, "init", "-q", "--bare", "unborn.git")
    assert "no commit" in failure(Unreadable, tmp_path / "unborn.git").what


def test_reading_what_is_not_read(repo):
    with open_source(repo) as source:
        with pytest.raises(Unreadable, match="not read"):
            source.read("pkg/logo.png")
        with pytest.raises(UnknownTarget):
            source.read("pkg/b.py")


@pytest.fixture
def served(repo, tmp_path, monkeypatch):
    """The repository at an address: git's own file transport in place of a network."""
    monkeypatch.setattr(clone, "_SCHEMES", "file")
    monkeypatch.setattr("cutaway.read.source.is_url", lambda target: target.startswith("at:"))
    monkeypatch.setattr(
        "cutaway.read.source.fetched", lambda url, *rest: clone.fetched(url.removeprefix("at:"), *rest)
    )
    return f"at:file://{repo}", tmp_path / "cache"


def test_an_address_is_fetched_once(served, repo):
    url, cache = served
    source, found = read(url, cache=cache)
    assert (source.kind, found) == ("git", expected())
    assert read(url, "main", cache=cache)[1] == expected()
    repo.rename(repo.parent / "gone")
    assert read(url, source.commit, cache=cache)[1] == expected()
    assert failure(UnknownTarget, url, cache=cache).what == "no repository to read at this address"


def test_an_unknown_commit_at_an_address(served):
    url, cache = served
    assert "all 40 digits" in failure(UnknownTarget, url, "nonsense", cache=cache).try_


def test_without_a_network(tmp_path):
    error = failure(Offline, "https://user:secret@localhost:9/owner/name.git", cache=tmp_path)
    assert error.asked == "https://localhost/owner/name" and "secret" not in error.render()
    assert "clone it" in error.try_
