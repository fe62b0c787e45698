# Where new keys and values are written into the cache.
"""The update of the KV cache."""

from cutaway.facts.concept import Concept, about, code, kinds, name, owner, path, takes, uses

KV_UPDATE = Concept(
    key="kv_cache_update",
    looked_for="writes new keys and values into the cache",
    kinds={**kinds(callables=1.0, types=0.3), "kernel": 0.9},
    clues=(
        name(
            r"(?:store|write|update|append|set|save|put|copy|reshape_and|scatter|insert|push|fill)_(?:\w+_)?(?:kv\w*|key_value|kvcache|kv_buffer|cache|cache_\w+|k|v|kv_cache)",
            5,
            "named",
        ),
        name(
            r"\w*kv_?cache_update|kvcache_update|reshape_and_cache\w*|cpy_[kv]|copy_kv\w*|"
            r"\w*_?kv_to_cache|kv_?shift|save_kv_to_cache|copy_to_cache|cp_k|cp_v",
            5,
            "named",
        ),
        name(
            r"update|append|store|store_cache|store_kernel|put|push|forward|decode_\w*kv\w*|"
            "append_slots|may_append|multihead_att|attention|compute_q?kv|eval|evaluate|decode",
            2,
            "weak",
        ),
        name(
            r"dequant\w*|diffkv|fused|transfer|load|remote|async|send|recv|config|grad|spec|test|metadata|"
            r"params|state_dict|scale\w*|swap\w*|gather|encoder|weights?|connector|events?|mel|conv|indirection",
            -3,
        ),
        name("flashinfer", -1.5),  # as one library's kernels lay it out
        name(r"read\w*|get_?item|set_?item|contains|^(?:len|size|is_empty)$", -4),  # of a file, of a mapping
        name(
            r"^(?:new|init|create|from|with)(?:_\w+)?$|^(?:copy|clone|fork|dup\w*)$", -4
        ),  # makes a cache, or a second one
        name(r"^(?:can|is|has|should|needs?)_\w+", -4),  # asks and does not write
        owner(
            r"\w*kv_?cache\w*|kv_stor(?:e|age)|\w*cache|\w*attention\w*|\w*_impl|\w*kv_pool|kv_cache_manager|causal|"
            r"\w*pool|\w*mem_manager",
            2,
            "cache_owner",
        ),
        uses(
            "k_?caches?|v_?caches?|key_?caches?|value_?caches?|kv_?caches?|kvcaches?|k_buffer|"
            "v_buffer|kv_buffer|cache_k|cache_v|memory_k|memory_v|current_k|k_out|v_out|key_cache_ptr|keys|"
            r"key_cache_layer\w*|all_data|k_l|kv_self|\w*[kv]_?storage",
            2.5,
            "cache",
        ),
        uses(
            r"slot_mapping\w*|slot|slots|slot_idx|slot_idxs|out_cache_loc|out_loc|indices|input_pos|"
            r"cache_position|pos|block_offset|block_idx|(?<!max_)positions?|offset\w*|cur_pos|dest_loc|"
            r"dest_index|mem_index\w*|loc|kv_head|start_pos|cu_seqlen_prefill",
            1.8,
            "where",
        ),
        uses(
            r"index_copy_?|index_put_?|^(?:\w+_)?copy$|^cpy$|op_cpy|scatter\w*|index_fill_?|copy_|ggml_cpy|ggml_set_rows|"
            r"slice_set|slice_assign|slice_update|\w*update_slice|set_rows|memcpy|narrow|store|reshape_and_cache\w*|"
            r"cat|concat\w*|set_slice|slice_scatter|fused_copy_kv|store_cache",
            2,
            "writes",
        ),
        # it calls what writes
        uses(
            r"(?:append|store|write|save|set|put|update)_(?:\w+_)?kv(?:_?cache|_buffer)\w*|reshape_and_cache\w*",
            3,
            "writes",
        ),
        uses("keys?|values?|k|v|k_val|v_val|new_k|new_v|k_new|v_new|key_states|k_cur|v_cur", 0.7, "kv"),
        uses(
            r"softmax\w*|exp|exp_2|expf|exp_2_f|lse|logsumexp\w*", -2
        ),  # attention itself, which reads the cache
        owner(r"\w*_model", -1),
        owner(r"\w*for_causal_lm|\w*for_conditional_generation", -2.5),
        takes(r"cache|kv_cache\w*|past_\w+|layer_cache", 1.5, "given"),
        takes(
            "keys?|values?|k|v|k_val|v_val|k_src|v_src|key_states|xk|k_cur|kv|src|slot_mapping|input_pos",
            1,
            "kv",
        ),
        path(
            "attention|attn|kv_?cache|kvcache|cache|cache_kernels|kv|mem_?manager|store|"
            r"reshape_and_cache\w*|model",
            1.2,
        ),
        about("kv[ _-]?cache|cache|slot", 1),
        code(
            r"(?i)\b(?:\w*(?:cache|buffer|k_out|keys)\w*|(?:\w+_)?k(?:_\w+)?)(?:\[[^\]\n]*\])+\s*=[^=]|"
            r"(?:index_copy_?|index_put_?|scatter_update|slice_set|SliceUpdate|tl\.store|ggml_cpy|set_rows|copy_)\s*\(|"
            r"\b\w*copy\w*\((?:\w+\.)*k\w*,",
            2,
            "writes",
        ),
        # keys and the cache are handed to a kernel together
        code(r"\w\[\w*grid\w*\]\((?=[^()]*\b(?:k|key)\w*_?cache)(?=[^()]*\b(?:k|keys?)\b)", 2, "writes"),
        # what a cache keeps becomes itself with the new part set into it
        code(
            r"(?:self|this)(?:\.|->)(\w*(?:cache|buf|buffer|storage|data))\w*\s*=\s*(?:self|this)(?:\.|->)\1[^;]{0,60}?"
            r"(?:slice_assign|slice_set|slice_scatter|slice_update|index_put|index_copy|scatter)",
            2.5,
            "cache",
        ),
        # attention without anything that outlives a step has keys and values too
        code(r"(?i)cache|(?<![a-z])past|(?<!q)kv|[kv]_?(?:storage|buffer|out\b)|memory_[kv]", 0.1, "kept"),
        owner(r"\w*cache\w*|\w*kv\w*|\w*pool", 0.1, "kept"),
        takes(r"\w*cache\w*|past\w*|\w*kv_\w*", 0.1, "kept"),
        # a part of the cache taken to be written into, or copied onto
        code(
            r"(?i)&mut [\w.]*\b(?:k|key|v|value)s?_?cache\w*\s*(?:\[|\.(?:row|slice|narrow|index|get|at)\w*\()|"
            r"\b(?:mem)?copy\w*\(\s*&?[\w.>-]*\b(?:k|key|v|value)s?_?cache\w*\s*[\[+,]|memcpy\w*\(\s*&?[\w.>-]*(?:k|key|v|value)\w*cache",
            3,
            "puts",
        ),
        # the cache of keys is given the new ones, and the place
        code(
            r"(?i)\b(?:k|key)s?_?cache\w*(?:\.\w+\(\))*\??\.(?!get|copy_from)\w+\(\s*"
            r"&?(?:mut )?(?:k|keys?)(?:_\w+)?(?:\.\w+\(\)\??)*,"
            r"[^;\n]*(?:offset|pos|start|len)\w*",
            3,
            "puts",
        ),
        # what is kept by a text is an answer
        code(
            r"\(\s*(?:&(?:'\w+ )?(?:mut )?self,\s*)?(?:key|text|prompt|query|url|name)"
            r"\s*(?::\s*&?|\s)(?:'\w+ )?(?:string|str|String)\b|"
            r"\(\s*(?:const )?std::string(?:_view)?\s*&?\s*(?:key|text|prompt|query|url|name)\b",
            -8,
        ),
        # the cache under a shorter name, and its places filled
        code(
            r"(?is)\b(\w+)\s*=\s*(?:\([\w:<> ]+\*?\)\s*)?&?(?:\w+(?:\.|->|::))*\w*(?:k|key|v|value)s?_?cache\w*"
            r"(?:\(\)|\[[^\]\n]*\])*(?: \+ [^;\n]*)?[;\n].{0,600}?\b\1\s*\[[^\]\n]*\]\s*=[^=]",
            3,
            "puts",
        ),
    ),
    # who is only given a cache may hand it on
    needs=(
        "named|cache_owner|weak|puts",
        "cache|cache_owner|given|named",
        "writes|where",
        "kv|cache|given",
        "named|cache|writes|puts",
        "kept",
    ),
    least=7,
    near={"kv_cache_structure": 2},
)
