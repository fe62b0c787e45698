# The loop that the program lives in: it takes requests in, runs one step of the model, and hands tokens out.
"""The runtime loop."""

from cutaway.facts.concept import Concept, about, code, kinds, name, owner, path, uses

RUNTIME_LOOP = Concept(
    key="runtime_loop",
    looked_for="runs steps of the model over and over",
    kinds=kinds(types=0.5, callables=1.0, values=0.8),
    clues=(
        owner(
            r"\w*comm|communicator|\w*transfer|\w*cache|session|thread|watcher|updater|download\w*|ui|store|"
            r"model_\w+_cache|timer|\w*(?:encoder|codec|parser)",
            -3,
        ),
        name(
            r"(?:\w+_)?(?:busy_loop|event_loop|run_loop|main_loop|step_loop|batch_loop|loop_forever|engine_loop)|"
            r"run_forever|\w*_loop_\w*|start_loop|overlap_loop|batching_task|loop|main_loop|"
            "serve_forever|process_loop|async_loop|batching_loop|(?:a?sync?|event|main|work|run|engine)loop",
            5,
            "main",
        ),
        name(
            r"decode|(?!re)\w+generate|exec|execute|consume|process|work|step|engine_step|run_engine|run_engine_step|update_slots|generate|run|decode_n_tokens|"
            r"inference|serve|completion|chat|infer\w*|generate_\w+|main_loop|start|main|engine|"
            "engine_core|llm_engine",
            3,
            "named",
        ),
        name(r"(?:\w+_)?routine", 3.5, "named"),  # a task that runs beside the others
        name(r"\w*heart_?beat\w*", -6),
        name(r"(?:update|prepare|collect|make)_(?:\w+_)?inputs?", -4),  # of one step
        uses(r"\w*_processes|keep_subprocess\w*|join_all", -1),  # looks after processes, in which the loop is
        # keeps house or tries again: the work itself is done elsewhere
        name(r"gc|gc_\w+|clean_?up\w*|sweep\w*|maintenance|expir\w*|reap\w*|flush\w*|retry\w*|back_?off", -3),
        owner(
            r"\w*retry\w*|\w*back_?off|\w*exporter|\w*output|\w*recorder|\w*logger|\w*writer|\w*headers?", -3
        ),
        name(
            r"stats\w*|lookup\w*|catch_?up\w*|telemetry|report\w*|readline\w*|repl|listen\w*|monitor\w*|handler|route|middleware|download\w*|upload\w*|refresh|watch|poll\w*|prefix|cache|"
            "model_list|prompt",
            -3,
        ),
        name(
            "config|args|init|setup|create|build|get|parse|test|stop|shutdown|handle|check|warmup|"
            r"profile\w*|eval\w*|output\w*|embed\w*|image\w*|transcri\w*|stream\w*|load\w*|train\w*|"
            "worker(?!_(?:serve|run|loop|main))",
            -2.5,
        ),
        name(r"(?:start|launch|submit|create|spawn)_(?:jobs?|tasks?|requests?|workers?)", -3),
        name(r"step_(?:prefill|decode)\w*|(?:prefill|decode)_step", -1),  # one phase of what the loop does
        owner(r"lookup\w*|admin\w*|stats\w*", -1.5),
        owner(r"protocol\w*|session\w*|connection\w*", 1),  # of a server
        owner(
            r"engine\w*|\w+engine\w*|scheduler|runner|\w*_core_proc|server|batcher|llm|pipeline|"
            "generator",
            2,
        ),
        uses(
            r"schedule|scheduler|next_batch|get_next_batch\w*|schedule_next_batch|prefill_queue|"
            r"get_scheduled\w*|dequeue\w*|(?:fetch|claim|pop|take|next)_(?:\w+_)?(?:tasks?|jobs?|messages?)",
            2.5,
            "picks",
        ),
        uses(
            r"execute_model|run_model|model_forward|forward|forward_batch\w*|decode|"
            "decode_one_token|llama_decode|run_batch|forward_step|prefill|compute_logits|model|"
            r"transformer|step|engine_step|run_engine_step|eval|predict\w*",
            2,
            "steps",
        ),
        uses(
            r"run_request|process_request|process_batch\w*|generate\w*|"
            r"run_\w*batch\w*",
            1.5,
            "steps",
        ),
        uses(r"(?:generat\w+|decod\w+|engine|batch|busy|step|main)_loop(?:_\w+)?", 3, "main"),
        # the loop of events is the library's: who listens and waits is what runs
        uses(
            "start_server|create_server|start_unix_server|serve_listeners|serve_forever|run_forever",
            3,
            "picks",
        ),
        uses("^http$|http_client|new_request|gin|fiber|^fetch$|content_type|status_code|axum|ui", -3),
        uses(
            r"logits|sample\w*|sampler|next_token\w*|append_token|argmax|token_id|new_token\w*|"
            "cur_token",
            1.5,
            "samples",
        ),
        uses(
            r"post_?process\w*|update_from_output|process_(?:batch_)?(?:output|result)\w*|"
            r"process_batch\w*|send_response|finish\w*|is_finished",
            1.2,
        ),
        uses(
            r"recv\w*|receive\w*|input_queue|process_input\w*|process_input_queue|try_recv|"
            r"incoming\w*|rx|select",
            1,
            "takes",
        ),
        code(r"\b(?:\w*session|\w*client|requests|httpx)\.post\(", -3),  # asks another one, who has the loop
        # over and over it takes the next of those that came
        code(
            r"while [^\n]*:\n(?:(?!\s*(?:async )?def )[^\n]*\n){0,20}?"
            r"[^\n]*(?:[=(,]|\b(?:in|await|return|yield))\s*(?:await )?[\w.\[\]]*"
            r"\b\w*(?:messages?|requests?|tasks?|jobs?|backlog)\.(?:popleft|pop|get|recv|receive)\w*\(",
            3,
            "picks",
        ),
        # over and over it starts a task for each thing that is ready, and waits until one is done
        code(
            r"while (?:True|not\b|[\w.]*(?:alive|running)\w*)[^\n]*:\n(?:(?!\s*(?:async )?def )[^\n]*\n){0,90}?"
            r"[^\n]*\bawait (?:asyncio|anyio|trio)\.wait\(",
            3,
            "picks",
        ),
        uses(r"on_(?:task|job|request|message)_?\w*|(?:task|job|request|message)_handlers?", 1.5, "takes"),
        uses(r"eos\w*|max_new_tokens|max_tokens|stop\w*|steps|n_predict|num_predict|max_steps", 0.8),
        uses("optimizer|backward|zero_grad|(?<!connection_)loss|epochs?|lr", -4),
        path(r"\w*bindings|codegen|layers?|ops|kernels?|modules|nn", -3),
        path("engine|core|llm_engine|scheduler|generate|runner|server|main|batch|run|inference", 1),
        about("loop|step|busy", 1),
        code(
            r"(?:self|model|transformer|llm|net)\(|\.forward\(|\.Forward\(|[Ee]val\(|decode\(|step\(",
            1.5,
            "steps",
        ),
        code(
            r"(?:\bloop\s*\{|\bwhile\b[^\n]*|\bfor\s*\{)[^\n]*\n(?:[^\n]*\n){0,40}?[^\n]*\b\w*[aA]ccept\w*\(",
            1.5,
            "picks",
        ),
        code(
            r"\bwhile\b|\bloop\s*\{|\bfor\s*\{|\bfor\s*\(|\bfor \w+ := |\bfor \w+ in range|\bfor \w+ in |"
            r"\bfor \w+, \w+ in enumerate\(range\(",
            2,
            "loops",
        ),
        code(
            r"(?:\bwhile\b|\bfor\b|\bloop\b)[^\n]*[{:]\n(?:[^\n]*\n){0,25}?[^\n]*"
            r"(?:[fF]orward|[gG]enerate_?(?:[nN]ext_?)?[tT]oken|[pP]redict|[dD]ecode|[sS]ample|[eE]val)\w*\(",
            1.5,
            "steps",
        ),
        code(
            r"(?:while\b|for \w+ in\b|for\s*\{|loop\s*\{)[^\n]*\n(?:[^\n]*\n){0,7}?\s*(?:await )?"
            r"(?:self|this|\w)(?:\.|->)\w*(?:iterat|tick|step|poll|round|once|exec|process|consume|work|dispatch|comput)\w*\(",
            3,
            "steps",
        ),
        # it sets another process going, in which the loop is
        code(r"\b(?:Process|Thread)\((?:[^()]|\([^()]*\)){0,300}?target=", -1),
        # each turn drives a loop of events, or one cycle of its own
        code(
            r"while\b[^\n]*:\n(?:[^\n]*\n){0,25}?\s*(?:next\(\w*loop\w*\)|\w*(?:loop_cycle|iteration|run_once)\()",
            3,
            "steps",
        ),
        # it waits for work and then makes something take a step
        code(
            r"(?s)(?:\bwait\w*\(|\.recv\w*\(|<-\s*\w).{0,2500}?"
            r"(?:\.|->)(?:[sS]tep|[fF]orward|[eE]mbed|[gG]enerate|[dD]ecode|[pP]redict|[rR]un_?[bB]atch)\w*\(",
            3,
            "takes",
        ),
        # of what a channel gives, over and over, each is handed on
        code(
            r"for \{\s*\n\s*select \{\s*\n(?:[^\n]*\n){0,12}?\s*case \w+(?:, \w+)? :?= ?<-[^\n]+:\n(?:[^\n]*\n){0,25}?"
            r"\s*(?:go )?\w+\.\w+\([^\n]*\b\w",
            2,
            "takes",
        ),
        # the loop of a library of events, which runs until it is stopped
        code(
            r"\b(?:reactor|io_?loop|hub)\.(?:run|start)\(|IOLoop\.(?:current|instance)\(\)\.start\(",
            5,
            "picks",
        ),
        # its application is handed to a server, which runs until it is stopped
        code(r"\b(?:uvicorn|hypercorn|waitress|web)\.(?:run|serve|run_app)\(", 5.5, "picks"),
        code(r"\b(?:return|await) (?:\w+\.)?serve\(\s*(?:self|app|application)\b", 5.5, "picks"),
        # it reads what peers send
        code(r"(?:conn|nc|sock|stream|[rR]eader)\w{0,8}\.(?:[rR]ead|[rR]ecv|[rR]eceive)\w*\(", 2.5, "takes"),
        code(
            r"while (?:True|not\b|[\w.]*(?:alive|running)\w*)[^\n]*:\n(?:[^\n]*\n){0,30}?\s*(?:await )?"
            r"self\.\w*(?:manage|wait_for|select|dispatch|iterat|tick|step|poll|process|consume|work)\w*\(",
            2,
            "steps",
        ),
        code(
            r"while True|while not |while \(?true|while self\.|loop \{|for \{|while !|while \(!|"
            r"for \(;;",
            2,
            "loops",
        ),
    ),
    needs=("named|main", "loops|picks", "steps|picks|main", "samples|picks|takes|steps|main"),
    least=7,
    near={"scheduler": 1},
    anywhere=True,
)
