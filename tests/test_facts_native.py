# Parts of engines and services in C++, Rust and Go, on trees small enough to be read here: queues that refuse, methods written
# outside of their type's namespace, settings within settings, loops that fetch what to do.
from cutaway.facts.components import find_components
from cutaway.read.memory import program_of

README = "# Ferro\n\nServes large language models: tokens, transformer, KV cache, attention, sampling of logits.\n"
ABOUT = {"words.py": "def facts(kv_cache, n_heads, rope): return kv_cache.len, n_heads, rope, prefill_seen, logits\n"}


def found(key, tree, models=True):
    """The candidates of one component, as (file, symbol)."""
    about = {"README.md": README, **ABOUT} if models else {}
    return [(c.path, c.symbol) for c in find_components(program_of({**about, **tree}))[key].candidates]


SCHEDULE = """
namespace llm {
bool Scheduler::schedule(Request* request) {
  if (request_queue_.write(request)) {
    return true;
  }
  return false;
}
}
"""


def test_a_queue_that_does_not_take_a_request_refuses_it():
    tree = {"src/scheduler.cc": SCHEDULE}
    assert found("admission_or_backpressure", tree) == [("src/scheduler.cc", "llm.Scheduler.schedule")]
    taken = SCHEDULE.replace("if (request_queue_.write(request)) {", "request_queue_.write(request); {")
    assert found("admission_or_backpressure", {"src/scheduler.cc": taken}) == []


def test_the_arguments_of_a_type_are_no_comparison_with_a_limit():
    tree = {
        "src/queue.rs": (
            "impl Queue {\n    async fn schedule_task(&self, task: Task) -> Result<Task, QueueError> {\n"
            "        let queue = self.queue;\n        queue.insert(task).await\n    }\n}\n"
        )
    }
    assert found("admission_or_backpressure", tree, models=False) == []


ATTENTION = """#include "op.h"
using namespace ferro;
void LlamaAttention::execute(Workspace* space, int n_past) {
  auto q = space->q;
  auto scores = matmul(q, key, n_head);
  softmax(scores);
  matmul(scores, value);
}
"""


def test_methods_that_leave_a_namespace_out_belong_to_their_type():
    tree = {
        "src/op.h": (
            "namespace ferro {\nclass LlamaAttention : public Op {\n public:\n  void execute(Workspace* s, int n);\n};\n}\n"
        ),
        "src/op.cpp": ATTENTION,
    }
    assert found("attention_backend", tree)[0] == ("src/op.h", "ferro.LlamaAttention")
    assert found("attention_backend", {"src/op.h": tree["src/op.h"]}) == []


def test_of_settings_within_settings_the_inner_ones_are_those_asked_for():
    fields = "    float temperature{1.0f};\n    float top_p{0.9f};\n    int top_k{50};\n    float repetition_penalty{1.0f};\n"
    tree = {"src/config.h": f"namespace a {{\nstruct Config {{\n  struct Search {{\n{fields}  }};\n  Search search;\n}};\n}}\n"}
    assert found("sampling_params", tree)[0] == ("src/config.h", "a.Config.Search")


UPDATE = """
void KvCache::%s(int pos) {
  key_cache_[pos] = key;
  value_cache_[pos] = value;
  memcpy(key_cache_, slot, pos);
}
"""


def test_what_asks_whether_there_is_room_writes_nothing():
    assert found("kv_cache_update", {"src/kv_cache.cpp": UPDATE % "append"}) == [("src/kv_cache.cpp", "KvCache.append")]
    both = UPDATE % "append" + UPDATE % "can_append"
    assert found("kv_cache_update", {"src/kv_cache.cpp": both})[0] == ("src/kv_cache.cpp", "KvCache.append")


WORKER = """
impl Worker {
    pub async fn run_tasks(&mut self) -> Result<(), Error> {
        loop {
            match self.queue.fetch_task(self.kind).await {
                Ok(Some(task)) => self.run(&task).await?,
                Ok(None) => self.sleep().await,
                Err(error) => self.sleep().await,
            };
        }
    }
}
"""


def test_a_loop_that_fetches_what_to_do_is_what_runs():
    assert found("runtime_loop", {"src/worker.rs": WORKER}, models=False) == [("src/worker.rs", "Worker.run_tasks")]
    assert found("runtime_loop", {"src/worker.rs": WORKER.replace("fetch_task", "peek")}, models=False) == []


def test_the_name_of_a_hook_is_no_evidence_that_it_reads_weights():
    hook = "void Linear::load_state_dict(const StateDict& given) {\n  check(given);\n  this->seen = true;\n}\n"
    assert found("weight_loader", {"src/linear.cpp": hook}) == []
