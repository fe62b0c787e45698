# What a program is told, and by which line: variables, flags and the fields they set, classes of settings.
from cutaway.facts.cli_flags import find_cli_flags
from cutaway.facts.config_surface import find_config_surface
from cutaway.read.memory import program_of


def surface(tree):
    return find_config_surface(program_of(tree))


def names(rows, key="name"):
    return [row[key] for row in rows]


def test_variables_by_name_with_default_and_read_sites_of_the_product_alone():
    found = surface(
        {
            "app/a.py": "import os\nPORT = os.getenv('APP_PORT', '80')\nos.environ['APP_SET'] = '1'\n",
            "app/b.py": "import os\nfrom app.names import KEY\nx = os.environ.get(KEY)\ny = 'APP_PORT' in os.environ\n",
            "app/names.py": "KEY = 'APP_KEY'\n",
            "tests/test_a.py": "import os\nos.getenv('ONLY_A_TEST')\n",
        }
    )["env_vars"]
    assert [(v["name"], v["path"], v["line"], v["default"]) for v in found] == [
        ("APP_KEY", "app/b.py", 3, ""), ("APP_PORT", "app/a.py", 2, "80"),
    ]  # fmt: skip


def test_a_class_whose_attributes_are_variables():
    text = (
        "import os\nPREFIX = 'MY_'\nclass Env:\n    def __init__(self, d): self.d = d\n"
        "    def load(self, name): return os.getenv(name)\n"
        "class Envs:\n    TOP_K = EnvInt(3)\n    def __init__(self):\n        for n in dir(self):\n"
        "            getattr(self, n).load(f'{PREFIX}{n}')\n"
    )
    assert [(v["name"], v["default"]) for v in surface({"env.py": text})["env_vars"]] == [("MY_TOP_K", "3")]


def test_flags_and_the_fields_they_set():
    tree = {
        "conf.py": "from dataclasses import dataclass\n@dataclass\nclass Base:\n    depth: int = 2\n"
        "@dataclass\nclass ServerArgs(Base):\n    port: int = 80\n    limit: int = 3\n",
        "cli.py": "import argparse\nfrom conf import ServerArgs\ndef run(n, seed): ...\n"
        "p = argparse.ArgumentParser()\np.add_argument('--port', type=int, default=ServerArgs.port, help='the port')\n"
        "p.add_argument('--max-depth', dest='deep')\np.add_argument('--seed')\nargs = p.parse_args()\n"
        "ServerArgs(depth=args.deep)\nrun(1, args.seed)\n",
    }
    flags = {f["name"]: f for f in surface(tree)["cli_flags"]}
    assert {n: (f["sets"]["class"], f["sets"]["field"], f["sets"]["line"]) for n, f in flags.items()} == {
        "--port": ("ServerArgs", "port", 7), "--max-depth": ("Base", "depth", 4), "--seed": ("run", "seed", 3),
    }  # fmt: skip
    assert flags["--port"]["help"] == "the port"


def test_a_flag_stands_where_its_own_name_does():
    text = "import argparse\np = argparse.ArgumentParser()\np.add_argument(\n    '-m',\n    '--model',\n)\n"
    assert [(f["name"], f["line"]) for f in surface({"a.py": text})["cli_flags"]] == [("--model", 5)]


def test_flags_that_a_library_reads_off_fields_and_parameters():
    tree = {
        "a.py": "import tyro\nfrom b import Config\ntyro.cli(Config)\n",
        "b.py": "from dataclasses import dataclass\n@dataclass\nclass Config:\n    lr: float = 0.1\n    _hidden: int = 0\n",
        "c.py": "import typer\napp = typer.Typer()\n@app.command()\ndef go(count: int = 1): ...\n",
        "d.py": "class Args:\n    top_p: float = 1.0\n    @classmethod\n    def add(cls, p):\n"
        "        for key in cls.fields():\n"
        "            p.add_argument(f\"--{key.replace('_', '-')}\")\n",
    }
    assert {(f["name"], f["path"], f["default"]) for f in surface(tree)["cli_flags"]} == {
        ("--lr", "b.py", "0.1"), ("--count", "c.py", "1"), ("--top_p", "d.py", "1.0"),
    }  # fmt: skip


def test_constants_that_a_command_line_replaces():
    tree = {
        "set.py": "import sys\nfor a in sys.argv[1:]:\n    globals()[a] = 1\n",
        "train.py": "batch = 3\nname = 'x'\nexec(open('set.py').read())\nafter = 1\n",
    }
    assert names(surface(tree)["cli_flags"]) == ["--batch", "--name"]


