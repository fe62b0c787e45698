# Who calls whom, one origin of the closed list at a time: what the code says, and what the edge must be.
import pytest

from cutaway.read.memory import program_of
from cutaway.read.origins import ORIGINS
from cutaway.read.resolve.go_interfaces import implementers
from cutaway.read.resolve.paths import Ways


def program(**files):
    """A program of files written as `name__py="text"`, or of a dict under `files`."""
    texts = files.pop("files", {}) | {name.replace("__", "."): text for name, text in files.items()}
    return program_of(texts)


def reached(made, path="a.py"):
    """{(line, callee): {(origin, symbol)}} of a file's edges."""
    edges = {}
    for e in made.edges(path):
        edges.setdefault((e.line, e.callee), set()).add((e.origin, e.symbol))
    return edges


CASES = {
    "local": ("def f(): pass\ndef g():\n    f()\n", (3, "f"), "f"),
    "constructor": ("class A:\n    def __init__(self): pass\nA()\n", (3, "A"), "A.__init__"),
    "self_method": (
        "class A:\n    def f(self): pass\n    def g(self):\n        self.f()\n",
        (4, "self.f"),
        "A.f",
    ),
    "inherited": (
        "class B:\n    def f(self): pass\nclass A(B):\n    def g(self):\n        self.f()\n",
        (5, "self.f"),
        "B.f",
    ),
    "super": (
        "class B:\n    def f(self): pass\nclass A(B):\n    def f(self):\n        super().f()\n",
        (5, "super().f"),
        "B.f",
    ),
    "attribute_type": (
        "class B:\n    def f(self): pass\nclass A:\n    def __init__(self):\n        self.b = B()\n"
        "    def g(self):\n        self.b.f()\n",
        (7, "self.b.f"),
        "B.f",
    ),
    "annotated": ("class B:\n    def f(self): pass\ndef g(b: 'B | None'):\n    b.f()\n", (4, "b.f"), "B.f"),
    "return_type": (
        "class B:\n    def f(self): pass\ndef make():\n    return B()\ndef g():\n    make().f()\n",
        (6, "make().f"),
        "B.f",
    ),
    "element_type": (
        "class B:\n    def f(self): pass\ndef g(bs: list[B]):\n    for i, b in enumerate(bs):\n        b.f()\n",
        (5, "b.f"),
        "B.f",
    ),
    "argument_type": ("class B:\n    def f(self): pass\ndef g(b):\n    b.f()\ng(B())\n", (4, "b.f"), "B.f"),
    "module_call_forward": (
        "from torch import nn\nclass M(nn.Module):\n    def forward(self, x): pass\nclass A:\n    def __init__(self):\n"
        "        self.m = M()\n    def g(self):\n        self.m(1)\n",
        (8, "self.m"),
        "M.forward",
    ),
    "dunder_call": ("class C:\n    def __call__(self): pass\nc = C()\nc()\n", (4, "c"), "C.__call__"),
    "getattr_string": (
        "class W:\n    def go(self): pass\nclass A:\n    def __init__(self):\n"
        "        self.w = W()\n    def __getattr__(self, name):\n"
        "        return getattr(self.w, name)\ndef g(a: A):\n    a.go()\n",
        (9, "a.go"),
        "W.go",
    ),
    "rpc_string_method": (
        "class W:\n    def run(self): pass\n    def call(self, method):\n        f = getattr(self, method)\n        f()\n"
        "def g(w: W):\n    w.call('run')\n",
        (7, "w.call"),
        "W.run",
    ),
    "process_target": (
        "from multiprocessing import Process\ndef work(): pass\ndef g():\n    Process(target=work).start()\n",
        (4, "Process"),
        "work",
    ),
    "thread_target": (
        "import threading\nclass A:\n    def loop(self): pass\n    def g(self):\n        threading.Thread(target=self.loop)\n",
        (5, "threading.Thread"),
        "A.loop",
    ),
    "task_target": (
        "import asyncio\nasync def work(): pass\ndef g():\n    asyncio.create_task(work())\n",
        (4, "work"),
        "work",
    ),
    "callback": ("def work(): pass\ndef g(x):\n    x.on_done(work)\n", (3, "x.on_done"), "work"),
    "queue_peer": (
        "import queue\nclass A:\n    def __init__(self):\n        self.q = queue.Queue()\n"
        "    def put(self):\n        self.q.put(1)\n"
        "    def take(self):\n        self.q.get()\n",
        (6, "self.q.put"),
        "A.take",
    ),
    "registry_entry": (
        "class B:\n    def f(self): pass\nTABLE = {'b': B}\ndef g(k):\n    TABLE[k]().f()\n",
        (5, "TABLE[k]().f"),
        "B.f",
    ),
    "custom_op_binding": (
        "import torch\ndef real(x): pass\n"
        "direct_register_custom_op(op_name='my_op', op_func=real)\ndef g(x):\n"
        "    torch.ops.ns.my_op(x)\n",
        (5, "torch.ops.ns.my_op"),
        "real",
    ),
    "kernel_launch": (
        "import triton\n@triton.jit\ndef k(x): pass\ndef g(x):\n    k[(1,)](x)\n",
        (5, "k[(1,)]"),
        "k",
    ),
    "partial_or_lambda": (
        "import functools\ndef work(): pass\nf = functools.partial(work, 1)\nf()\n",
        (4, "f"),
        "work",
    ),
    "property": (
        "class B:\n    def f(self): pass\nclass A:\n    @property\n"
        "    def b(self) -> B: return B()\ndef g(a: A):\n    a.b.f()\n",
        (7, "a.b.f"),
        "B.f",
    ),
    "external": ("import os\nos.getpid()\n", (2, "os.getpid"), "os.getpid"),
    "builtin": ("len([])\n", (1, "len"), "len"),
}


