# Who says "not now": the test that there is room before a request is taken in, and what pushes back on the client.
"""Admission control and backpressure."""

from cutaway.facts.concept import Concept, about, code, kinds, name, owner, path, takes, uses

ADMISSION = Concept(
    key="admission_or_backpressure",
    looked_for="tests whether there is room before a request is taken in, or turns one away",
    kinds=kinds(types=0.6, callables=1.0),
    clues=(
        name("can_(?:allocate|append|schedule|admit|run|add|fit)\\w*|try_(?:add|allocate|alloc|schedule|reserve)\\w*|has_(?:capacity|room|free_\\w+)|check_(?:capacity|admission|budget)|\\w*admit\\w*|\\w*admission\\w*|reserve\\w*|budget_ok", 5, "named"),
        name("throttle\\w*|\\w*_throttle\\w*|back_?pressure|rate_limit\\w*|concurrency_limit\\w*|flow_control|limit_concurrency|over_?load\\w*|limiter|semaphore|acquire\\w*|queue_full|max_pending\\w*", 4, "named"),
        name("schedule|allocate_slots|next_batch|get_new_batch\\w*|schedule_\\w+|update_slots|process_pending|generate_new_batch", 2.5, "step"),
        name("add_request|add_req|enqueue|submit|add_one_req\\w*|get_runner|validate\\w*|get_new_prefill_batch|append", 1.5, "entry"),
        name("config|stats|metric\\w*|output|test|kernel|blocks|init|free|weight\\w*|layer", -3),
        owner("scheduler|sched\\w*|\\w*manager|adder|queue|server\\w*|validation|infer|router|state|block_\\w+", 1.5),
        uses("can_(?:allocate|append|schedule|run|add|fit|be)\\w*|try_(?:allocate|acquire|send|add|reserve)\\w*|available_size|available_\\w*|has_capacity|\\w*_permits?|allocate_slots|estimated_\\w*|reserved\\w*", 2.5, "room"),
        uses("free_blocks|num_free_blocks|free_block_ids|num_free\\w*|free_slots|get_num_free_blocks|free_memory|free_space|token_budget|remaining\\w*|rem_\\w*tokens", 2, "room"),
        uses("max_num_seqs|max_running\\w*|max_queue\\w*|max_concurrent\\w*|max_pending\\w*|limit\\w*|max_batch\\w*|max_num_batched_tokens|max_total_tokens|max_batch_total_tokens|queue_limit|watermark\\w*", 2, "limit"),
        uses("overloaded\\w*|too_many_requests|service_unavailable|max_queue\\w*|err_max_queue|busy|reject\\w*|throttle\\w*|backpressure|back_pressure|semaphore|\\w*_semaphore", 2.5, "refuses"),
        uses("waiting\\w*|queue|pending\\w*|entries", 1.2, "queue"),
        uses("request|req|seq|sequence|seqs|reqs", 0.8),
        takes("request|req|seq|sequence|seq_group|prompt\\w*", 0.5),
        path("scheduler|sched\\w*|block_manager|queue|validation|prefill|flow_control", 1.2),
        about("enough|room|capacity|admit\\w*|admission|can be (?:allocated|scheduled)|budget|throttl\\w*|back-?pressure|overload\\w*", 1.5, "room"),
        code(r"(?i)(?:free|avail|remain|budget|capacity|pending|queue|running)\w*(?:\(\))?\)?\s*(?:<|>=|<=|>|==\s*0)", 1.5, "limit"),
    ),
    needs=("named|step|entry", "room|limit|refuses"),
    least=9,
    near={"scheduler": 3},
    anywhere=True,
)
