# A repository that is elsewhere is fetched once, one commit deep, into a bare directory of ours: no checkout, no hook, no
# filter, no submodule, no configuration but this. Where there is no network, what was fetched before still serves.
"""Git addresses: `is_url` and `fetched`."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

from cutaway.errors import Offline, UnknownTarget, Unreadable
from cutaway.read.git import Git, command, environment, public_url

__all__ = ["fetched", "is_url"]

SECONDS = 600
_SCHEMES = "https:http:ssh:git"
_OWN_SETTINGS = ("SSH_AUTH_SOCK", "HOME", "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY",
                 "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")  # fmt: skip
_UNREACHABLE = re.compile(
    r"resolve host|unable to (connect|look up)|(could not|failed to|couldn't) connect|connection (refused|timed out)"
    r"|network is unreachable|no route to host|name or service not known|temporary failure|proxy",
    re.IGNORECASE,
)


def is_url(target: str) -> bool:
    """An address that git could fetch from."""
    return bool(re.match(r"(https?|ssh|git|git\+ssh)://[^\s-]|[\w.-]+@[\w.-]+:[^\s-]", target))


def fetched(url: str, commit: str | None, folder: Path) -> tuple[Git, str]:
    """(repository, commit) of an address: fetched into `folder`, or found there when offline.
    Raises `Offline`, or `UnknownTarget` for an address or commit that the other side does not have."""
    shown = public_url(url) or url.rpartition("@")[2]
    where = folder / f"{hashlib.sha256(shown.encode()).hexdigest()[:24]}.git"
    git = Git(where)
    kept = f"refs/cutaway/{commit or 'HEAD'}"
    if (
        commit
        and re.fullmatch(r"[0-9a-f]{40}", commit)
        and where.is_dir()
        and git.text("cat-file", "-t", commit) == "commit"
    ):
        return git, commit
    where.mkdir(parents=True, exist_ok=True)
    _git("init", "--quiet", "--bare", "--template=", str(where), seconds=60)
    problem = _fetch(url, commit or "HEAD", kept, where)
    if (
        problem
        and _UNREACHABLE.search(problem)
        and where.is_dir()
        and git.text("rev-parse", "--verify", "-q", kept)
    ):
        problem = ""  # the state of the last time
    if not problem:
        return git, git.commit_of(kept)
    if _UNREACHABLE.search(problem):
        raise Offline(
            "the repository cannot be fetched",
            asked=shown,
            known=problem,
            try_="clone it, and give the folder",
        )
    if commit and ("remote ref" in problem or "not our ref" in problem):
        raise UnknownTarget(
            "the other side has no such commit",
            asked=commit,
            where=shown,
            try_="a branch, a tag, or all 40 digits of a commit",
        )
    raise UnknownTarget("no repository to read at this address", asked=shown, known=problem)


def _fetch(url: str, name: str, kept: str, where: Path) -> str:
    """What went wrong, or ''. The address goes through the environment: it may hold a password, and arguments are public."""
    return _git(
        f"--git-dir={where}", "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
        "--end-of-options", "cutaway", f"+{name}:{kept}",
        GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="remote.cutaway.url", GIT_CONFIG_VALUE_0=url,
        seconds=SECONDS, allowed=False,
    )  # fmt: skip


def _git(*args: str, seconds: float, allowed: bool = True, **more: str) -> str:
    own = {name: os.environ[name] for name in _OWN_SETTINGS if name in os.environ}
    env = environment(**own, **more) | {
        "GIT_ALLOW_PROTOCOL": _SCHEMES,
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    }
    try:
        done = subprocess.run(
            command(*args),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"connection timed out: no answer within {seconds:g} s"
    if done.returncode == 0:
        return ""
    said = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    problem = next(
        (line for line in said if line.startswith(("fatal", "error"))), f"git: exit {done.returncode}"
    )[:300]
    if allowed:
        raise Unreadable("git cannot make a directory for what it fetches", known=problem)
    return re.sub(r"(://)[^/@\s]*@", r"\1", problem)