def test_spawn_starts_a_process_only_where_multiprocessing_does_it():
    made = program(
        a__py="import gevent\nimport torch.multiprocessing as mp\ndef work(): pass\nasync def task(): pass\n"
        "def g(group):\n    mp.spawn(work)\n    gevent.spawn(work)\n    group.spawn(task)\n"
    )
    edges = reached(made)
    assert ("process_target", "work") in edges[6, "mp.spawn"]
    assert ("thread_target", "work") in edges[7, "gevent.spawn"]
    assert ("task_target", "task") in edges[8, "group.spawn"]


def test_what_a_test_puts_into_an_attribute_is_not_what_the_program_runs():
    layer = "class Layer:\n    def load(self):\n        self.base.load()\n"
    fake = (
        "from a import Layer\nclass Base:\n    def load(self): pass\nlayer = Layer()\nlayer.base = Base()\n"
    )
    assert reached(program(files={"a.py": layer, "b.py": fake}))[3, "self.base.load"] == {
        ("attribute_type", "Base.load")
    }
    made = program(files={"a.py": layer, "tests/test_a.py": fake})
    assert {o for o, _ in reached(made)[3, "self.base.load"]} == {"unresolved"}


def test_a_task_is_a_coroutine_and_an_executor_s_submit_starts_a_thread():
    made = program(
        a__py="async def work(): pass\ndef count(): pass\n"
        "def g(loop, accelerator, pool, button):\n    loop.create_task(work())\n    accelerator.gather(count())\n"
        "    pool.submit(count)\n    button.submit(count)\n"
    )
    edges = reached(made)
    assert edges[4, "work"] == {("task_target", "work")}
    assert edges[5, "count"] == {("local", "count")}
    assert ("thread_target", "count") in edges[6, "pool.submit"]
    assert ("callback", "count") in edges[7, "button.submit"]


