# What the readers of C, C++, CUDA, Rust, Go, TypeScript (and of Python that ast refuses) find, one construct at a time.
import random
from inspect import cleandoc
from textwrap import dedent

import msgspec
import pytest

from cutaway.model.code import FileRecord
from cutaway.read.languages import decode, language_of, read_file


def read(path, text):
    return read_file(path, dedent(text).encode())


def defs(record):
    return {d.name: d for d in record.defs}


def marks(record, kind):
    return [(m.name, m.detail) for m in record.marks if m.kind == kind]


def calls(record):
    return {c.callee: c for c in record.calls}


def binds(record):
    return {(b.target, b.value, b.annotation) for b in record.binds}


# --- the door ---


@pytest.mark.parametrize(
    ("path", "head", "language"),
    [
        ("a/b.py", b"", "python"),
        ("run", b"#!/usr/bin/env python3\n", "python"),
        ("run", b"#!/bin/bash -e\n", "shell"),
        ("x.h", b"int f(void);\n", "c"),
        ("x.h", b"namespace a {\n", "cpp"),
        ("x.h", b"__global__ void k();\n", "cuda"),
        ("k.hip", b"", "cuda"),
        ("docker/Dockerfile.rocm", b"", "docker"),
        ("CMakeLists.txt", b"", "cmake"),
        ("go.mod", b"", "text"),
        ("x.tsx", b"", "typescript"),
        ("a.bin", b"\x7fELF\0\0", ""),
        ("data.py", b"\0\0", ""),
        ("x.py", "é".encode("utf-16"), "python"),
    ],
)
def test_language_of(path, head, language):
    assert language_of(path, head) == language


def test_decode_follows_the_mark_and_never_fails():
    assert decode("\ufeffaé\r\nb".encode()) == "aé\nb"
    assert decode("aé".encode("utf-16")) == "aé"
    assert decode("aé".encode("utf-32")) == "aé"
    assert decode(b"a\xff\rb") == "a\ufffd\nb"


def test_what_is_not_read_says_so():
    assert read_file("a.png", b"\0").why == "no reader for this kind of file"
    assert "bytes" in read_file("a.c", b"x" * (5 << 20)).why
    assert read_file("a.toml", b"[[[").parse == "skipped"


# --- C, C++, CUDA ---


def test_cpp_names_are_qualified():
    record = read(
        "a.cpp",
        """\
        namespace a::b {
        // What C is.
        // More.
        class C : public D<int>, private E {
         public:
          C(int x) : y_(x) {}
          virtual void foo(int) const = 0;
          int y_ = 2;
        };
        template <typename T>
        int C::foo(const T* p, int n = 3) { return helper(n); }
        enum class Color { RED = 1, GREEN };
        }
        typedef struct { int x; } S;
        using F = std::function<int(int)>;
        void prototype(void);
        #define SQUARE(x) ((x) * (x))
        """,
    )
    found = defs(record)
    assert found["a.b.C"].doc == "What C is. More."
    assert found["a.b.C"].bases == ["D<int>", "E"]
    methods = [d for d in record.defs if d.name == "a.b.C.foo"]
    assert [d.flags for d in methods] == [["virtual", "public", "abstract", "declaration"], []]
    assert methods[1].kind == "method" and record.defs[methods[1].parent].name == "a.b.C"
    assert (methods[1].start, methods[1].line, methods[1].end) == (10, 11, 11)
    assert [(p.name, p.annotation, p.default) for p in methods[1].params] == [
        ("p", "const T*", ""),
        ("n", "int", "3"),
    ]
    assert methods[1].returns == "int" and "helper" in methods[1].words
    assert [found[n].kind for n in ("a.b.Color", "S", "F", "SQUARE")] == ["enum", "struct", "type", "macro"]
    assert found["prototype"].flags == ["declaration"]
    assert marks(record, "member") == [("RED", {"value": "1"}), ("GREEN", {})]
    assert ("y_", {"annotation": "int", "default": "2"}) in marks(record, "field")
    assert ("y_", "x", "") in binds(record)


