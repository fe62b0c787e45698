# Where logits become a token.
"""The sampler."""

from cutaway.facts.concept import Concept, about, code, has, kinds, name, owner, path, takes, uses

SAMPLER = Concept(
    key="sampler",
    looked_for="draws a token from logits",
    kinds=kinds(types=1.0, callables=0.85),
    clues=(
        name(
            "samplers?|llama_sampler|token_sampler|logits_sampler|next_token_chooser|token_chooser|"
            r"\w*next_token_chooser|topk_topp_sampler|top_k_top_p_sampler|common_sampler",
            5,
            "named",
        ),
        name(
            r"sample|sample_\w*tokens?|\w*sample_next\w*|random_sample|multinomial\w*|"
            r"sample_(?:top\w*|mult|argmax|logits|multinomial|greedy|token|one\w*|impl)|do_sample|"
            r"(?:create|make|build|new)_(?:\w+_)?(?:samplers?|logits_processors?|sampling)|"
            r"choose\w*token|gumbel_sample|select_next\w*|sampling|choose_next_token|token_sample",
            4,
            "named",
        ),
        name(r"generate|next_token|chooser|choose|greedy\w*|argmax", 2, "weak"),
        name(
            "config|params?|args|strategy|inputs?|metadata|output|outputs|data|dataset|batch_sampler|random_sampler|"
            r"distributed|image|frame\w*|video|states?|bucket|weighted|seq|chain_params|type|lens|"
            r"points|grid|request|requests|down|up|rate|resample\w*|audio|test|log|message|history|"
            r"penalt\w*|name|trace|ddim|euler",
            -5,
        ),
        name(r"sampl\w*_(?:params?|parameters|config|options|settings|args)", -6),  # what it is told
        has(r"sample\w*|forward|call|choose\w*|accept|apply\w*|next", 1),
        has(r"(?:apply_)?(?:top_k\w*|top_p\w*|min_p|temperature|penalt\w*|greedy\w*)|sample_\w+", 1.5),
        owner(r"\w*sampler\w*|chooser|\w*chooser|\w*sampling\w*|\w*_for_causal_lm|gpt|\w*model", 1),
        uses(
            r"logits|logit|logits_processors?|probs|probabilities|probindex|logprobs|log_probs|candidates|cur_p|scores",
            2,
            "logits",
        ),
        uses(r"softmax\w*|log_softmax|\w*softmax", 1.5, "draws"),
        uses(
            r"multinomial\w*|exponential_?|argmax|gumbel\w*|categorical|weighted_index|"
            r"discrete_distribution|coin|random_(?!seeds?|offsets?|state)\w+|rng|sample_mult|rand|random_u_32|"
            r"\w*sampling_from_probs\w*|cumsum|cdf",
            2,
            "draws",
        ),
        uses("temperatures?|temp", 1.5, "knobs"),
        uses(r"top_?k\w*|top_?p\w*|min_?p|topp|topk|top_?n_?sigma|typical\w*", 1.5, "knobs"),
        uses(r"next_tokens?|next_token_ids?|sample_tokens?|idx_next|token_id|sampled\w*|selected", 1),
        uses("dataset|epoch|shuffle|num_replicas|timesteps?|noise_pred|sigmas", -6),
        takes(r"logits\w*|probs|probabilities|sampling_\w+|temperature", 1.2, "logits"),
        path("samplers?|sample|sampling|generate|generation|logits_process|tokens", 2),
        about(r"sampl\w*|next token|logits", 1),
        code(
            r"(?i)(?:argmax|multinomial|exponential_|softmax|categorical|WeightedIndex|discrete_distribution|gumbel)\w*\s*(?:\(|::|<)",
            1.5,
            "draws",
        ),
        # a token, whatever the function around it is called
        code(
            r"(?:tok(?:en)?s?|ids?|idx|next|sampled)\w*\s*=\s*[^\n=]*(?:"
            r"(?:multinomial|argmax|categorical)\w*\(\s*\w*(?:prob|logit)|"
            r"(?:probs|logits)\w*(?:\[[^\]\n]*\])*\.(?:multinomial|argmax)\()",
            4,
            "drawn",
        ),
        # of what it keeps it gives what was drawn
        code(r"\[self\.\w+\[(\w+)\][^\n]* for \1 in ", -6),
        # or simply the likeliest
        code(
            r"(?i)\b(?:tok\w*|tk|ids?|idx|next\w*)\b[^\n=]*=\s*(?:\w+(?:\.|::))*(?:arg_?)?max\w*\(\s*&?(?:mut )?"
            r"[\w.>-]*(?:prob|logit)",
            4,
            "drawn",
        ),
    ),
    needs=("named|weak|drawn", "logits", "draws|knobs|drawn"),
    least=7,
    leads="named",
    whole=True,
)