def test_a_loop_s_variable_is_not_what_the_loop_before_went_over():
    made = program(
        a__py="class A:\n    def f(self): pass\nclass B:\n    def f(self): pass\n"
        "def g():\n    one, two = [A()], [B()]\n    for x in one:\n        x.f()\n    for x in two:\n        x.f()\n"
        "def h():\n    one = [A()]\n    for x in one:\n        x.f()\n    for x in one:\n        x.f()\n"
    )
    edges = reached(made)
    assert edges[8, "x.f"] == {("element_type", "A.f")}
    assert edges[10, "x.f"] == {("element_type", "B.f")}
    assert edges[14, "x.f"] == edges[16, "x.f"] == {("element_type", "A.f")}


def test_a_type_checker_s_stub_of_another_package_is_not_what_runs():
    files = {"a.py": "import mlx.core as mx\ndef g(x):\n    mx.eval(x)\n",
             ".typings/mlx/core/__init__.pyi": "def eval(x): ...\n", ".typings/mlx/__init__.pyi": ""}  # fmt: skip
    assert {o for o, _ in reached(program(files=files))[3, "mx.eval"]} == {"external"}


def test_an_operator_is_what_lies_nearest_to_its_binding_and_no_fake():
    files = {
        "ops.py": "import torch\ndef g(x):\n    torch.ops._C.silu(x)\n    torch.ops.ns.pack(x)\n",
        "csrc/cpu/helper.cpp": "namespace cpu_utils {\nvoid silu(float* a, float* b) { b[0] = a[0]; }\n}\n",
        "csrc/stable/silu.cu": "void silu(Tensor& out, Tensor& in) { out = in; }\n",
        "csrc/stable/bindings.cpp": "void silu(Tensor& out, Tensor& in);\nTORCH_LIBRARY_IMPL(_C, CUDA, ops) {\n"
        '  ops.impl("silu", &silu);\n}\n',
        "fakes.py": "import torch\ndef register_custom_op(name):\n    return torch.library.register_fake(name)\n"
        "@register_custom_op('ns::other')\ndef _(x): return x\n@register_custom_op('ns::pack')\ndef _(x): return x\n",
    }
    made = program(files=files)
    (edge,) = [e for e in made.edges("ops.py") if e.line == 3]
    assert (edge.origin, edge.path) == ("custom_op_binding", "csrc/stable/silu.cu")
    assert not any(e.path for e in made.edges("ops.py") if e.line == 4)
    files["fakes.py"] = files["fakes.py"].replace("register_fake", "custom_op")
    (edge,) = [e for e in program(files=files).edges("ops.py") if e.line == 4]
    assert (edge.origin, edge.at) == ("custom_op_binding", 7)


def test_a_stub_of_what_is_not_built_gives_way_to_the_whole_function():
    header = (
        "#if __CUDA_ARCH__ < 800\ninline void fence() {}\n#else\ninline void fence() {\n  int a = 1;\n  wait(a);\n}\n#endif\n"
        "inline void fence(int n) {\n  int a = n;\n  int b = n;\n  wait(a + b);\n}\n"
    )
    made = program(files={"f.h": header, "k.cu": '#include "f.h"\nvoid g() {\n  fence();\n  fence(1);\n}\n'})
    assert [(e.line, e.at) for e in made.edges("k.cu") if e.path] == [(3, 4), (4, 9)]


@pytest.mark.parametrize("origin", CASES)
def test_each_origin(origin):
    text, place, symbol = CASES[origin]
    found = reached(program(a__py=text))[place]
    assert symbol in {s for _, s in found}
    told = {o for o, s in found if s == symbol}
    weaker = {"getattr_string": {"getattr_string", "annotated"}, "return_type": {"return_type", "attribute_type"},
              "registry_entry": {"registry_entry", "constructor"}, "property": {"property", "return_type"}}  # fmt: skip
    assert told & weaker.get(origin, {origin})
    assert origin in ORIGINS


def test_names_are_followed_through_reexports_and_lazy_tables():
    made = program(files={
        "pkg/__init__.py": "from .inner import B\nLAZY = {'C': '.inner:C'}\ndef __getattr__(name): return LAZY[name]\n",
        "pkg/inner.py": "class B:\n    def f(self): pass\nclass C:\n    def f(self): pass\n",
        "a.py": "from pkg import B, C\nB().f()\nC().f()\n",
    })  # fmt: skip
    found = reached(made)
    assert ("pkg/inner.py", "B.f") in {(e.path, e.symbol) for e in made.edges("a.py")}
    assert {s for _, s in found[3, "C().f"]} == {"C.f"}