def test_cpp_calls_binds_and_imports():
    record = read(
        "a.cc",
        """\
        #include <vector>
        #include "engine/core.h"
        using namespace std;
        int main(int argc, char** argv) {
          auto engine = std::make_unique<Engine>(config);
          Queue* q = new Queue(3);
          while (!done) { engine->step(q); }
          for (auto& x : items) x.run();
          std::thread worker(loop_fn, q);
          std::mutex mu;
          std::lock_guard<std::mutex> guard(mu);
          const char* e = std::getenv("ENGINE_DEBUG");
          if (arg == "--port" || strcmp(argv[1], "--host") == 0) throw std::runtime_error("x");
          svr.Post("/completion", handle_completion);
        }
        static std::map<std::string, Fn> table = {{"a", run_a}, {"b", run_b}};
        """,
    )
    assert [(i.module, i.symbol) for i in record.imports] == [
        ("vector", "*"),
        ("engine/core.h", "*"),
        ("std", "*"),
    ]
    found = calls(record)
    assert found["engine->step"].how == ["loop"] and found["x.run"].how == ["loop"] and "Queue" in found
    assert ("q", "new Queue(3)", "Queue") in binds(record) and ("x", "items", "auto") in binds(record)
    assert marks(record, "main") == [("main", {})]
    assert marks(record, "loop")[0][0] == "(!done)"
    assert marks(record, "task") == [("loop_fn", {"how": "thread", "callee": "std::thread"})]
    assert [m[1]["target"] for m in marks(record, "lock")] == ["mu"]
    assert marks(record, "env") == [("ENGINE_DEBUG", {"via": "std::getenv"})]
    assert [m[0] for m in marks(record, "flag")] == ["--port", "--host"]
    assert marks(record, "route") == [("handle_completion", {"path": "/completion", "method": "post"})]
    assert marks(record, "entry")[0] == ("a", {"value": "run_a", "table": "table"})
    assert marks(record, "raise")[0][0].startswith("std::runtime_error")


def test_option_tables():
    record = read(
        "arg.cpp",
        """\
        void f() {
          add_opt(common_arg({"-m", "--model"}, "FNAME", "model path", set).set_env("LLAMA_ARG_MODEL"));
        }
        DEFINE_int32(port, 8080, "the port");
        static struct option long_options[] = {{"help", no_argument, 0, 'h'}};
        """,
    )
    assert marks(record, "flag") == [
        ("--model", {"also": "-m", "help": "model path"}),
        ("--port", {"default": "8080", "type": "int32", "help": "the port", "dest": "FLAGS_port"}),
        ("--help", {"type": "no_argument"}),
    ]
    assert [m[0] for m in marks(record, "env")] == ["LLAMA_ARG_MODEL"]


def test_an_option_at_the_end_of_a_long_chain_is_told_its_variable():
    text = " ".join(f"params.value_{n} = value;" for n in range(40))
    chain = 'void f() {{ add_opt(Arg("--port", [](Params & params, int value) {{ {} }}).set_env("APP_PORT")); }}\n'
    assert [m[0] for m in marks(read("arg.cpp", chain.format(text)), "env")] == ["APP_PORT"]


def test_kernels_and_launches():
    record = read(
        "k.cu",
        """\
        namespace v {
        template <typename T, int N>
        __global__ void __launch_bounds__(256) scale(const T* __restrict__ x, int n) { __shared__ float s[3]; }
        void run(int n) { scale<float, 3><<<dim3(n), 256, 0, stream>>>(x, n); }
        }
        """,
    )
    kernel = defs(record)["v.scale"]
    assert (kernel.kind, kernel.start, kernel.line, kernel.flags) == ("kernel", 2, 3, [])
    assert calls(record)["scale<float, 3>"].how == ["launch"]
    sizes = {"grid": "dim3(n)", "block": "256", "shared": "0", "stream": "stream"}
    assert marks(record, "launch") == [("scale", sizes)]


def test_kernels_that_the_grammar_cannot_read():
    record = read(
        "k.cu",
        """\
        #define KERNEL(kernelName, ...) \\
          template<__VA_ARGS__> \\
          __global__ void kernelName(const Params params)
        KERNEL(flash_kernel, bool A) { }
        // __global__ void not_me();
        #define LAUNCH(G) moe<G> \\
            <<<grid, block>>>(x)
        __global__ BOUNDS(256, 2) void broken(int x) @@ unreadable @@ { }
        """,
    )
    kernels = {d.name: d for d in record.defs if d.kind == "kernel"}
    assert set(kernels) == {"flash_kernel", "broken"}
    assert "pattern" in kernels["flash_kernel"].flags and kernels["flash_kernel"].line == 4
    assert [m[0] for m in marks(record, "launch")] == ["moe"]
    assert record.parse == "errors"


