# What is kept of finished requests and what is thrown out: shared prefixes, hashes, radix trees, least recently used.
"""Eviction and prefix reuse."""

from cutaway.facts.concept import Concept, about, code, has, kinds, name, owner, path, uses

KV_REUSE = Concept(
    key="kv_cache_eviction_or_prefix_reuse",
    looked_for="reuses the cache of a shared prefix or evicts what is least needed",
    kinds=kinds(types=1.0, callables=1.0),
    clues=(
        name(
            r"radix\w*|prefix_?cach\w*|\w*prefix_cache\w*|radix_tree|radix_cache|trie|kv_trie\w*|"
            r"prompt_cache\w*|\w*prompt_cache\w*|\w*_radix_\w*|\w*kv_prefix\w*|prefix_(?:reuse|tree|index|pool|store)\w*",
            5,
            "named",
        ),
        name(
            r"(?:find|match|get|lookup|load)_(?:\w+_)?(?:prefix\w*|longest_\w+|computed_blocks|cached_blocks?|cache_hit\w*|cache_slot|matching\w*|cached_\w*)|"
            r"match_prefix|find_longest_cache_hit|find_?best_?cache\w*|find_\w*prefix\w*",
            4.5,
            "named",
        ),
        name(
            r"evict\w*|maybe_evict\w*|\w+_evict\w*|hash_blocks?\w*|compute_hash|block_hash\w*|"
            r"hash_block_tokens|cache_full_blocks|lru\w*|context_shift|shift_context|"
            r"shift_cache_slot|shift\w*|seq_rm|seq_shift|kv_shift|insert_prefix|"
            r"resolve_\w*prompt\w*|shared_prefix\w*|trim\w*",
            4,
            "named",
        ),
        name(
            r"can_allocate|allocate|allocate_(?:blocks|pages|slots)|cache_blocks|cache_req|insert|free", 1.5
        ),
        name(r"(?:\w+_)?reuse(?:_\w+)?", 3, "named"),
        # what is kept is compared with what is asked, token by token
        code(r"while [^\n]*\b(\w+)\b[^\n]*\[[^\]\n]*\b\1\][^\n]*==[^\n]*\[[^\]\n]*\b\1\]", 5, "prefix"),
        name(r"(?:prompt|prefix|context|state|\w+_state)_cache", 4, "named"),
        # blocks change places with a store beside the device
        name(r"swap|swap_(?:out|in|blocks?|seqs?|cache|kv)\w*", 3, "named"),
        uses(
            r"swap_blocks?|swap_(?:in|out)\w*|is_swap_in|[kv]_swap|(?:cpu|host)_(?:block|cache)\w*",
            2,
            "evicts",
        ),
        # what no longer fits pushes out the oldest
        code(
            r"(?is)\bif\b[^\n]*(?:len|pos|size|offset)\w*\)?\s*>=?\s*[^\n]*\bmax_\w+[^\n]*\n.{0,400}?"
            r"(?:slice|narrow|copy_within|memmove|drain|roll|pop_front|truncate)\w*\(",
            3.5,
            "evicts",
        ),
        # what has left the window is overwritten
        name(
            r"(?:windowed|sliding_window|rotating|rolling|ring)_\w*cache|slide_(?:window|layer|cache)\w*",
            4,
            "named",
        ),
        uses(r"window_size|sliding_window\w*|rotating\w*|max_seq_len_window|slide\w*", 1.5, "evicts"),
        name(
            r"reset|clear|enable\w*|disable\w*|num_common|get_num|config|args|metric\w*|stats?|events?|mode|test|params|error|"
            "connector|remote|encoder|image|mm|response|session|http|kernel|create|model_cache|"
            "name|strip|path|common_str|log",
            -4,
        ),
        owner(
            r"\w*cache\w*|block_\w+|\w*radix\w*|\w*prefix_tree\w*|\w*trie\w*|input_cache",
            1.5,
            "cache_owner",
        ),
        name("^init$", -2),  # makes what is then kept
        name("filter|filters|disk", -4),
        name(r"no_\w*cach\w*|without_\w*cach\w*|non_\w*cach\w*", -3),  # does without
        name(r"\w*attention|attn", -2.5),  # which attends over what is left
        owner(r"\w*filter|\w*constraint\w*|\w*grammar\w*", -4),
        has(
            r"match_prefix|match\w*|resolve_\w*prompt\w*|evict\w*|insert\w*|find_longest\w*|"
            r"search\w*|lookup\w*|get_cached\w*|find_\w*",
            1.5,
        ),
        has(r"lock\w*|inc_lock_ref|split\w*|dec_ref\w*", 1.5),
        has(r"evict\w*", 1.5, "weak"),
        uses(
            r"hash_to_block_id|block_hash\w*|compute_hash|prefix\w*|\w*_prefix\w*|cached_blocks?|cached_block_(?:hash|id)\w*|"
            r"cached_len\w*|hash_block\w*|page_hash\w*|\w*prompt_hash\w*|num_cached_\w+|matched\w*|prompt_tokens_cached|"
            r"common_part|n_past|cached_prompt\w*|prompt|prompt_ids|cache_prompt|token_ids_key|match_len\w*",
            2.2,
            "prefix",
        ),
        uses(
            r"\w*seq_rm|\w*seq_add|p_0|\w*seq_cp|n_keep|n_discard|context_shift|delta_prompt|start_pos|"
            r"n_common\w*|n_matching",
            2,
            "evicts",
        ),
        uses(
            r"evict\w*|lru\w*|last_access\w*|access_(?:serial|count|time|tick)\w*|last_used\w*|timestamp|evictable\w*|heappop|heapq?|"
            r"priority_queue|free_block_queue|oldest\w*|leaf\w*|leaves",
            2.2,
            "evicts",
        ),
        # of a long text the first tokens, the latest ones or the most attended ones are kept
        uses(
            r"(?:recent|start|sink|window|heavy|hh|keep)_(?:size|len\w*|budget|ratio|tokens|num)|num_sink\w*|sink_tokens|"
            r"heavy_?hitters?\w*",
            2,
            "evicts",
        ),
        uses(r"ref_count\w*|ref_cnt|lock_ref|refs|inc_ref|inc_ref_cnt", 1),
        uses(r"children|child|parent|node|root\w*|tree", 1.2, "tree"),
        uses(
            r"kv_?cache\w*|block_id|block_ids|blocks?|kv_\w+|indices|token_ids|tokens|cache_\w*|\w*pages|decoder_state|past_k\w*|"
            "prompt|caches?",
            1,
            "kv",
        ),
        path(r"grammar\w*|json_schema|regex\w*", -4),  # trees of what may be said
        path(r"convert(?:_\w+)?|export(?:_\w+)?|finetune\w*", -4),  # runs before there is a cache
        path(
            r"radix\w*|prefix\w*|kv_?cache\w*|block_pool|block_manager|cache|prompt_cache|"
            "dynamic_prompt|trie",
            2,
        ),
        about(r"prefix|evict\w*|reuse\w*|radix|least[ -]recently", 1.5, "prefix"),
        code(
            r"(?i)common_?(?:prefix|part|substring|subsequence|len)|\b(?:lcp|lcs)_|seq_rm\(|prompt_similarity",
            3,
            "matches",
        ),
        # a prompt hashed chunk by chunk
        code(r"(?i)hash\w*\W[^\n]*\[\w+ ?: ?\w+ ?\+ ?[\w.]*(?:chunk|block|page)_?size", 2, "kv"),
        code(r"(?i)hash\w*\s*(?:\[|\.get|\.update)|last_access|evict", 1),
    ),
    needs=("named|weak|cache_owner|matches", "prefix|evicts|tree", "kv"),
    least=7,
    near={"kv_cache_block_table_or_paging": 1.5, "kv_cache_structure": 1},
)
