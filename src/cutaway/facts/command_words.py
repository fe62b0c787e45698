# What a command does, in words, for those who do not know the tool: read from the command alone.
"""`command_does(cmd)`."""

from __future__ import annotations

import re

__all__ = ["command_does"]

LONG = 60  # characters of what a command names
_PARTS = re.compile(r"\s*(?:&&|\|\||;|\|)\s*")
_BEFORE = re.compile(r"^(?:(?:sudo|time|exec|env|[A-Z_][A-Z0-9_]*=\S*)\s+)+")  # of the command itself
_PATH = re.compile(r"^\.{1,2}/|^(?!https?:)[\w./-]*\.(py|sh|txt|ya?ml|json|toml)$")
_FLAGS = re.compile(r"\s--?[\w-]+(?:=\S+)?")
_SAYS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"(?:python3? -m )?(?:uv )?pip3? install\b.*?(?:-r|--requirement)[ =]?(\S+)", "installs what that list names"),
        (r"(?:python3? -m )?(?:uv )?pip3? install(?:\s+-\S+)*\s+[\"']?\.(?:/|\[|[\"']|\s|$)|uv sync|poetry install|pdm install",
         "installs this package and what it depends on"),
        (r"(?:python3? -m )?(?:uv )?pip3? install\s+(.+)", "installs {} for Python"),
        (r"(?:npm|yarn|pnpm|bun)\s+(?:install|i|ci)(?:\s+-\S+)*$|yarn$", "installs the packages that package.json lists"),
        (r"(?:npm|yarn|pnpm|bun)\s+(?:install|i|add)\s+(.+)", "installs {} for JavaScript"),
        (r"(?:npm|yarn|pnpm|bun)\s+run\s+(\S+)", "runs the script {} of package.json"),
        (r"(?:npm|yarn|pnpm|bun)\s+(start|test)\b", "runs the script {} of package.json"),
        (r"(?:apt|apt-get|brew|dnf|yum|apk|pacman)\s+(?:install|add|-S)\s+(.+)", "installs {} on the system"),
        (r"(?:conda|mamba|micromamba)\s+(?:env\s+)?create\b", "makes an environment of conda"),
        (r"(?:conda|mamba|micromamba)\s+install\s+(.+)", "installs {} with conda"),
        (r"cargo\s+install\s+(.+)", "compiles and installs {}"),
        (r"cargo\s+build\b", "compiles it with Cargo"),
        (r"cargo\s+run\b", "compiles and starts it"),
        (r"go\s+install\s+(\S+)", "compiles and installs {}"),
        (r"go\s+(?:build)\b", "compiles it with Go"),
        (r"go\s+run\s+(\S+)", "compiles and starts {}"),
        (r"git\s+clone\b.*?(\S+)$", "fetches {}"),
        (r"(?:wget|curl)\b|huggingface-cli\s+download|hf\s+download", "downloads"),
        (r"docker\s+build\b", "builds an image of a container"),
        (r"docker\s+run\b", "starts a container"),
        (r"docker[ -]compose\s+(?:.*\s)?up\b", "starts its containers"),
        (r"docker\s+pull\s+(\S+)", "fetches the image {}"),
        (r"cmake\s+--build\b", "compiles it"),
        (r"cmake\b.*", "prepares the build"),
        (r"(?:make|ninja)\s+(?:-\S+\s+)*([A-Za-z][\w./-]*)$", "makes the target {}"),
        (r"(?:make|ninja)\b(?:\s+-\S+)*$", "makes what is made by default"),
        (r"(?:python3?\s+-m\s+)?(?:pytest|tox|nox)\b|ctest\b|(?:cargo|go)\s+test\b", "runs the tests"),
        (r"python3?\s+-m\s+venv\s+(\S+)", "makes the virtual environment {}"),
        (r"python3?\s+-m\s+([\w.]+)", "runs the module {}"),
        (r"(?:python3?|torchrun|accelerate\s+launch|deepspeed|bash|sh)\s+(?:-\S+\s+)*([\w./-]+\.(?:py|sh))", "runs {}"),
        (r"(\./[\w./-]+(?:\s+[a-z][\w-]*)?)", "runs {}"),
    )
)  # fmt: skip


def command_does(cmd: str) -> str:
    """A clause that says what a command does, '' for one that is not known; of several the first that is known.

    >>> command_does("cd app && sudo apt-get install -y gcc make")
    'installs gcc make on the system'
    >>> command_does("./configure --prefix=/usr"), command_does("frobnicate")
    ('runs that file', '')
    """
    for part in _PARTS.split(" ".join(cmd.split())):
        bare = _BEFORE.sub("", part)
        for pattern, text in _SAYS:
            if (found := pattern.match(bare)) or (found := pattern.match(_FLAGS.sub("", bare))):
                named = _FLAGS.sub("", f" {found[1]}").strip() if found.lastindex else ""
                named = "that file" if _PATH.search(named) else named  # which the command names, from where it is typed
                return text.format(named if len(named) <= LONG else named[: LONG - 1].rstrip() + "…")
    return ""