def test_metal_kernels():
    record = read(
        "k.metal",
        "kernel void rms_norm(device float* x [[buffer(0)]]) { }\n[[kernel]] void other(int x) { }\n",
    )
    assert {d.name for d in record.defs if d.kind == "kernel"} == {"rms_norm", "other"}


def test_bindings():
    record = read(
        "torch_bindings.cpp",
        """\
        TORCH_LIBRARY(ns, ops) {
          ops.def("paged(Tensor! out, int n) -> ()");
          ops.impl("paged", torch::kCUDA, &paged_attention);
          ops.def("other", &other_fn);
        }
        TORCH_LIBRARY_IMPL(ns, CPU, m) { m.impl("boxed", TORCH_BOX(&boxed_fn)); }
        PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("forward", &forward, "doc"); }
        """,
    )
    found = [
        (n, d.get("target", ""), d.get("qualified", ""), d.get("dispatch", ""))
        for n, d in marks(record, "binding")
    ]
    assert found == [
        ("ns", "", "", ""),
        ("paged", "", "ns::paged", ""),
        ("paged", "paged_attention", "ns::paged", "CUDA"),
        ("other", "other_fn", "ns::other", ""),
        ("ns", "", "", "CPU"),
        ("boxed", "boxed_fn", "ns::boxed", "CPU"),
        ("TORCH_EXTENSION_NAME", "", "", ""),
        ("forward", "forward", "", ""),
    ]


# --- Rust ---


def test_rust_items():
    record = read(
        "a.rs",
        """\
        //! About the file.
        use std::{sync::{Arc, Mutex as M}, fmt::*};
        /// A queue.
        #[derive(Debug, Clone)]
        pub struct Queue<T> { pub size: usize, inner: Mutex<Vec<T>> }
        pub enum State { Waiting, Running(u32) }
        pub trait Step: Send { fn step(&self) -> u32; }
        impl<T> Step for Queue<T> {
            async fn step(&self) -> u32 { self.inner.lock().unwrap().len() }
        }
        impl Queue<u8> { pub fn new(n: usize) -> Self { Queue { size: n, inner } } }
        const LIMIT: usize = 8;
        mod tests { #[test] fn works() {} }
        macro_rules! mine { () => {} }
        """,
    )
    found = defs(record)
    assert record.doc == "About the file."
    assert found["Queue"].doc == "A queue." and (found["Queue"].start, found["Queue"].line) == (4, 5)
    assert found["Queue"].bases == ["Debug", "Clone"] and found["Queue"].flags == ["public"]
    step = found["Queue.step"]
    assert (step.kind, step.flags, step.bases, step.returns) == ("method", ["async"], ["Step"], "u32")
    assert record.defs[step.parent].name == "Queue"
    assert found["Queue.new"].flags == ["public", "static"] and found["Step.step"].flags == ["abstract"]
    assert [found[n].kind for n in ("State", "Step", "LIMIT", "mine", "tests.works")] == [
        "enum", "trait", "constant", "macro", "function",
    ]  # fmt: skip
    assert marks(record, "impl")[0] == ("Queue", {"trait": "Step", "end": "10"})
    assert [(i.name, i.module, i.symbol) for i in record.imports] == [
        ("Arc", "std::sync", "Arc"), ("M", "std::sync", "Mutex"), ("", "std::fmt", "*"),
    ]  # fmt: skip
    assert ("Queue.size", "n", "") in binds(record) and (
        "return",
        "self.inner.lock().unwrap().len()",
        "",
    ) in binds(record)
    assert marks(record, "member") == [("Waiting", {}), ("Running", {"value": "(u32)"})]
    assert [m[1]["target"] for m in marks(record, "lock")] == ["inner"]


