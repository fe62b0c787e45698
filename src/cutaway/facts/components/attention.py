# What computes attention, and what chooses between implementations.
"""The attention backend."""

from cutaway.facts.concept import Concept, about, base, code, has, kinds, name, owner, path, takes, uses

ATTENTION = Concept(
    key="attention_backend",
    looked_for="computes attention from queries, keys and values",
    kinds=kinds(types=1.0, callables=0.8),
    clues=(
        name(r"\w*scaled_dot_product_attention\w*|sdpa", 4.5, "named"),
        path(r"models/llama\w*|\w*llama_modeling", 1.5),
        name("eval|evaluate|forward|decode|infer|build_graph|layer_forward", 2, "whole"),
        name(
            r"(?:flash|paged|flash_?infer|flash_attn|fi|fa|triton|base|tokens?|hybrid|multi_?head|radix|causal_self|self|sdpa|torch)?_?(?:attention|attn)(?:_?(?:backend|impl|layer|op|module|kernel|v\d))?",
            4.5,
            "named",
        ),
        name(
            r"attention|attn|\w+_attention|\w+_attn|sdpa|flash_attention\w*|attention_backend|"
            r"attn_backend|att_backend|fa_\w*backend|multi_?head_att\w*|\w*att_forward\w*|"
            r"core_attention|build_attn\w*|scaled_dot_product_attention\w*|attn_block",
            3,
            "named",
        ),
        name(
            r"get_(?:attn|attention|att)_\w*backend\w*|create_\w*attention_backend\w*|"
            r"select_\w*backend|attention_selector",
            3,
            "named",
        ),
        name("backend|registry", 1),
        name(
            r"naive|config|metadata|mask\w*|output|params?|builder|spec|state|utils|context|scale\w*|"
            "inputs?|test|cache|type|enum|bias|norm|group|dtype|weights?|proj|request|mlp|error|"
            r"fp_8|quant\w*|merge\w*|compress\w*|residual|wrapper",
            -3,
        ),
        has(r"forward\w*|run_attention|attn\w*|call|decode|prefill\w*|run|prefill_att|decode_att|build", 1),
        has(
            "init_forward_metadata|prepare_metadata|get_impl_cls|get_kv_cache_shape|get_name|"
            r"forward_extend|forward_decode|prepare_for_\w+|create_att_\w+|init_state|is_supported|"
            r"supports_\w+",
            1.5,
        ),
        uses(
            r"flash_attn\w*|flash_attention\w*|flashinfer\w*|fa_\d\w*|varlen\w*|"
            r"flash_attn_with_kvcache|ggml_flash_attn_ext|paged_attention\w*|batch_decode_with\w*|"
            r"batch_prefill\w*|unified_attention\w*|context_attention\w*|flex_attention\w*|"
            r"prefill_attention|decode_attention|flash_attn_varlen\w*|scaled_dot_product_attention|"
            r"run_sdpa|sdpa\w*|ggml_soft_max\w*|inputs_embeds_attention|softmax_in_place|soft_?max\w*",
            3,
            "kernel",
        ),
        uses("q|query|queries|q_proj|xq|wq|query_states", 1, "qkv"),
        uses("k|key|keys|v|value|values|k_proj|xk|qkv|qkv_proj|c_attn|wqkv", 1, "qkv"),
        uses("k_cache|v_cache|kv_cache|key_cache|value_cache|block_tables?|page_table|cache", 1, "kv"),
        uses(
            "num_heads|head_dim|num_kv_heads|n_head|n_heads|head_size|num_key_value_heads|n_head_kv",
            1.2,
            "heads",
        ),
        uses("softmax_scale|sm_scale|scale|causal|is_causal|mask|att|sinks", 0.8),
        takes("q|k|v|query|key|value|queries|num_heads|head_dim|attn_metadata|attention_mask", 0.8, "qkv"),
        owner(r"naive\w*", -3),
        owner(r"\w*attention\w*|\w*attn\w*|\w*backend", 0.6),
        path(
            r"attentions?|attn|att|attention_backend\w*|flash_attn|flash_attention|flashinfer|fa|"
            "backends|sdpa",
            2,
        ),
        path(r"(?<=models/)(?!common|shared|base|layers|utils)\w+|modeling_\w+|custom_modeling", -2.5),
        base(r"\w*attention\w*|\w*attn\w*|\w*att_backend", 1),
        about("attention", 1),
        # queries times keys over the root of a head's size, and what softmax makes of them: whatever is around it
        code(
            r"(?is)\b(?:score|att|attn|dot|qk|val|sum)\w*(?:\[[^\]\n]*\])? ?(?:[/*]=|=[^;\n]*[/*])[^;\n]*(?:sqrt|scale)"
            r".{0,900}?\bsoft_?max\w*(?:::<[^>\n]*>)?\(",
            4,
            "whole",
        ),
        code(
            r"(?i)softmax|flash_attn\w*\(|scaled_dot_product_attention\(|paged_attention\w*\(|"
            "flash_attn_ext|sdpa",
            1.2,
            "kernel",
        ),
        # queries times keys, the softmax of that, and a product again, whatever it is called
        code(
            r"(?s)(?:(?:einsum|matmul|bmm|dot)\w*\([^\n]*\bx?q\w*\b[^\n]*\b(?:self\.)?\w*k\w*|\bx?q\w* @ \w*k\w*)"
            r".{0,900}?softmax\w*\(.{0,900}?(?:(?:einsum|matmul|bmm|dot)\w*\(|\w @ \w)",
            1.5,
            "named",
        ),
    ),
    needs=("named|whole", "qkv|kv|heads", "kernel|heads"),
    least=6.5,
)
