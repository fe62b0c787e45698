# What a repository is made of and how it is built, with the line that says so.
from cutaway.facts.build_install import find_build_install
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.languages import find_languages
from cutaway.facts.modules import find_modules
from cutaway.read.memory import program_of

TREE = {
    "README.md": "# Thing\n\nA thing.\n\n## Installation\n\n```bash\npip install thing\npython run.py --fast\n```\n",
    "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
    '[project]\nname = "thing"\n\n'
    '[project.scripts]\nthing = "thing.cli:main"\n',
    "Dockerfile": 'FROM python:3\nENTRYPOINT ["python", "-m", "thing.server"]\n',
    "run.py": "from thing.core import work\nwork()\n",
    "thing/__init__.py": '"""All of the thing."""\n',
    "thing/cli.py": "def main():\n    pass\n",
    "thing/server.py": "def main():\n    pass\nmain()\n",
    "thing/core.py": "class Core:\n    '''What does the work.'''\n\ndef work():\n    return Core()\n",
    "native/k.cu": "__global__ void k(int *x) {\n  x[0] = 1;\n}\n",
}


def test_commands_and_the_line_that_says_so():
    found = [(b["kind"], b["cmd"], b["path"], b["line"]) for b in find_build_install(program_of(TREE))]
    assert found == [
        ("install", "pip install thing", "README.md", 8),
        ("run", "python run.py --fast", "README.md", 9),
        ("install", "pip install .", "pyproject.toml", 3),
        ("build", "docker build .", "Dockerfile", 1),
        ("run", "python -m thing.server", "Dockerfile", 2),
    ]


def test_what_manifests_install_and_containers_run():
    entries = {(e["kind"], e["path"], e["symbol"]): e for e in find_entrypoints(program_of(TREE))}
    script = entries["cli", "thing/cli.py", "main"]
    assert script["name"] == "thing" and script["evidence"][0]["path"] == "pyproject.toml"
    assert ("cli", "thing/server.py", "main") in entries


def test_languages_by_lines_with_what_they_are_for():
    rows = {r["name"]: r for r in find_languages(program_of(TREE))}
    assert set(rows) == {"Python", "CUDA", "Docker"}
    cuda = rows["CUDA"]
    assert (cuda["role"], cuda["holds"]) == ("in native/: device kernels", {"device kernels": 1})
    assert [e["why"] for e in cuda["evidence"]] == ["most CUDA", "one of the device kernels"]
    assert "__global__" in cuda["evidence"][1]["text"]


def test_modules_in_their_own_words():
    rows = {m["path"]: m for m in find_modules(program_of(TREE))}
    assert (rows["thing/"]["role"], rows["thing/"]["importers"]) == ("All of the thing.", 1)
    assert rows["native/"]["role"] == "defines k"