def test_rust_calls():
    record = read(
        "main.rs",
        """\
        fn main() {
            let app = Router::new()
                .route("/generate", post(generate))
                .route("/health", get(handlers::health));
            let port = std::env::var("PORT").unwrap_or("3000".to_string());
            let (tx, rx) = mpsc::unbounded_channel();
            tokio::spawn(async move { batching_task(rx).await });
            std::thread::spawn(move || worker(tx));
            loop { let x: Foo = engine.step(tx).await?; println!("{}", render(x)); }
            metrics::counter!("requests_total").increment(1);
            panic!("no");
        }
        """,
    )
    assert [(n, d["path"], d["method"]) for n, d in marks(record, "route")] == [
        ("generate", "/generate", "post"), ("handlers::health", "/health", "get"),
    ]  # fmt: skip
    assert [m.line for m in record.marks if m.kind == "route"] == [3, 4]
    assert marks(record, "env") == [("PORT", {"default": '"3000".to_string()', "via": "std::env::var"})]
    assert [m[0] for m in marks(record, "queue")] == ["mpsc::unbounded_channel"]
    assert [(n, d["how"]) for n, d in marks(record, "task")] == [
        ("batching_task", "task"),
        ("worker", "thread"),
    ]
    assert calls(record)["engine.step"].how == ["await", "loop"] and "render" in calls(record)
    assert ("x", "engine.step(tx).await?", "Foo") in binds(record)
    assert marks(record, "metric") == [("requests_total", {"type": "counter"})]
    assert marks(record, "raise") == [("panic!", {"text": "no"})]
    assert [m[0] for m in marks(record, "main")] == ["main"]


def test_clap_options():
    record = read(
        "args.rs",
        """\
        #[derive(Parser)]
        struct Args {
            /// The port to listen on.
            #[clap(default_value = "3000", long, short, env)]
            port: u16,
            #[arg(long = "model", env = "MODEL_ID")]
            model_id: Option<String>,
        }
        """,
    )
    port, model = marks(record, "flag")
    detail = {
        "also": "-p",
        "default": "3000",
        "type": "u16",
        "help": "The port to listen on.",
        "dest": "port",
        "env": "PORT",
    }
    assert port == ("--port", detail)
    assert model[0] == "--model" and model[1]["env"] == "MODEL_ID"
    assert [m[0] for m in marks(record, "env")] == ["PORT", "MODEL_ID"]


# --- Go ---


def test_go():
    record = read(
        "main.go",
        """\
        // Package main serves.
        package main

        import (
            "os"
            pb "example.com/api/v2"
        )

        // Server holds all.
        type Server struct {
            Base
            mu   sync.Mutex
            jobs chan Job `json:"jobs"`
        }
        type Runner interface { Run(x int) error }
        type State int
        const (
            Idle State = iota
            Busy
        )
        func (s *Server) Run(ctx context.Context, n, m int) (r int, err error) {
            for job := range s.jobs { go s.handle(job) }
            for { select {} }
            a, ok := lookup(n)
            return a, nil
        }
        func main() {
            r.POST("/api/chat", s.ChatHandler)
            http.HandleFunc("GET /health", health)
            host := os.Getenv("SERVER_HOST")
            flag.IntVar(&port, "port", 8080, "the port")
            c := make(chan int, 3)
            handlers := map[string]Handler{"a": runA}
            srv := &Server{jobs: c}
            panic("x")
        }
        """,
    )
    found = defs(record)
    assert record.doc == "Package main serves." and found["Server"].doc == "Server holds all."
    assert found["Server"].bases == ["Base"] and found["Runner"].kind == "interface"
    run = found["Server.Run"]
    assert (run.kind, run.flags, run.returns) == ("method", ["public"], "(r int, err error)")
    assert record.defs[run.parent].name == "Server"
    assert (run.params[0].name, run.params[0].annotation) == ("s", "*Server")
    assert [p.name for p in run.params] == ["s", "ctx", "n", "m"]
    assert [(i.name, i.module) for i in record.imports] == [("os", "os"), ("pb", "example.com/api/v2")]
    assert marks(record, "member") == [
        ("Idle", {"value": "iota", "type": "State"}),
        ("Busy", {"type": "State"}),
    ]
    assert [(n, d["path"], d["method"]) for n, d in marks(record, "route")] == [
        ("s.ChatHandler", "/api/chat", "post"), ("health", "/health", "get"),
    ]  # fmt: skip
    assert [m[0] for m in marks(record, "task")] == ["s.handle"] and calls(record)["s.handle"].how == [
        "go",
        "loop",
    ]
    assert marks(record, "env") == [("SERVER_HOST", {"via": "os.Getenv"})]
    assert marks(record, "flag")[0][1] == {
        "type": "int",
        "default": "8080",
        "help": "the port",
        "dest": "port",
    }
    assert [m[1].get("bound") for m in marks(record, "queue")] == [None, "3"]
    assert [m[1]["target"] for m in marks(record, "lock")] == ["mu"]
    assert marks(record, "entry") == [("a", {"value": "runA", "table": "handlers"})]
    assert ("Server.jobs", "c", "") in binds(record) and ("a", "lookup(n)", "") in binds(record)
    assert [m[0] for m in marks(record, "main")] == ["main"] and [m[0] for m in marks(record, "raise")] == [
        "panic"
    ]