def test_a_bare_name_is_no_proof():
    made = program(
        a__py="def g(x):\n    x.schedule()\n", b__py="class Scheduler:\n    def schedule(self): pass\n"
    )
    (edge,) = made.edges("a.py")
    assert (edge.origin, edge.path) == ("unresolved", "")
    assert "x" in edge.why


def test_what_a_name_is_given_from_outside():
    made = program(
        a__py=(
            "from torch import nn\nclass Cache(nn.Module):\n    def update(self, k): pass\n"
            "class Attention(nn.Module):\n    def __init__(self):\n        self.cache = None\n"
            "    def forward(self, x):\n        self.cache.update(x)\n"
            "class Model(nn.Module):\n    def __init__(self):\n        self.attention = Attention()\n    def setup(self):\n"
            "        self.attention.cache = Cache()\n"
        )
    )
    assert ("attribute_type", "Cache.update") in reached(made)[8, "self.cache.update"]


ENGINE = (
    "class Engine:\n    def __init__(self, model):\n        self.model = model\n"
    "    def run(self, x):\n        self.model.step(x)\n"
)
MODELS = "class Model:\n    def step(self, x): pass\nclass Mock:\n    def step(self, x): pass\n"


def test_many_callers_of_tests_do_not_hide_what_the_few_others_pass():
    """Twenty tests pass a stand-in; one script passes the model."""
    tests = "".join(f"def test_{n}():\n    Engine(Mock())\n" for n in range(20))
    made = program(
        files={
            "pk/engine.py": ENGINE,
            "pk/models.py": MODELS,
            "run.py": "from pk.engine import Engine\nfrom pk.models import Model\nEngine(Model()).run(1)\n",
            "tests/test_engine.py": f"from pk.engine import Engine\nfrom pk.models import Mock\n{tests}",
        }
    )
    assert reached(made, "pk/engine.py")[5, "self.model.step"] == {("argument_type", "Model.step")}


def test_a_name_that_all_the_world_calls_is_not_followed_to_its_callers():
    calls = "".join("Engine(Model())\n" for _ in range(101))
    made = program(
        files={
            "pk/engine.py": ENGINE,
            "pk/models.py": MODELS,
            "run.py": f"from pk.engine import Engine\nfrom pk.models import Model\n{calls}",
        }
    )
    assert {o for o, _ in reached(made, "pk/engine.py")[5, "self.model.step"]} == {"unresolved"}


@pytest.mark.parametrize(
    "held",
    [
        "ModuleDict({'h': [B()], 'e': C()})",
        "ModuleDict(dict(h=[B()], e=C()))",
        "SimpleNamespace(h=[B()], e=C())",
    ],
)
def test_things_that_are_held_by_name_are_kept_apart(held):
    body = "class B:\n    def f(self): pass\nclass C:\n    def f(self): pass\n    def g(self): pass\n"
    made = program(
        a__py=f"from torch.nn import ModuleDict\nfrom types import SimpleNamespace\n{body}"
        f"class A:\n    def __init__(self):\n        self.t = {held}\n"
        "    def run(self):\n        for b in self.t.h:\n            b.f()\n        self.t.e.f()\n        self.t['e'].g()\n"
    )
    found = reached(made)
    assert {s for _, s in found[13, "b.f"]} == {"B.f"}
    assert {s for _, s in found[14, "self.t.e.f"]} == {"C.f"}
    if held.startswith("Module"):
        assert {s for _, s in found[15, "self.t['e'].g"]} == {"C.g"}


