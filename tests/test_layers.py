# The layers of the package point one way; this reads the imports and prints the line that does not.
import ast
from pathlib import Path

import cutaway

ROOT = Path(cutaway.__file__).parent
RANK = {
    "errors": 0, "model": 0,
    "formula": 1, "catalogue": 1,
    "trace": 2, "rules": 2, "read": 2, "hardware": 2,
    "facts": 3, "predict": 3,
    "report": 4,
    "store": 5,
    "explore": 6, "agent": 6, "cli": 6,
}  # fmt: skip


def test_imports_point_downwards():
    assert [line for path in sorted(ROOT.rglob("*.py")) for line in upward_imports(path)] == []


def test_every_part_has_its_layer():
    parts = {p.name for p in ROOT.iterdir() if (p / "__init__.py").exists()} | {"errors"}
    assert parts <= set(RANK)


def upward_imports(path):
    """`file:line: import` for each import of a higher layer. The package's own door may import them all."""
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if part not in RANK:
        return
    for node, module in imports(path):
        other = module.split(".")[1] if module.startswith("cutaway.") else None
        if other in RANK and RANK[other] > RANK[part]:
            yield f"{path.relative_to(ROOT.parent)}:{node.lineno}: {part} imports {module}"


def imports(path):
    """Every import, those inside functions too, except what is only for the type checker."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guards = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    for_types = {id(inner) for guard in guards for inner in ast.walk(guard)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node, node.module
            yield from (
                (node, f"{node.module}.{alias.name}") for alias in node.names if node.module == "cutaway"
            )