# --- TypeScript, JavaScript ---


def test_typescript():
    record = read(
        "a.ts",
        """\
        import d, { a as b } from "./x"; import * as ns from "y";
        /** A client. */
        export class Client<T> extends Base<T> implements I {
          private url: string = "u";
          constructor(private readonly http: Http) { super(); this.q = new Queue(http); }
          async send(x: number, ...r: string[]): Promise<void> { await this.q.run(x); }
          get size() { return 1 }
        }
        interface I { name: string; m(x: number): void }
        enum E { A = 1, B }
        type U = "a" | "b";
        export const run = async (x: number): Promise<void> => { throw new Error("x"); };
        const port = process.env.PORT ?? 3000;
        const table = { "a": fa, b };
        app.get("/chat", chat);
        program.option("-p, --port <n>", "the port", "80");
        """,
    )
    found = defs(record)
    assert found["Client"].doc == "A client." and found["Client"].bases == ["Base", "I"]
    assert found["Client.send"].flags == ["async"] and found["Client.size"].flags == ["property"]
    assert found["Client.send"].returns == "Promise<void>"
    assert found["run"].flags == ["async", "public"] and found["run"].kind == "function"
    assert [found[n].kind for n in ("I", "E", "U", "port")] == ["interface", "enum", "type", "constant"]
    assert [(i.name, i.module, i.symbol) for i in record.imports] == [
        ("d", "./x", "default"), ("b", "./x", "a"), ("ns", "y", ""),
    ]  # fmt: skip
    assert calls(record)["this.q.run"].how == ["await"] and ("this.q", "new Queue(http)", "") in binds(record)
    assert [m[0] for m in marks(record, "field")] == ["url", "http", "name"]
    assert marks(record, "env") == [("PORT", {"via": "process.env", "default": "3000"})]
    assert marks(record, "route") == [("chat", {"path": "/chat", "method": "get"})]
    assert marks(record, "flag") == [("--port", {"also": "-p", "help": "the port", "default": '"80"'})]
    assert [m[0] for m in marks(record, "entry")] == ["a", "b"]


def test_javascript_and_tsx():
    record = read(
        "a.jsx", 'const x = require("q");\nfunction App() { return <Page onClick={() => go(1)} />; }\n'
    )
    assert record.parse == "ok" and record.imports[0].module == "q" and "go" in calls(record)
    assert defs(read("a.tsx", "export function App(p: P) { return <A/>; }\n"))["App"].flags == ["public"]
    assert read("a.js", "a" * 30_000).why == "minified"


# --- Python that ast refuses ---


def test_python_falls_back():
    text = 'print "x"\nclass A(B):\n    def m(self, n: int = 3) -> T:\n        """Doc."""\n        return os.getenv("KEY_A")\n'
    record = read("a.py", text)
    assert record.parse == "fallback" and record.why.startswith("SyntaxError")
    method = defs(record)["A.m"]
    assert (method.doc, method.returns, method.params[1].annotation) == ("Doc.", "T", "int")
    assert [m[0] for m in marks(record, "env")] == ["KEY_A"]


# --- in all of them ---