@pytest.mark.parametrize("given", ["self", "Walk()"])
def test_what_a_loop_takes_from_an_iterator(given):
    """One that gives itself where it is asked for an iterator, as most do, is not asked without end."""
    made = program(
        a__py="class B:\n    def f(self): pass\n"
        f"class Walk:\n    def __iter__(self):\n        return {given}\n    def __next__(self):\n        return B()\n"
        "def g():\n    for b in Walk():\n        b.f()\n"
    )
    assert reached(made)[10, "b.f"] == {("return_type", "B.f")}


def test_a_model_factory_returns_what_its_registry_names():
    made = program(
        files={
            "models/one.py": "from torch import nn\nclass OneForCausalLM(nn.Module):\n    def forward(self, x): pass\n",
            "models/two.py": (
                "from models.one import OneForCausalLM\nfrom torch import nn\n"
                "class TwoForCausalLM(nn.Module):\n    def forward(self, x): pass\n"
            ),
            "registry.py": (
                "import importlib\nfrom torch import nn\n"
                "MODELS = {'OneForCausalLM': ('one', 'OneForCausalLM'), 'TwoForCausalLM': ('two', 'TwoForCausalLM')}\n"
                "def get_model(name) -> nn.Module:\n    module, cls = MODELS[name]\n"
                "    return getattr(importlib.import_module('models.' + module), cls)()\n"
            ),
            "a.py": (
                "from registry import get_model\nclass R:\n    def __init__(self):\n"
                "        self.model = get_model('x')\n    def run(self, x):\n        self.model(x)\n"
            ),
        }
    )
    edges = {(e.origin, e.path, e.symbol) for e in made.edges("a.py") if e.line == 6}
    assert (
        "module_call_forward",
        "models/one.py",
        "OneForCausalLM.forward",
    ) in edges  # the one that others lean on


def test_the_likeliest_way_goes_through_strings_overrides_and_forward():
    made = program(a__py=(
        "from torch import nn\n"
        "class Base:\n    def step(self): raise NotImplementedError\n"
        "class Real(Base):\n    def __init__(self):\n        self.model = Net()\n    def step(self):\n        self.model(1)\n"
        "class DummyReal(Base):\n    def step(self): pass\n"
        "class Net(nn.Module):\n    def forward(self, x): pass\n"
        "class Engine:\n    def __init__(self, runner: Base):\n        self.runner = runner\n"
        "    def call(self, name):\n        getattr(self.runner, name)()\n    def loop(self):\n        self.call('step')\n"
    ))  # fmt: skip
    hops = Ways(made).path([("a.py", "Engine.loop")], lambda n: n[1] == "Net.forward")
    assert [h.node[1] for h in hops] == ["Real.step", "Net.forward"]
    assert [h.line for h in hops] == [19, 8]


def test_edges_of_declared_languages():
    rust = (
        "struct Engine { sched: Scheduler }\nstruct Scheduler {}\nimpl Scheduler {\n    fn schedule(&self) {}\n}\n"
        "impl Engine {\n    fn step(&self) {\n        self.sched.schedule();\n"
        "        self.other();\n    }\n    fn other(&self) {}\n}\n"
    )
    go = (
        "package main\ntype S struct {\n\tq *Queue\n}\ntype Queue struct {\n}\n"
        "func (q *Queue) Pop() {}\nfunc (s *S) Run() {\n\ts.q.Pop()\n}\n"
    )
    cuda = "__global__ void k(float* x) {}\nvoid launch(float* x) {\n  k<<<1, 2>>>(x);\n}\n"
    made = program(files={"a.rs": rust, "b.go": go, "c.cu": cuda})
    assert ("receiver", "Scheduler.schedule") in {(e.origin, e.symbol) for e in made.edges("a.rs")}
    assert ("self_method", "Engine.other") in {(e.origin, e.symbol) for e in made.edges("a.rs")}
    assert ("receiver", "Queue.Pop") in {(e.origin, e.symbol) for e in made.edges("b.go")}
    assert ("kernel_launch", "k") in {(e.origin, e.symbol) for e in made.edges("c.cu")}


