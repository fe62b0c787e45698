# Who decides which requests run next: it holds those that wait and those that run, and picks among them under a budget.
"""The scheduler."""

from cutaway.facts.concept import Concept, about, base, code, has, kinds, name, path, uses

# Taken from those that wait and put among those that run, within one body.
_MOVES = (
    r"(?s)\b\w*(?:waiting|pending|queued?)\w*(?:\.|->)(?:remove|pop\w*|erase|get\w*|shift|dequeue)\b"
    r".{0,800}?\b\w*(?:running|active|in_?flight)\w*(?:\.|->)(?:append|add|insert|push\w*|emplace\w*)\b"
)

# A free place in a table of running requests is given to another one.
FILLS = r"(?s)if (\w+)\[(\w+)\] is None:.{0,800}?\b\1\[\2\] = "

# What is due by the clock is put into the queue that the workers read.
_DUE = (
    r"(?s)(?:\bnow\b|\butcnow\(|\bmonotonic\(|\btime\(\)|timestamp\()(?:(?!\n *(?:async )?def ).){0,2000}?"
    r"\bfor \w[^\n]* in [^\n]*:\n(?:(?! *(?:async )?def )[^\n]*\n){0,25}?[^\n]*"
    r"\.\w*(?:enqueue|apply_async|send_task|publish|submit)\w*\("
)

# As many as may run less those that do: so many are taken next.
FREE_PLACES = (
    r"(?i)\b\w*(?:max|limit|capacity|concurrency|workers|slots)\w*(?:\(\))?\s*-\s*(?:[\w:.]*(?:len|int\d*|size|count)\w*\()?"
    r"[\w>.-]*(?:active|running|in_?flight|busy|scheduled)\w*"
)

# What finds no place is put aside and waits again.
KEPT_WAITING = (
    r"(?s)\b(\w+)(?:\.(?:push|append|emplace)\w*\(|\s*=\s*append\(\1,).{0,2000}?"
    r"(?:(?:queue|waiting|pending|backlog)\w*\s*=\s*(?:std::move\()?\1\b|"
    r"swap\((?:&mut )?[\w>.]*(?:queue|waiting|pending|backlog)\w*, (?:&mut )?\1\b)"
)

# The best of the free places is chosen, and becomes that of a request.
_PLACES = (
    r"(?s)\b(\w*(?:slots|lanes|workers))\b.{0,1600}?(?:max_by|min_by|sort\w*\(|min\(|max\().{0,1600}?"
    r"\b\1\[(\w+)\] = \w*(?:::)?(?i:busy|taken|locked|running|used|active)"
)

# Of those who work, the one with the least to do is chosen.
_LEAST_BUSY = (
    r"(?i)\barg_?min\(\s*(?:\w*_)?(?:q_?lens?|queue\w*|loads?|in_?flight\w*|pending\w*|outstanding\w*)\b"
    r"|\bmin(?:_by(?:_key)?)?\([^\n]{0,120}?(?:\bkey\s*=|\||=>)[^\n]{0,120}?"
    r"(?:queue_?(?:len|size|depth)|(?<![a-z])q_?len|in_?flight|outstanding|num_(?:running|pending|waiting))"
)

# Those that wait are gone through, and where not too many run one of them is started.
_STARTS = (
    r"(?s)\bfor\b[^\n]*\b(?i:\w*(?:queue|waiting|pending|backlog)\w*)\b[^\n]*\n(?:(?!\n\}).){0,400}?"
    r"(?:>=?|<=?) ?[\w.>-]*\b(?i:max|limit)\w*(?:(?!\n\}).){0,600}?"
    r"(?:\bgo \w|\bspawn\w*\(|create_task\(|std::thread|\.start\(|\.submit\()"
)

# Of those that wait, who comes when as many run as may is passed over.
PASSED_OVER = (
    r"\bif\b[^\n;{]*\b\w*(?i:running|activ(?:e|at)|alive|in_?flight|busy|admitted)\w*(?:\.(?:size|len)\(\)|\(\))?\)? ?>=? ?"
    r"[\w.>-]*(?i:max|limit)\w*(?:\(\))?\)?:?(?: \{)?\s*\n?\s*(?:continue|break)\b"
)

