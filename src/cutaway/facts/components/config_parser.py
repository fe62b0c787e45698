# Where settings become an object: command-line arguments, the model's config.json, the engine's own config.
"""The config parser."""

from cutaway.facts.concept import (
    Concept,
    about,
    base,
    code,
    has,
    keeps,
    kinds,
    marked,
    name,
    owner,
    path,
    takes,
    uses,
)

CONFIG = Concept(
    key="config_parser",
    looked_for="reads settings from arguments, files or the environment into one object",
    kinds={**kinds(types=1.0, callables=0.9, values=0.6), "script": 0.7},
    clues=(
        name(
            r"(?:setup|build|make|add|create|parse)_(?:\w+_)?(?:arg_?parser|arguments?|cli_args|flags|options|parser)",
            4,
            "named",
        ),
        name(
            "(?:engine|server|llm|app|cli|launch|runtime|serve|program)_?"
            "(?:args|config|arguments?|options|settings|cli_args)",
            5,
            "named",
        ),
        name(
            "config|cfg|cfg_node|args|model_args|settings|"
            "(?:model|transformer|scheduler|cache|base)_(?:config|args)|options|cli|^opts?$|flags",
            3.5,
            "named",
        ),
        name(
            r"parse_(?:args|config|arguments?|cli\w*|params|options|flags|command\w*)\w*|"
            r"\w*_parse_(?:args|params)?|"
            r"(?:load|read|get|from|create|make|init)_(?:\w+_)?(?:config|args|settings|arg_parser|argparser)|"
            "make_arg_parser|common_params_parse|arg_parser|config_parser|from_cli_args|"
            r"add_cli_args|read_checkpoint|load_\w*header|\w*params_parse\w*|"
            r"\w*_parse(?:_args|_params|_ex)?|\w*params_find_arg|^parse$",
            4,
            "named",
        ),
        name(r"\w*_params|\w*params|hparams|\w*_hparams", 2.5, "named"),
        name(
            r"test|tokenizer|quant\w*|sampling\w*|lora|output|error|registry|attn|attention|"
            r"generation|translation|decoding|scoring|fwd|bwd|logging|log|template|plugin|vision|connector|kv_\w*|rope\w*|convert\w*|"
            r"benchmark|eval|moe|proto|client|encoder|audio|multimodal|profil\w*|compilation|"
            r"observability|request|update|mixin|device|kernel|override|layer|preprocessor|"
            r"worker(?!_(?:\w+_)?(?:params|options|config|settings|args))|"
            "processor|launch_config|integration|editor|user|reasoning|speech|tool|detector",
            -3,
        ),
        has(
            "from_(?:cli_args|name|pretrained|file|json|args|dict|hf_config|cli|env|flags)|"
            r"post_init|add_cli_args|parse\w*|load\w*|validate\w*|create_\w*config|get_\w*config|"
            r"verify\w*",
            2,
        ),
        uses(
            "argparse|argument_parser|add_argument|parse_args|parse_known_args|"
            r"flexible_argument_parser|clap|(?:arg|option|config|opt)_parser|getopt\w*|argc|argv|atoi|strcmp|stoi|flag_set|"
            "getenv|environ|cobra|value_parser|click|typer|cobra|from_cli|draccus|tyro|jsonargparse|"
            "hf_argument_parser",
            3,
            "cli",
        ),
        uses(
            "from_pretrained|auto_config|hf_config|pretrained_config|json|load_json|config_json|"
            "from_json|serde_json|unmarshal|toml|yaml|from_str|safe_load|read_to_string|from_slice|"
            "deserialize|fread|getattr|literal_eval",
            1.8,
            "parses",
        ),
        uses(
            "max_num_seqs|max_model_len|gpu_memory_utilization|tensor_parallel_size|tp_size|"
            "max_seq_len|max_num_batched_tokens|max_batch_size|port|host|page_size|block_size|"
            r"dtype|n_ctx|n_batch|model_path|context_length|memory_ratio|max_running_req\w*|"
            r"max_running_requests|checkpoint_path|num_parallel|workers|timeout\w*|max_batch\w*|"
            r"max_input_\w+|shard_uniform\w*|num_shard|n_threads",
            2,
            "settings",
        ),
        uses(
            "n_layers?|num_hidden_layers|hidden_size|n_heads?|num_attention_heads|vocab_size|"
            "n_embd|dim|intermediate_size|head_dim|num_key_value_heads|rope_theta|n_kv_heads",
            1.5,
            "settings",
        ),
        keeps(
            "n_layers?|num_(?:hidden_)?layers|hidden_size|n_heads?|num_(?:attention_)?heads|vocab_size|voc_?size|"
            "d_model|embed_dim|hidden_dim|n_embd|dim",
            0.8,
            "settings",
        ),
        keeps(
            r"concurrency|workers|port|host|addr(?:ess)?|\w*_timeout|\w*_interval|retries|log_level|logger|queues?|max_\w+",
            0.8,
            "settings",
        ),
        uses(r"popen|subprocess|create_subprocess\w*|check_(?:call|output)", -5),  # writes flags for another program
        uses(r"init_process_group|load_state_dict|set_device|clip_grad_norm_?", -2.5),  # builds what it was told
        path(r"evaluat\w*|eval_\w+|\w+_eval|plot\w*|\w*bench(?:mark)?\w*", -2.5),  # what is told a side program
        base(r"\w*command|cli_command", -3),
        name("(?:command|group)$", -3),  # is told what to do by name
        path("config|settings|conf", 0.1, "declared"),  # its file says so, whatever it holds
        keeps("stoi|itos", -5),  # numbers of characters
        has(r"forward(?:_\w+)?|prefill\w*|decode(?:_\w+)?|generate(?:_\w+)?", -4),
        uses("^arg$|invalid_param|args|flags", 1.5, "parses"),
        path(
            r"config\w*|args?|arg_utils|cli_args|server_args|envconfig|cli|launch\w*|params|options|"
            "settings|opt|start|api_start|main|app|arg",
            2,
        ),
        path(r"macros?|derive|grammar|structured\w*", -3),  # parses programs or answers, not settings
        path(
            r"configs/\w+|quant\w*|tokenizer|template|models/\w+|benchmark\w*|processors|openai|"
            r"connector|integration\w*|kernels?|ops",
            -2,
        ),
        path(r"convert\w*|conversion\w*|export(?:er)?s?", -6),  # is told what to make a file of
        base(
            r"base_model|\w*config|\w*args|args|parser|serialize|deserialize|base_settings|"
            "pretrained_config",
            1,
        ),
        owner(r"\w*converter|\w*tokenizer|\w*loader|\w*parser|lexer", -4),
        # a long list of flags: what the program is told is told here
        code(r"(?s)(?:\.add_argument\(.*?){8}", 6, "cli"),
        # or compared with what it was told
        code(r'(?:[^\n]*"--?[a-zA-Z][\w-]*"[^\n]*\n(?:[^\n"]*\n){0,8}?){7}', 6, "cli"),
        # made of other settings: the whole that is told
        code(
            r"(?m)(?:^\s+\w+\s*:\s*[\w.]*(?:Args|Config|Settings|Options)\b[^\n]*(?:\n|\Z)(?:[^\n]*\n){0,6}?){3}",
            3.5,
            "settings",
        ),
        # fields that a file of settings names
        code(
            r'(?:[^\n]*`[^`\n]*(?:yaml|toml|mapstructure|koanf|hcl):"[^\n]*\n(?:[^\n`]*\n){0,3}?){4}',
            2,
            "settings",
        ),
        # members of a struct that have values from the start
        code(
            r"(?:^|\n)(?:[ \t]+(?:std::)?[\w:<>, ]+[ \t]\w+(?:\{[^{}\n]*\}|[ \t]*=[ \t]*[^;\n(]+);[^\n]*\n"
            r"(?:[^\n;]*\n|[^\n]*;[^\n]*\n){0,3}?){3}",
            2,
            "settings",
        ),
        code(r"\bflag\.Parse\(\)", 3, "cli"),
        # a client whose maker has a value for each of many settings, among them how long and how much
        code(
            r"\A\s*def __init__\((?=(?:[^()]|\([^()]*\)){0,2500}?"
            r"\b\w*(?:timeout|interval|backoff|max_\w+|retries|_ms)\w*[^,()=]*=)"
            r"(?:(?:[^()=,]|\([^()]*\)|,)*=[^,()]*(?:\([^()]*\))?,){9}",
            6.5,
            "told",
        ),
        takes(
            r"\w+_timeout(?:_ms|_s|_seconds)?|timeout_\w+|\w+_backoff(?:_\w+)?|max_\w+_(?:size|bytes|retries)",
            2.2,
        ),
        marked(r"derive_(?:\w+_)?(?:parser|struct_opt)", 6, "cli"),
        about(r"config\w*|arguments?|settings|options|command[ -]line", 1),
        code(
            r"add_argument\(|argparse|#\[arg|#\[clap|@dataclass|strcmp\(|os\.Getenv|"
            r"from_pretrained\(|json\.load|click\.option|@click|parser\.add",
            1.5,
            "parses",
        ),
    ),
    needs=("named|cli|told", "settings|cli|declared|told", "parses|cli|settings|told"),
    leads="named|cli",
    least=6.5,
    holds=True,
    anywhere=True,
)
