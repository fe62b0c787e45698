# How well the components of a repository are found, against keys made by hand: hit@1, hit@3 and false claims per
# repository and per component, with the scoring program that lies beside the keys. Keys of our own stand in bench/keys;
# each says whether detectors were tuned on it, and the two kinds are never added up.
"""`python bench/answer_keys.py KEYS_DIR --repos DIR [--misses]`.

KEYS_DIR holds `<owner>__<name>.yaml` and `score.py`; DIR holds git directories, found as `<owner>+<name>/repo`,
`<owner>/<name>`, `<owner>__<name>` or `<name>` (bare or not). A key whose repository or commit is not there is named as such.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import yaml

from cutaway.facts.components import find_components
from cutaway.facts.config_surface import find_config_surface
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.lifecycle import find_lifecycle
from cutaway.facts.llm import llm_verdict
from cutaway.facts.spine import call_nesting
from cutaway.read.index import Index
from cutaway.read.program import Program
from cutaway.read.source import open_source

OWN = Path(__file__).parent / "keys"


def report(git_dir: Path, commit: str, cache: Path | None, surface: bool, spine: bool) -> tuple[dict, float]:
    """The part of a report that the keys are about, and the seconds that the detectors took (the index not counted)."""
    with open_source(str(git_dir), commit) as source:
        program = Program(source, Index.open(source, cache))
        start = time.perf_counter()
        found = find_components(program)
        seconds = time.perf_counter() - start
        pointers = {
            key: [{"path": c.path, "line": c.line, "symbol": c.symbol or None} for c in f.candidates]
            for key, f in found.items()
        }
        made = {"repo": {"llm_related": llm_verdict(program).related}, "components": pointers}
        if surface:
            made |= {"config_surface": find_config_surface(program), "entrypoints": find_entrypoints(program)}
        if spine:
            entries = find_entrypoints(program)
            steps = call_nesting(program, pointers, entries)
            made["call_nesting"] = [{"path": s.path, "symbol": s.symbol, "line": s.line} for s in steps]
            made["lifecycle"] = find_lifecycle(program, entries)
        return made, seconds


def git_dir_of(key: dict, repos: Path) -> Path | None:
    """Where the repository of a key lies, or None where it or its commit does not."""
    for named in (key["repo"], key.get("snapshot", "").removeprefix("github:")):
        owner, _, name = named.partition("/")
        for place in (f"{owner}+{name}/repo", f"{owner}/{name}", f"{owner}__{name}", name):
            path = repos / place
            git_dir = path / ".git" if (path / ".git").is_dir() else path
            if (git_dir / "HEAD").is_file() and has(git_dir, key["commit"]):
                return git_dir
    return None


def has(git_dir: Path, commit: str) -> bool:
    """Does the git directory hold this commit?"""
    command = ["git", f"--git-dir={git_dir}", "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, capture_output=True).returncode == 0


def main() -> int:
    """Print one line per repository, the misses on request, and the sums of each group of keys."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("keys", type=Path)
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only", default="", help="a part of the names of the repositories to score")
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--surface", action="store_true", help="score entry points and configuration too")
    parser.add_argument("--spine", action="store_true", help="score the path of a request and the life cycle too")
    args = parser.parse_args()
    if not (args.keys / "score.py").is_file():
        print(f"{args.keys} holds no score.py: without the shared keys and their scoring nothing is measured")
        return 2
    spec = importlib.util.spec_from_file_location("score", args.keys / "score.py")
    scoring = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scoring)

    groups: dict[str, list[dict]] = defaultdict(list)
    files = [("given", p) for p in sorted(args.keys.glob("*.yaml"))]
    files += [("", p) for p in sorted(OWN.glob("*.yaml"))]
    for group, path in files:
        key = yaml.safe_load(path.read_text())
        if args.only not in key["repo"]:
            continue
        git_dir = git_dir_of(key, args.repos)
        if git_dir is None:
            print(f"{key['repo']:44} not here at {key['commit'][:12]}")
            continue
        made, seconds = report(git_dir, key["commit"], args.cache, args.surface, args.spine)
        rows = scoring.components(key, made)
        groups[group or f"own, {key['use']}"] += rows
        verdict = "" if made["repo"]["llm_related"] == key["llm_related"] else "  WRONG VERDICT"
        print(f"{key['repo']:44} {line(rows)}  {seconds:5.1f} s{verdict}")
        if args.surface:
            print("    " + surfaces(scoring.score(key, made)))
            for name in absent_from(scoring, key, made) if args.misses else ():
                print(f"    not listed: {name}")
        if args.spine:
            print("    " + spine(scoring.score(key, made)))
        for row in rows if args.misses else ():
            if not row["hit1"]:
                print(f"    {row['component']}: {row['got'] or 'nothing'}; wanted {row['want'] or 'absent'}")
    for group, rows in groups.items():
        print(f"\n{group} ({len(rows)} pairs): {line(rows)}")
        by_component: dict[str, list[dict]] = defaultdict(list)
        for row in rows:
            by_component[row["component"]].append(row)
        for name, some in by_component.items():
            print(f"    {name:36} {line(some)}")
    return 0


def surfaces(scored: dict) -> str:
    """The recalls of what a key says besides components; what it says nothing of is left out."""
    named = ("entrypoints", "env_vars", "cli_flags", "config_classes")
    return "  ".join(f"{name} {scored[name]:.2f}" for name in named if scored.get(name) is not None)


def spine(scored: dict) -> str:
    """How much of a key's path of a request and of its life cycle is there, and in which order."""
    names = ("nesting_coverage", "nesting_order", *(n for n in scored if n.startswith("lifecycle_")))
    return "  ".join(f"{name} {scored[name]:.2f}" for name in names if scored.get(name) is not None)


def absent_from(scoring: ModuleType, key: dict, made: dict) -> list[str]:
    """The entries of a key's entry points and configuration that the report lacks, one line each."""
    wanted, got = key.get("config_surface") or {}, made["config_surface"]
    missing = [
        f"{kind} {name}"
        for kind in ("env_vars", "cli_flags")
        for name in (wanted.get(kind) or {}).get("examples") or ()
        if not scoring.names([name], got[kind])
    ]
    pairs = [("entry", e, made["entrypoints"]) for e in key.get("entrypoints") or ()]
    pairs += [("config", c, got["config_classes"]) for c in wanted.get("config_files_or_classes") or ()]
    missing += [f"{kind} {e['path']} {e['symbol']}" for kind, e, have in pairs if not scoring.recall([e], have)]
    return missing


def line(rows: list[dict]) -> str:
    """hit@1, hit@3, primary and false claims of some rows."""
    share = {k: sum(r[k] for r in rows) / len(rows) for k in ("hit1", "hit3", "primary")}
    false = sum(r["false_claim"] for r in rows)
    return f"hit@1 {share['hit1']:.2f}  hit@3 {share['hit3']:.2f}  primary {share['primary']:.2f}  false claims {false}"


if __name__ == "__main__":
    sys.exit(main())