def test_a_module_that_is_imported_by_its_whole_name_is_followed_through_it():
    made = program(
        files={
            "a/__init__.py": "def top(): pass\n",
            "a/b.py": "def g(): pass\n",
            "x.py": "import a.b\nimport os.path\na.b.g()\na.top()\nos.path.join('a')\n",
        }
    )
    assert reached(made, "x.py") == {
        (3, "a.b.g"): {("module_attribute", "g")},
        (4, "a.top"): {("module_attribute", "top")},
        (5, "os.path.join"): {("external", "os.path.join")},
    }


RUNNERS = """package p
type Runner interface {
	Run(x int) (err error)
	Stop()
}
type Near struct{}
func (a *Near) Run(y int) error { return nil }
func (a *Near) Stop() {}
type Other struct{}
func (b Other) Run(x string) error { return nil }
func (b Other) Stop() {}
type Half struct{}
func (h Half) Run(x int) error { return nil }
func use(r Runner) { r.Run(1) }
"""


def test_types_that_have_the_methods_of_a_go_interface_are_what_a_call_through_it_runs():
    far = 'package q\nimport "p"\ntype Far struct{}\nfunc (c Far) Run(x int) error { return nil }\nfunc (c Far) Stop() {}\n'
    made = program(files={"p/x.go": RUNNERS, "q/y.go": far})
    assert reached(made, "p/x.go")[14, "r.Run"] == {("override", "Near.Run"), ("override", "Far.Run")}


def test_a_go_interface_asks_for_what_it_embeds_and_an_empty_one_for_nothing():
    source = (
        RUNNERS
        + "type Both interface {\n\tRunner\n\tMore()\n}\ntype Any interface{}\nfunc (a *Near) More() {}\n"
    )
    assert implementers(program(files={"p/x.go": source})) == {"Runner": ["Near"], "Both": ["Near"]}


KINDS = """
from enum import Enum, auto

class Kind(Enum):
    ATTENTION = auto()
    NORM = auto()
    OTHER = auto()

class Attention:
    def run(self): pass

class Norm:
    def run(self): pass

class Plain:
    def run(self): pass

def build(kind):
{body}

def attention():
    build(Kind.ATTENTION).run()

def norm():
    build(Kind.NORM).run()

def unknown(kind):
    build(kind).run()
"""
ALL = {"Attention.run", "Norm.run", "Plain.run"}
BODIES = [
    """
    if kind == Kind.ATTENTION:
        return Attention()
    elif kind is Kind.NORM:
        return Norm()
    return Plain()""",
    """
    if kind != Kind.ATTENTION and kind != Kind.NORM:
        return Plain()
    if kind in (Kind.NORM,):
        return Norm()
    return Attention()""",
    """
    match kind:
        case Kind.ATTENTION:
            return Attention()
        case Kind.NORM:
            return Norm()
        case _:
            return Plain()""",
]


def ran(made, symbol):
    return {e.symbol for e in made.callees("a.py", symbol) if e.callee.endswith(".run")}


@pytest.mark.parametrize("body", BODIES)
def test_what_is_returned_depends_on_the_constant_that_is_passed(body) -> None:
    made = program(a__py=KINDS.format(body=body))
    assert ran(made, "attention") == {"Attention.run"}
    assert ran(made, "norm") == {"Norm.run"}
    assert ran(made, "unknown") == ALL


def test_a_parameter_that_is_given_another_value_decides_nothing() -> None:
    body = "    kind = other(kind)\n    if kind == Kind.ATTENTION:\n        return Attention()\n    return Norm()"
    made = program(a__py=KINDS.format(body=body) + "\ndef other(kind): return kind\n")
    assert ran(made, "attention") == {"Attention.run", "Norm.run"}


def test_strings_choose_too() -> None:
    body = "    if kind == 'attention':\n        return Attention()\n    raise ValueError(kind) if kind else Norm()"
    made = program(a__py=KINDS.format(body=body).replace("Kind.ATTENTION).run", "'attention').run"))
    assert ran(made, "attention") == {"Attention.run"}
