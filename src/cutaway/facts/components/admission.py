# Who says "not now": the test that there is room before a request is taken in, and what pushes back on the client.
"""Admission control and backpressure."""

from cutaway.facts.components.scheduler import FILLS, FREE_PLACES, KEPT_WAITING, PASSED_OVER
from cutaway.facts.concept import Concept, about, code, has, keeps, kinds, name, owner, path, takes, uses

ADMISSION = Concept(
    key="admission_or_backpressure",
    looked_for="tests whether there is room before a request is taken in, or turns one away",
    kinds=kinds(types=0.9, callables=1.0, device=False),
    clues=(
        uses(
            r"pause_reading|resume_reading|high_water\w*|low_water\w*|write_buffer\w*|\w*_paused",
            2.5,
            "refuses",
        ),
        name(
            r"can_(?:allocate|append|schedule|admit|run|add|fit)\w*|"
            r"try_(?:add|allocate|alloc|schedule|reserve)\w*|has_(?:capacity|room|free_\w+)|"
            r"(?:has_)?enough_\w+|can_(?:prefill|decode|verify|accept|serve|start|launch|take|put|enter)\w*|has_\w*(?:space|room|capacity)|"
            r"would_\w+|exceed\w*|at_limit|is_full|stall\w*|overloaded|"
            r"check_(?:capacity|admission|budget)|\w*admit\w*|\w*admission\w*|try_reserve\w*|budget_ok|"
            r"get_available_(?:slot|capacity|\w*slots)|waiting_\w+_fits?\w*|"
            r"\w*onboard\w*|\w*(?:pages|blocks|slots|tokens)_(?:required|needed)\w*|required_(?:pages|blocks|slots)",
            5,
            "named",
        ),
        name(
            r"throttle\w*|\w*_throttle\w*|back_?pressure|rate_limit\w*|concurrency_limit\w*|"
            r"flow_control|limit_concurrency|over_?load\w*|limiter|semaphore|acquire\w*|queue_full|"
            r"max_pending\w*|wait_(?:for|until)_\w*(?:memory|space|room|slots?|capacity|available)",
            4,
            "named",
        ),
        name(r"validate_(?:models?|config\w*|args|params|keys?|types?)", -3),
        # what comes faster than it may is held until its bucket has a token
        name(r"limit_(?:task|job|request|message|rate)\w*", 4, "named"),
        uses(r"(?:\w+_)?buckets?|can_consume|expected_time", 1.5, "refuses"),
        name(
            r"schedule|allocate_slots|next_batch|get_new_batch\w*|schedule_\w+|update_slots|"
            "process_pending|process_queue|generate_new_batch|"
            r"(?:\w+_)?(?:start|launch|activate|promote|pick)_(?:new_|next_|pending_|waiting_)?"
            "(?:jobs?|requests?|reqs?|seqs?|sequences?|tasks?)",
            2.5,
            "step",
        ),
        name(r"exec|execute|process|consume|handle_\w*request", 1, "entry"),
        name(
            r"(?:add|accept|register|create|new)_(?:\w+_)?(?:client|conn\w*|connection|session|consumer|subscriber)",
            2,
            "entry",
        ),
        name(r"is_ready\w*|ready_(?:for|to)_\w+", 4, "named"),
        name(
            r"add_request|add_req|enqueue|submit|put|add_one_req\w*|get_runner|validate\w*|"
            r"get_new_prefill_batch|append|process_single_task|launch_slot\w*|process_one_\w+",
            1.5,
            "entry",
        ),
        keeps(r"sem|sem_\w+", 0.5, "entry"),
        keeps(r"\w*semaphore|sema|permits?|limit_conn\w*|conn\w*_limit", 3.5, "entry"),
        name("push|write|drain|send", 1, "entry"),
        name(r"(?:pause|resume)_(?:writing|reading|frames|producing|sending)", 4, "named"),
        # whoever writes waits until the other side has taken enough
        code(r"(?:can_?write|writable|write_ready|drained?)\w*\.(?:wait|clear|set)\(", 4, "refuses"),
        # takes a limit of how much runs at once
        takes(
            r"concurrency|(?:max_|limit_)concurrency|max_(?:workers|in_?flight|jobs|tasks|conns?)", 2, "entry"
        ),
        uses(r"\w*concurrency|max_in_?flight|prefetch_count", 1.5),
        # what answers is asked only under a permit
        code(
            r"\bwith [\w.]*(?:\b|_)(?:sem(?:a(?:phore)?)?|\w*limiter)(?:\(\))?:\n(?:[^\n]*\n){0,3}?[^\n]*\b_?"
            r"(?:chat|stream_?chat|generat|infer|predict|complet|forward|process|handle)\w*",
            5,
            "permit",
        ),
        # whoever brings more waits for what is there to leave
        code(r"\bawait [\w.\[\]-]*(?:\.|\b)wait_(?:\w+_)?(?:drain\w*|space|room)\(", 5, "refuses"),
        name(r"wait_(?:\w+_)?drain\w*", 4, "named"),
        name(r"(?:add|append|put|push)_(?:message|record|batch|event|item|job|task)s?", 2.5, "entry"),
        owner(r"(?:\w+_)?accumulator|messages?", 1, "queue"),  # of what waits to be sent
        # waits above a mark of how much is buffered
        code(r"(?i)>=? ?\w*(?:high|max|limit)\w*\)?:\s*\n\s*(?:await )?[\w.]+\.wait\w*\(", 5, "refuses"),
        name(
            r"config|stats|metric\w*|output|test|kernel|^(?:num|free|get|used|total|release)_\w*blocks|init|^free|params|"
            r"arguments|tile\w*|weight\w*|layer|reason|gpu|disk|"
            "logs?|logf|warnf?|errorf?|debugf?|infof?|tracef?|fatalf?",
            -3,
        ),
        name(
            r"linear\w*|attention|moe|mlp|gemm|matmul|ops?|reduce\w*|fused?|graph|devices?", -4
        ),  # whether a kernel can run
        owner(r"^table$|hash\w*|\w*_map|map", -4),  # room for keys
        has("is_due", -4),  # tells when, and not whether there is room
        owner(
            r"scheduler|sched\w*|\w*manager|adder|queue|server\w*|validation|infer|router|state|"
            r"block_\w+",
            1.5,
        ),
        owner(r"\w*protocol", 0.5),  # of a connection, whose writing a loop of events pauses
        owner(r"\w*limiter|rate_limit\w*|\w*throttl\w*|\w*semaphore", 3, "refuses"),
        owner(
            r"clients?|client_v_?\d+|conn\w*|session\w*|consumer\w*|subscri\w*", 1
        ),  # what a server keeps of each
        uses(
            r"can_(?:allocate|append|schedule|run|add|fit|be|admit|accept|start|take)\w*|"
            r"try_(?:allocate|acquire|send|add|reserve)\w*|available_size|available_\w*|"
            r"has_capacity|\w*_permits?|allocate_slots|estimated_\w*|reserved\w*",
            2.5,
            "room",
        ),
        uses(
            r"free_blocks|num_free_blocks|free_block_ids|num_free\w*|free_slots|get_num_free_blocks|"
            r"free_memory|free_space|token_budget|remaining\w*|rem_\w*tokens|(?:un|de)referenced_\w+|free_pages|"
            r"maximum_size|can_put\w*",
            2,
            "room",
        ),
        uses(
            r"max_num_seqs|max_running\w*|max_queue\w*|max_concurrent\w*|max_pending\w*|max_requests?(?:_num)?|limit\w*|"
            r"max_batch\w*|max_num_batched_tokens|max_total_tokens|max_batch_total_tokens|"
            r"queue_limit|watermark\w*|max_jobs|max_tasks|maximum_size",
            2,
            "limit",
        ),
        uses(
            r"deferred|\w*_deferred|overloaded\w*|too_many_requests|service_unavailable|"
            r"max_queue\w*|err_max_queue|busy|reject\w*|throttle\w*|backpressure|back_pressure|"
            r"semaphore|\w*_semaphore|sema",
            2.5,
            "refuses",
        ),
        uses(r"waiting\w*|queue|pending\w*|entries", 1.2, "queue"),
        uses("request|req|seq|sequence|seqs|reqs", 0.8),
        takes(r"request|req|seq|sequence|seq_group|prompt\w*", 0.5),
        path(r"scheduler|sched\w*|block_manager|queue|validation|prefill|flow_control", 1.2),
        about(
            r"enough|room|capacity|(?:is|already) full|free (?:slots?|place)|"
            r"admit\w*|admission|can be (?:allocated|scheduled)|budget|"
            r"throttl\w*|back-?pressure|overload\w*",
            1.5,
            "room",
        ),
        code(FREE_PLACES, 4, "permit"),
        code(KEPT_WAITING, 3, "permit"),
        code(PASSED_OVER, 4, "permit"),
        # as many as may be are there
        code(
            r"\blen\([^()\n]*\)\s*>=?\s*[\w.]*(?:conn\w*|clients?|channels?|queue\w*|jobs?|tasks?|workers?|requests?)_"
            r"(?:limit|max|capacity)",
            4,
            "permit",
        ),
        code(r"(?:limit|permit)\w*[\w.()\s]*\.(?:try_)?acquire\w*\(", 2, "permit"),
        # a queue that does not take it, a channel that is full, a channel of permits
        code(
            r"(?i)\bif\b\s*\(?!?\s*[\w.>-]*(?:queue|buffer)\w*(?:\.|->)"
            r"(?:try_?)?(?:write|push|offer|enqueue|put|add)\w*\(",
            3,
            "refuses",
        ),
        code(r"(?s)select \{\s*case [\w.\[\]]+ ?<- ?[^\n]{1,80}\n.{0,120}?default:", 3, "refuses"),
        code(r"(?s)case [\w.]+ ?<- ?struct\{\}\{\}:.{0,240}?\bdefault:", 0.1, "permit"),
        code(
            r"make\(chan struct\{\}, ?[\w.()]*(?i:concurrency|limit|max|workers|size|n)\w*\)|case <-(?:\w+\.)?pool\b",
            3,
            "refuses",
        ),
        code(r"\w*sema\w*\s*<-|\w*sem\w*\.(?:[aA]cquire|wait|down)\w*\(", 3, "refuses"),  # a permit is taken
        code(r"wait\w*\([^\n]*(?:size|count|len)\w*\(?\)?\s*<", 3, "refuses"),
        code(FILLS, 4.5, "permit"),  # a free place is taken
        code(
            r"(?i)(?:num|count|clients|conns|connections|in_?flight|active|running)\w{0,12}\)?"
            r"\s*(?:>=?|<=?)\s*[^\s,;]{0,24}?max_?\w+",
            2,
            "limit",
        ),
        code(r"(?i)(?:<|>)=? ?[\w.>()-]*\b\w*(?:concurrency|permits)\b", 2, "limit"),
        code(
            r"(?i)(?:in_?flight|pending|outstanding)\w{0,12}\s*(?:>=|>|<)\s*\w*(?:ready|credit|window|limit|max)\w*",
            3,
            "limit",
        ),
        code(
            r"(?i)(?:return|throw|raise|Err\()[^\n]*"
            r"(?:too_?many|limit_?(?:reached|exceeded)|exceed\w*|overload\w*|queue_?full|busy|capacity)",
            2.5,
            "refuses",
        ),
        code(
            r"(?i)(?:free|avail|remain|budget|capacity|pending|queue|running)\w*(?:\.(?:size|len|length))?(?:\(\))?\)?(?:\s+(?:<|>=|<=|>)\s|\s*==\s*0)",
            1.5,
            "limit",
        ),
    ),
    needs=("named|step|entry|permit", "room|limit|refuses|permit"),
    least=7,
    near={"scheduler": 3},
    anywhere=True,
)
