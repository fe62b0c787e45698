# What a container, a package's script and a file that is run start, as the definition that runs.
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.read.memory import program_of

GO = "package main\n\nfunc main() {}\n"


def entries(files):
    return [(e["kind"], e["path"], e["line"], e["symbol"]) for e in find_entrypoints(program_of(files))]


def test_a_container_runs_the_program_that_the_repository_builds():
    tree = {
        "go.mod": "module example.org/me/watch/v2\n",
        "main.go": GO,
        "cmd/probe/main.go": GO,
        "Dockerfile": 'FROM a\nENTRYPOINT ["/watch"]\n',
        "probe/Dockerfile": 'FROM a\nENTRYPOINT ["/bin/tini", "--"]\nCMD ["/bin/probe", "-v"]\n',
        "other/Dockerfile": 'FROM a\nCMD ["/bin/bash"]\n',
    }
    assert entries(tree) == [
        ("cli", "main.go", 3, "main"),
        ("cli", "cmd/probe/main.go", 3, "main"),
        ("server", "other/Dockerfile", 2, ""),
    ]


def test_a_package_starts_a_file_by_its_name():
    tree = {
        "web/package.json": '{"scripts": {\n'
        '  "start": "node app",\n  "build": "vite build -c src/make.js",\n  "migrate": "node src/up.js all"\n}}\n',
        "web/app.js": "go(1);\n",
        "web/src/up.js": "go(2);\n",
        "web/src/make.js": "go(3);\n",
        "Dockerfile": 'FROM node\nCMD ["node", "web/app.js"]\n',
    }
    assert entries(tree) == [("cli", "web/app.js", 1, ""), ("cli", "web/src/up.js", 1, "")]


def test_routes_that_a_file_declares_are_no_work_of_a_script():
    routes = "".join(f"@router.get('/{n}')\ndef f{n}(): ...\n" for n in range(8))
    assert entries({"a/routes.py": f"router = make()\n{routes}"}) == []
    assert entries({"a/work.py": "go()\n" * 8}) == [("cli", "a/work.py", 1, "")]


def test_without_a_manifest_programs_come_before_what_a_package_exports():
    tree = {
        "pack/__init__.py": "from pack.core import Core\n__all__ = ['Core']\n",
        "pack/core.py": "class Core:\n    def run(self): ...\n",
        "train.py": "def main(): ...\nif __name__ == '__main__':\n    main()\n",
    }
    assert entries(tree)[0] == ("cli", "train.py", 1, "main")
    assert entries({**tree, "pyproject.toml": '[project]\nname = "pack"\n'})[0][0] == "library"