def test_python_is_cut_alike_beside_letters_beyond_ascii():
    text = """\
        @wraps(f)
        def run(self, size: int = 3, *rest):
            x = a.b[i](self.size + 1, key="k",  more=(not c, [d, *e]))
            return {x: y for x in self.items() if a < b < c} or f"{x.name!r:>{width}}"
        class Abstract(abc.ABC): value = call(1,
            2)
        """
    text = cleandoc(text) + "\n"
    plain, other = read_file("a.py", text.encode()), read_file("a.py", f"{text}# é\n".encode())
    assert (plain.defs, plain.calls, plain.binds) == (other.defs, other.calls, other.binds)
    assert [c.args for c in plain.calls][1:3] == [["self.size + 1", 'key="k"', "more=(not c, [d, *e])"], []]
    assert plain.words == other.words and "width" in plain.defs[0].words
    beside = read_file("a.py", 'f("é", x.y,  "ü  ö")\n'.encode())
    assert beside.calls[0].args == ['"é"', "x.y", '"ü ö"']


@pytest.mark.parametrize("doc", [
    "One line.", "  One line,\n    that goes on.\n\n    More.", "\n    First.\n    \n    Second.\n",
    "First.\n      \n    Second.",
    "First.\n   \n      Indented alike.", "A\tb.", "A\tb.\n\tc\n\n\td",
    "  \n\n  First.\n\n  Second.", "Trailing. \nGoes on.\n\nMore.", "",
])  # fmt: skip
def test_first_paragraph_of_a_docstring(doc):
    record = read_file("a.py", f"def f():\n    {doc!r}\n".encode())
    assert record.defs[0].doc == " ".join(cleandoc(doc).strip().split("\n\n")[0].split())


def test_notes_and_lines():
    record = read("a.c", "// FIXME: leaks\nint f(void) {\n  /* HACK around x */\n  return 1;\n}\n\n")
    assert marks(record, "note") == [("FIXME", {"text": "leaks"}), ("HACK", {"text": "around x"})]
    assert (record.lines, record.code_lines) == (6, 3)


SNIPPETS = {
    "k.cu": "template <int N>\n__global__ void k(int* x) { f<N><<<1, 2>>>(x); }\nTORCH_LIBRARY(a, m) { m.def(\"x\", &f); }\n",
    "a.cpp": "namespace a { class B : C { int x = {1, 2}; B() : x(3) {} }; }\n#define M(a, b) __global__ void a##b(\nM(x, y)\n",
    "a.rs": "#[arg(long)]\nimpl<T> A for B<T> { fn f(&self) -> u8 { spawn(async { g!(h(1), \"x\") }) } }\nuse a::{b, c::*};\n",
    "a.go": "package main\nimport \"C\"\ntype T struct { a chan int }\nfunc (t *T) F(a int) { go x(1) }\nvar x = M{\"a\": 1}\n",
    "a.tsx": "export const f = async ({a}: P = {}) => <A b={process.env.X || 'y'} />;\nclass A { @D() x = 1 }\n",
    "a.py": "@d\nasync def f(a, *b, c=1):\n    return x[1:2]\nclass A(B): pass\nprint 1\n",
}  # fmt: skip


@pytest.mark.parametrize("path", SNIPPETS)
def test_truncated_and_shuffled_text_never_raises(path):
    text = SNIPPETS[path]
    chance = random.Random(path)
    samples = [text[:cut] for cut in range(0, len(text), 3)]
    samples += ["".join(chance.sample(text, len(text))) for _ in range(5)]
    samples += [
        text + chance.choice(["(", "{", "<", '"', "/*", "<<<", "\0", "\u2028", "__global__ void "]) * 300
    ]
    for sample in samples:
        record = read_file(path, sample.encode())
        assert isinstance(record, FileRecord) and (
            record.parse in ("ok", "errors", "fallback") or "\0" in sample
        )
        assert all(-1 <= d.parent < len(record.defs) and d.parent != i for i, d in enumerate(record.defs))
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=FileRecord) == record


@pytest.mark.parametrize("path", SNIPPETS)
def test_deep_nesting_never_raises(path):
    for opening in ("(", "[", "{", "a(", "if (x) {", "<"):
        assert read_file(path, (opening * 5000).encode()).language
