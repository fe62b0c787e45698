# What is done to logits before a token is drawn: temperature, top-k and top-p, penalties, masks.
"""Logits processing."""

from cutaway.facts.concept import Concept, about, base, code, has, kinds, name, owner, path, takes, uses

LOGITS = Concept(
    key="logits_processing",
    looked_for="changes logits before a token is drawn (temperature, top-k, top-p, penalties, masks)",
    kinds=kinds(types=0.95, callables=1.0),
    clues=(
        name(
            r"logits?_(?:processors?|process\w*|warpers?|bias\w*|to_probs|modifier\w*|transform\w*|pipe\w*)|"
            r"\w*_logits?_(?:processors?|warper|process\w*)|custom_logits_processor",
            5,
            "processor",
        ),
        name(
            r"(?:apply|add|process|transform|do|compute|batch|adjust|mask|scale|filter|warp)_(?:\w+_)?(?:logits\w*|penalt\w*|temperature|top_k\w*|top_p\w*|min_p\w*|bias\w*|dry\w*|sampling\w*)",
            4.5,
            "processor",
        ),
        name(r"(?:\w+_)?logits?_soft_?cap\w*|(?:\w+_)?soft_?capping", 3.5, "processor"),
        name(
            r"penalt\w*|repetition_penalty|repeat_penalty|\w+_penalty|top_k\w*|top_p\w*|min_p\w*|"
            r"temperature|typical\w*|topk|topp|top_a|tfs|sample_topp|sample_top_p|"
            r"apply_dry\w*|llama_sampler_\w*apply",
            3,
            "named",
        ),
        name(
            r"sample|sampler|softmax|logits\w*|forward|sampling|generate|next_token_chooser|chooser|call|"
            "apply|choose",
            1.5,
            "weak",
        ),
        name(
            r"plan|planner|config|params|args|test|log|metric\w*|prompt_logprobs|logprobs|output|request|"
            r"validate|parse|loss|router|moe|gating|expert\w*|attn|attention|fused|scaling\w*|get|"
            "set|embed|head|need|cross|kernel",
            -3,
        ),
        owner(r"\w*sampler\w*|logits_\w+|\w*logits_processor\w*|\w*chooser|sampling\w*", 2),
        owner(r"\w*router|\w*gate|\w*experts?|\w*moe", -5),  # the best of experts, not of tokens
        owner(r"\w*trainer", -4),  # what it learns from is drawn already
        has(r"apply\w*|process\w*|call|update_state|transform|forward|warp", 1),
        uses(
            r"logits|logit|scores|logits_\w*|cur_p|candidates|input_logits|probs|probabilities", 2, "logits"
        ),
        uses("temperatures?|temp", 1.8, "knobs"),
        uses(r"top_?k\w*|top_?p\w*|min_?p\w*|topp|topk|kth\w*", 1.8, "knobs"),
        uses(
            r"(?:\w+_)?penalt\w*|repetition_\w*|repeat_last_n|presence\w*|frequency\w*|logit_bias\w*",
            2,
            "knobs",
        ),
        uses(
            r"(?:previous|prev|last|recent|past)_(?:n_)?tokens|token_history", 1, "knobs"
        ),  # which penalties look at
        uses(
            r"masked_fill_?|softmax|div_?|cumsum|sort|scatter_?|where|argsort|neg_inf\w*|inf|gather",
            1,
            "math",
        ),
        uses(r"loss|targets|backward|router_logits|expert\w*|num_experts", -5),
        takes(r"logits\w*|scores|probs|probabilities|candidates|cur_p", 1.5, "logits"),
        path(r"logits?\w*|samplers?|sampling|sample|penalt\w*|logits_process\w*|generate", 2),
        base(r"logits_processor\w*|logits_warper|logits_\w+", 2),
        about(r"logits|penalt\w*|temperature|top[-_]?k|top[-_]?p", 1),
        code(
            r"(?i)logits?\w*(?:\[[^\]\n]*\])?(?:\.\w+\(\))?\s*(?:/=|\*=|/)|masked_fill|div_\(|"
            r"-\s*float\(.inf|-inf|(?:/|/=)\s*\w*(?:temp|temperature)",
            1.5,
            "math",
        ),
        # a chain of samplers, of which several only reshape what the last one draws from
        code(
            r"(?is)\bsample(?:r|_)?\w*?(?:repetition|penalt\w*|temp\w*|top_?[kp]).{0,600}?"
            r"\bsample(?:r|_)?\w*?(?:repetition|penalt\w*|temp\w*|top_?[kp]|mirostat|typical)",
            2,
            "logits",
        ),
        # what must not come is made impossible
        code(
            r"(?i)\b(?:logits?|probs?)\w*(?:\[[^\]\n]*\]|\.\w+)?\s*=\s*(?:0\.0|[\w.:-]*inf\w*)", 1.5, "math"
        ),
        code(r"(?i)logits?\w*(?:\[[^\]\n]*\])*\s*/=?\s*(?:\w+\()?[\w.>-]*temp", 3, "scaled"),
    ),
    needs=("processor|named|weak|scaled", "logits", "knobs|math"),
    least=6.5,
    near={"sampler": 2},
    leads="processor",
    whole=True,
)