SCHEDULER = Concept(
    key="scheduler",
    looked_for="holds waiting and running requests and picks among them under a budget of tokens, slots or memory",
    kinds={
        **kinds(types=1.0, callables=0.55, device=False),
        "interface": 0.8,
        "trait": 0.8,
    },  # which keep nothing
    clues=(
        name(r"batch_\w*generator|batch_generate|batch_(?:engine|manager|runner)|\w*batcher", 3, "named"),
        uses(r"unprocessed\w*", 1.5, "queue"),
        uses(r"\w+_batch_size", 1.5, "budget"),
        name("scheduler|sched", 5, "named"),
        name(
            "(?:request|req|task|job|pending|waiting)_(?:queue|pool)|queue|batcher|dispatcher|"
            "batching_(?:task|loop|thread)",
            3,
            "named",
        ),
        name("server_(?:context|impl)|engine", 1.5, "named"),
        name(r"scheduling|scheduled_\w+", 4, "named"),
        code(r"time\.(?:AfterFunc|NewTimer|NewTicker)|call_later\(|sleep_until|timer\.Reset\(", 2.5, "clock"),
        code(_DUE, 3, "timed"),
        name("schedule|next_batch|get_next_batch_to_run|update_slots", 4, "named"),
        name(
            r"(?:\w+_)?(?:start|launch|activate|admit|promote|pick|poll)_(?:new_|next_|pending_|waiting_)?"
            "(?:jobs?|requests?|reqs?|seqs?|sequences?|tasks?)",
            3,
            "picks",
        ),
        code(_MOVES, 3, "picks"),
        code(FILLS, 8, "picks"),
        code(FREE_PLACES, 3, "picks"),
        code(KEPT_WAITING, 3, "picks"),
        code(_PLACES, 4, "places"),
        code(PASSED_OVER, 4, "picks"),
        code(_STARTS, 8, "picks"),
        code(_LEAST_BUSY, 7, "places"),
        code(r"(?i)\b(?:running|active|in_?flight|busy)\w*\)? ?>=? ?[\w.>-]*\b(?:max|limit)", 1.5, "budget"),
        has(
            r"\w*(?:delayed|scheduled|periodic|due)_(?:tasks?|jobs?|messages?)|schedule_(?:task|job|retry)\w*",
            2.5,
            "timed",
        ),
        uses(r"is_due|due|due_(?:at|time)|run_at|next_run\w*|next_time\w*|fire_time", 1.5, "timed"),
        uses("priority_queue|p_?queue|pq|heappush|heappop|binary_heap", 2.5, "picks"),
        name(
            "config|args|options|output|outputs|result|policy|state|status|type|kind|params|entry|"
            "item|method|mixin|factory|error|msg|stats",
            -4,
        ),
        name(
            "lr|learning_rate|noise|ddim|ddpm|euler|cosine|warmup|cron|timer|prefetch|weight|"
            "kernel|graph|tile|thread_pool|backend_sched",
            -8,
        ),
        has(
            r"schedule(?![dr])\w*|(?:get_)?(?:next|new)\w*_batch\w*|form_batch|fill_batch|pick_\w+|"
            r"(?:next|fetch|claim|dequeue)_(?:\w+_)?(?:tasks?|jobs?|messages?|msgs?)|"
            r"update_slots|process_pending|select_\w*batch\w*|generate_new_batch|\w*start_(?:jobs|requests|seqs|tasks)",
            3,
            "picks",
        ),
        has(r"add|add_request|add_req|add_seq\w*|enqueue|submit|push|put|append\w*|post", 1),
        has(r"preempt\w*|evict\w*|retract\w*|abort\w*|free_\w+|finish\w*|cancel\w*", 1),
        uses(
            r"waiting|waiting_\w+|wait_\w+|pending|pending_\w+|queue|queued?_\w+|\w*_queue|deferred|"
            "backlog|entries|scheduled_(?:tasks?|jobs?)|schedules",
            2,
            "queue",
        ),
        uses(
            r"running|running_\w+|active|active_\w+|in_flight|\w*in_prog\w*|inflight\w*|swapped|slots?|loaded|"
            r"decoding_\w+|ongoing\w*",
            2,
            "running",
        ),
        uses(r"preempt\w*|retract\w*|swap_out", 1.5),
        uses(
            r"max_num_seqs|max_num_batched_tokens|max_batch\w*|max_running\w*|\w*token_budget\w*|"
            r"\w*_budget|max_batch_prefill_tokens|num_batched_tokens|n_parallel|num_parallel|"
            r"max_num_\w+|max_requests?(?:_num)?|max_jobs|max_tasks|maximum_size|\w*concurrency",
            2,
            "budget",
        ),
        uses(r"prefill\w*|decode\w*|num_computed_tokens|extend\w*|completion\w*", 1, "tokens"),
        uses(
            r"seqs?|sequences?|requests?|reqs?|seq_groups?|tasks?|jobs?|prompt\w*|runner|"
            "runners",
            1,
            "requests",
        ),
        uses(r"urls?|crawl\w*|robots?", -6),  # pages to be fetched
        uses(r"execute_query\w*|fetch_?(?:one|all|val|row)", -2),  # asks a database what another one decides
        uses("lr|optimizer|timesteps|sigmas?|betas|alphas_cumprod", -6),
        path("scheduler|sched|scheduling|batcher|queue", 1.5),
        about(r"schedul\w*|waiting|batch", 1),
        base(r"scheduler\w*|scheduler_\w+", 1),
    ),
    needs=(
        "named|picks|places",
        "queue|timed|clock|places",
        "running|budget|timed|places",
        "requests|tokens",
    ),
    least=8.5,
    inline=True,
    anywhere=True,
)