def test_classes_and_tables_of_settings():
    tree = {
        "m.py": "from dataclasses import dataclass\n@dataclass\nclass ModelArgs:\n    dim: int = 8\nclass Other:\n    dim = 3\n"
        "model_configs = {'7B': dict(dim=4096)}\nclass RunConfig:\n    def __init__(self, n):\n        self.n = n\n"
    }
    found = {c["symbol"]: names(c["fields"]) for c in surface(tree)["config_classes"]}
    assert found == {"ModelArgs": ["dim"], "model_configs": ["7B"], "RunConfig": ["n"]}


def test_each_key_of_a_file_of_settings_has_its_line():
    (file,) = surface({"config/train.yaml": "# how to train\nsteps: 3\nmodel:\n  width: 8\n"})["config_files"]
    assert dict(zip(file["keys"], file["lines"], strict=True))["model"] == 3


def test_nothing_is_invented():
    found = surface(
        {"a.py": "def f(x):\n    return x\n", "README.md": "Set `FOO_BAR=1` and pass `--flag`.\n"}
    )
    assert found == {"env_vars": [], "cli_flags": [], "config_classes": [], "config_files": []}


def test_a_headings_figures_are_not_said_of_the_command_below_it():
    from cutaway.facts.build_install import find_build_install
    from cutaway.read.memory import program_of

    rows = find_build_install(program_of({"README.md": "# Set-up (CUDA 13+)\n\n```\npip install one\n```\n"}))
    assert [r["what"] for r in rows if r["cmd"] == "pip install one"] == ["shown under Set-up"]


def test_a_command_ends_where_its_last_line_does():
    from cutaway.facts.build_install import find_build_install
    from cutaway.read.memory import program_of

    text = "# Use\n```bash\npython a.py \\\n  --x 1 \\\n  --y 2\n```\n"
    rows = find_build_install(program_of({"README.md": text, "Dockerfile": "FROM x\n"}))
    assert [(r["cmd"], r["line"], r["end"], r["evidence"][0]["end"]) for r in rows] == [
        ("python a.py --x 1 --y 2", 3, 5, 5),
        ("docker build .", 1, 0, 1),
    ]


def test_a_function_that_is_told_argv_describes_no_fields():
    program = program_of({"a.py": "def main(argv):\n    visit(80, 'port', 80)\n"})
    assert find_cli_flags(program, []) == []


def test_a_parser_of_its_own_and_every_long_name_of_a_flag():
    text = (
        "import argparse\nclass RecipeParser(argparse.ArgumentParser):\n    def __init__(self):\n"
        "        super().__init__()\n        self.add_argument('--recipe', '--recipe-file', '-r', type=str)\n"
        "        self.add_argument('--no_cache', '--no-cache')\n"
    )
    made = surface({"app/cli.py": text})
    assert names(made["config_classes"], "symbol") == ["RecipeParser"]
    assert names(made["cli_flags"]) == ["--recipe", "--recipe-file", "--no_cache"]


def test_flags_of_a_class_that_a_function_is_handed_and_of_a_table_of_options():
    tree = {
        "app/settings.py": "class Settings:\n    port: int = 80\n",
        "app/cli.py": "def add_args(parser, model):\n    for name in model.model_fields:\n"
        "        parser.add_argument(f'--{name}', help='')\n",
        "app/main.py": "from app.cli import add_args\nfrom app.settings import Settings\n\n"
        "def main(parser):\n    add_args(parser, Settings)\n",
        "app/other.py": "from options import define\ndefine('depth', default=3, help='how deep')\ndefine('x', 3)\n",
    }
    found = surface(tree)["cli_flags"]
    assert [(f["name"], f["path"], f["default"]) for f in found] == [
        ("--depth", "app/other.py", "3"), ("--port", "app/settings.py", "80"),
    ]  # fmt: skip


def test_a_variable_s_prefix_stands_in_the_function_that_is_told_its_name():
    tree = {
        "app/cli.py": (
            'import os\nNAME = "ferro"\nPREFIX = NAME.upper()\n'
            "def add_argument(parser, *args, envvar=None, **kwargs):\n    if envvar:\n"
            '        envvar = f"{PREFIX}_{envvar.upper()}"\n        kwargs["default"] = os.environ.get(envvar)\n'
            '    parser.add_argument(*args, **kwargs)\ndef main(parser):\n'
            '    add_argument(parser, "--queues", envvar="WORKER_QUEUES")\n    parser.add_argument("--port", envvar="PORT")\n'
        )
    }
    assert names(surface(tree)["env_vars"]) == ["FERRO_WORKER_QUEUES", "PORT"]


def test_a_variable_of_two_letters():
    assert names(surface({"a.py": "import os\nif os.environ.get('CI'): ...\n"})["env_vars"]) == ["CI"]
