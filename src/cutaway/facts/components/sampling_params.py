# The knobs a request brings: temperature, top-p, top-k, penalties, seed, how many tokens.
"""Sampling parameters."""

from cutaway.facts.concept import Concept, about, base, code, keeps, kinds, name, owner, path, takes, uses

SAMPLING_PARAMS = Concept(
    key="sampling_params",
    looked_for="declares the parameters of sampling (temperature, top-p, top-k, penalties)",
    kinds=kinds(types=1.0, callables=0.8, values=0.5),
    clues=(
        name(
            "sampling_params?|sampling_parameters?|sampler_params?|sampling_config|"
            "generation_config|sampling_options?|params_sampling|sampling_args?|"
            "next_token_chooser_parameters?|gen_config|sampling_metadata|sampler_options|"
            r"\w+_params_sampling",
            6,
            "named",
        ),
        name("settings|options|params|parameters|config", 2, "named"),
        owner(r"\w*sampl\w*|\w*generat\w*|\w*decod\w*", 2),
        name(
            "(?:generate|generation|decode|decoding|gen)_(?:parameters?|params?|options?|args|config|request)|"
            r"options|runner_options|sample_params|sampling_\w*|sample_(?:options|args)|"
            "batch_sampling_args|sampler|params|generate_req",
            2,
            "named",
        ),
        name(
            r"sample|sample_\w+|generate|main|logits_to_probs|prepare_sample|logits_processor|"
            r"sampling|chat|top_k_top_p\w*",
            1.5,
            "weak",
        ),
        name(r"\w+_samplers|samplers_\w+", 1.5, "weak"),
        name(
            r"type|types|to_str|names|chars|print|order|test|metric\w*|dataset|output|outputs|stats|"
            r"response|client|openai|chat_completion\w*|completion_\w*|default|kernel|image|speech|"
            r"transcription\w*|embedding\w*|beam\w*|bench\w*|loss",
            -2.5,
        ),
        name("parse|read|load|copy|convert", -2),
        keeps("temperatures?", 2.5, "named"),
        uses("temperatures?|temp", 2, "temperature"),
        uses("top_?p|top_?ps|topp", 1.5, "knobs"),
        uses("top_?k|top_?ks|topk", 1.5, "knobs"),
        uses(r"min_?p|typical_p|tfs_z|mirostat\w*|top_?n_?sigma|xtc_\w+", 1, "knobs"),
        uses(r"(?:repetition|repeat|presence|frequency|repeat_last_n|penalty)(?:_\w+)?", 1.2, "knobs"),
        uses("seed", 0.8, "knobs"),
        uses(
            r"max_tokens|max_new_tokens|n_predict|num_predict|ignore_eos|stop|stop_\w+|max_len|"
            "min_tokens",
            1,
            "knobs",
        ),
        takes(r"temperature|top_?p|top_?k|topp|sampling_\w*", 1.5, "temperature"),
        uses(r"sampling_(?:params?|parameters?|config|options)", 1.5),
        # both of them are said to the function, or are what it has for them
        code(
            r"(?s)\A\s*(?:async )?def \w+\((?=[^)]{0,600}?\btemperature\b[^,)]*=)(?=[^)]{0,600}?\btop_?[pk]\b[^,)]*=)",
            1.5,
        ),
        # another engine's are made from what the caller says
        code(r"(?is)sampl\w*param\w*\(.{0,300}?\btemperature\b.{0,300}?\btop_?[pk]\b", 3, "builds"),
        path(r"\w+_api", -2.5),  # as another program's clients send them
        path(r"sampling_?params?|sampling\w*|sampl\w*|params|generation|core|validation|api", 1.2),
        base("struct|base_model|params", 0.3),
        about(r"sampling (?:param\w*)|temperature", 2, "temperature"),
    ),
    needs=("named|weak|builds", "temperature|builds", "knobs|builds"),
    leads="named",
    least=6,
    near={"sampler": 0.7},
)
