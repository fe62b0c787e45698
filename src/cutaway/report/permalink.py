# A statement can be clicked through to its line when the remote is one whose addresses are known and the commit is
# too: a link to a branch would show other lines tomorrow, so there is none.
"""Permanent addresses of lines on GitHub and GitLab."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

__all__ = ["permalink"]

_SCP = re.compile(r"^(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)$")  # git@github.com:owner/name.git
_NAME = re.compile(r"^[\w.-]+$", re.ASCII)
_SHA = re.compile(r"^[0-9a-f]{7,64}$")


def permalink(remote: str, commit: str, path: str, start: int = 0, end: int = 0) -> str:
    """The address of lines `start` to `end` of `path`, or of the file; '' when the remote is of another kind.

    >>> permalink("git@github.com:o/n.git", "0123abc", "a b.py", 10, 20)
    'https://github.com/o/n/blob/0123abc/a%20b.py#L10-L20'
    """
    host, parts = _remote(remote)
    if not parts or not _SHA.match(commit):
        return ""
    gitlab = host == "gitlab.com" or host.startswith("gitlab.")
    if not gitlab and (host != "github.com" or len(parts) != 2):
        return ""
    base = f"https://{host}/{'/'.join(parts)}/{'-/' if gitlab else ''}blob/{commit}/"
    return base + quote(path, safe="/", errors="surrogateescape") + _lines(start, end, "" if gitlab else "L")


def _remote(remote: str) -> tuple[str, list[str]]:
    """The host, and the owner's and project's names; no names when they are not what such hosts allow."""
    scp = _SCP.match(remote)
    try:
        split = urlsplit(f"ssh://{scp[1]}/{scp[2]}" if scp else remote)
        host = split.hostname or ""
    except ValueError:
        return "", []
    parts = split.path.strip("/").removesuffix(".git").split("/")
    fine = len(parts) >= 2 and all(_NAME.match(p) and p.strip(".") for p in parts) and _NAME.match(host)
    return host.removeprefix("www."), parts if fine else []


def _lines(start: int, end: int, mark: str) -> str:
    if start < 1:
        return ""
    return f"#L{start}" if end <= start else f"#L{start}-{mark}{end}"
