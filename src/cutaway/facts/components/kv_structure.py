# What the keys and values of past tokens are kept in.
"""The structure of the KV cache."""

from cutaway.facts.concept import Concept, about, base, code, has, keeps, kinds, name, owner, path, uses

KV_STRUCTURE = Concept(
    key="kv_cache_structure",
    looked_for="holds the keys and values of past tokens",
    kinds=kinds(types=1.0, callables=0.75),
    clues=(
        name(
            r"kv_?caches?|kvcache|kv_?pool|kv_stor(?:e|age)|(?:token_to_)?kv_\w*pool|kv_cache_manager|"
            r"key_value_(?:cache|memory_manager)|\w*kv_cache\w*|kv_cache_memory",
            5,
            "says_kv",
        ),
        name("memory_manager|mem_manager", 5, "named"),
        name(r"semantic\w*|(?:response|result|http|page)_cache", -4),  # of answers, not of keys and values
        name(
            r"cache_engine|block_pool|block_manager|block_allocator|mha_\w*pool|run_state|"
            r"block_engine|paged_\w+|^causal$|static_cache|dynamic_cache|cache",
            3,
            "named",
        ),
        name(
            r"(?:allocate|initialize|init|setup|create|alloc|make|malloc|new|build)_(?:\w+_)?(?:kv_?)?caches?\w*|"
            "malloc_run_state",
            3,
            "named",
        ),
        name(
            r"(?:initial|init|new|make|create)_(?:\w+_)?state|decoder_state|"
            r"(?:new_)?(?:inference|generation|decoding)_(?:context|session|state)",
            2,
            "named",
        ),
        name(
            "pattern|fusion|pass|method|slice_config|config|spec|args|metrics?|events?|stats?|"
            r"connector|transfer|scale\w*|quant\w*|dtype|type|params|group|groups|utils|hash|prefix|"
            "tokens|layout|factory|error|mode|test|info|shape|update|store|encoder|mixin|snapshot|"
            r"defrag\w*|trie|sharing|inputs?|file|dir|model_cache|response|config_manager|compute|output",
            -3,
        ),
        name(r"\w*graphs?(?:_\w+)?", -3),  # of recorded kernels
        # Whoever keeps keys and values is their structure, whatever its name; and so is what sets their memory up.
        keeps(r"(?:k|keys?)_(?:\w+_)?caches?|cache_k|past_keys?|(?:k|keys?)_buffer", 4, "named"),
        keeps(r"past_key\w*_(?:config|names?|shapes?|specs?)", -4),  # how another's are to be fed
        code(
            r"(?i)\bk(?:ey)?_?cache\w*\s*=\s*(?:\w+\.)*(?:zeros|empty|new_zeros|new_empty|full|alloc\w*)\(",
            3,
            "named",
        ),
        code(r"\b\w*cache\w*\[[\"']keys?[\"']\]\s*=[^=]", 3, "named"),  # a dictionary of the two
        # a buffer of a module, or a variable of its collection of caches
        code(
            r"(?i)register_buffer\(\s*f?[\"'](?:\w+_)?(?:k|keys?|kv)_?(?:cache|states?|buffer)|"
            r"\.variable\(\s*[\"']cache[\"'],\s*[\"'](?:\w*_)?(?:k|keys?)\b",
            3,
            "named",
        ),
        # whoever makes the tensors of what it calls the caches
        code(
            r"(?i)\bkv_?caches?\s*=\s*\[?\s*\(?\s*(?:\w+\.)*(?:zeros|ones|empty|full|new_\w+)\(",
            3,
            "named",
        ),
        # no type at all: a layer takes the pair that it gave, puts the new ones behind and gives it again
        code(
            r"(?i)\bpast_?k\w*\s*,\s*past_?v\w*\s*=\s*\w|\b(?:cat|concat\w*)\(\s*[\[(]\s*\w*past\w*\[0\]\s*,\s*k",
            4,
            "named",
        ),
        code(r"\b(?:present\w*|past_key_values?|layer_past)\s*=\s*\(\s*k\w*\s*,\s*v\w*\s*\)", 2, "kv"),
        name(r"(?:initiali[sz]\w*|init|alloc\w*|malloc|setup)_(?:\w+_)?(?:memory|buffers?)", 2, "named"),
        has(r"update|append|store\w*|put|set_kv\w*|put\w*|push|write\w*|forward", 1),
        has(
            r"k_cache|v_cache|get_kv\w*|get_key\w*|get_value\w*|get_[kv]|kv_cache|k|v|seq_rm|"
            r"trim\w*|can_resume|current_seq_len",
            1.5,
            "kv",
        ),
        has(r"get|remove|reset|allocate\w*|free\w*|alloc", 1.5),  # as any cache
        uses(
            r"k_?caches?|v_?caches?|(?:keys?|values?)_(?:\w+_)?caches?|kv_?caches?|kvcaches?|k_buffer|"
            r"keycaches?|valuecaches?|v_buffer|kv_buffer|keys?|values?|cache_k|cache_v|memory_k|memory_v|k_l|v_l|all_data",
            2,
            "kv",
        ),
        uses(
            r"num_?blocks|block_size|page_size|num_pages|max_seq_len\w*|max_seq_length|"
            "num_kvcache_blocks|kv_size|n_ctx|capacity|seq_len|num_slots|size|block_pool|kv_dim",
            1.5,
            "size",
        ),
        uses(
            "num_kv_heads|n_kv_heads|head_dim|num_key_value_heads|n_head_kv|num_layers|n_layers?|"
            "n_embd_k_gqa|kv_dim|n_local_heads",
            1.5,
            "shape",
        ),
        uses(
            r"zeros|ones|empty|register_buffer|calloc|ggml_new_tensor\w*|tensor|new_zeros|malloc",
            1.2,
            "allocates",
        ),
        uses("ttl|time_to_live|max_age|is_expired|expires_at", -6),  # answers that age, not tokens that go on
        path(
            "kv_?cache|kvcache|cache|mem_?manager|memory_pool|kv|block_manager|block_pool|"
            r"paged_attention|paged_attn|key_value_\w+",
            2,
        ),
        base(r"kv_?cache\w*|cache|module|kvcache", 0.5),
        owner("model_runner|transformer|engine|worker", 0.5),
        about("kv[ _-]?cache|key-?value|keys and values", 2, "kv"),
        code(
            r"(?is)\b(?:cache_?k|k_?cache|key_?(?:\w+_)?cache|memory_?k)\b.{0,400}?"
            r"\b(?:cache_?v|v_?cache|value_?(?:\w+_)?cache|memory_?v)\b",
            2,
            "kv",
        ),
        code(r"[\"'](?:\w*_)?(?:keys?|k)(?:_\w*)?[\"']", 1.5, "kv"),
        # an entry for the keys, and one of the same name for the values
        code(r"(?s)[\"'](\w+_)keys?(?:_\w*)?[\"'].{0,200}?[\"']\1values?(?:_\w*)?[\"']", 4, "kv"),
        # keys and values made side by side
        code(
            r"\bk\w*\s*=\s*(?:\w+\.)*(?:zeros|ones|empty|full)\([^\n]*\n?[^\n]*"
            r"\bv\w*\s*=\s*(?:\w+\.)*(?:zeros|ones|empty|full)\(",
            3,
            "kv",
        ),
        code(
            r"(?i)(?:zeros|empty|\w*alloc\w*|new_tensor\w*|Zeros)\s*\(?[^\n]{0,80}(?:block|cache|kv|page|seq_len|n_ctx|layers)",
            1.5,
            "allocates",
        ),
    ),
    needs=("named|says_kv", "kv|shape|says_kv", "size|allocates|kv"),
    least=7,
)
