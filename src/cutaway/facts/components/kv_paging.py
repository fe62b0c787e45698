# How the cache is cut into blocks and who holds which: block tables, page tables, slots.
"""Paging of the KV cache."""

from cutaway.facts.concept import Concept, about, base, code, has, kinds, name, owner, path, uses

KV_PAGING = Concept(
    key="kv_cache_block_table_or_paging",
    looked_for="maps a request's tokens to blocks, pages or slots of the cache",
    kinds=kinds(types=1.0, callables=0.7),
    clues=(
        name(
            "block_?tables?|page_?tables?|(?:multi_group_)?block_table|table_manager|"
            r"req_to_token\w*|slot_mapping",
            5,
            "named",
        ),
        name(
            r"(?:\w+_)?block_(?:manager|allocator|pool|engine|space_manager)|"
            r"page_(?:manager|allocator|pool)|paged_\w*|token_to_kv_pool_allocator|"
            "free_kv_cache_block_queue|cache_manager|kv_cache_manager|mem_manager|req_manager|"
            r"block|allocator|cells?|slots?|(?:\w+_)?page|(?:cache|kv|physical|logical)_(?:token_)?block",
            3.5,
            "named",
        ),
        name(
            r"(?:prepare_|append_|build_|get_|update_)?(?:block_tables?|page_table)\w*|"
            r"(?:allocate|alloc|append|get_new|assign|free)_(?:\w+_)?(?:blocks?|pages?|slots?)|"
            r"compute_slot_mapping|find_slot\w*|allocate|allocate_paged\w*",
            3.5,
            "named",
        ),
        name(
            r"array|to_q|to_fp_\d+|config|metadata|args|spec|metric\w*|event|events|stats|error|decoder|transformer|"
            r"residual|quant\w*|gemm|scale|kernel|test|hash|mamba|sparse|weight|linear|moe|mlp|conv|"
            "layer|attention|norm|attn|resnet|prefetch|input|error|utils",
            -4,
        ),
        path(r"(?:h|flash_?)?kernels?|cutlass\w*|cute|mainloop\w*", -2.5),  # blocks of threads
        uses(r"rms_\w+|ffn\w*|feed_forward\w*|mlp|w_?[qo](?:_\w+)?", -5),  # a block of the network
        name(r"paged_kv\w*|page_table|block_table", 1, "blocks"),
        name(r"radix\w*|trie\w*|prefix\w*", -3),
        has(r"allocate\w*|alloc\w*|append_\w*|get_new_blocks|append_row|add_row|find_slot\w*", 1.5),
        has(r"free\w*|deallocate|release\w*|free_blocks|free_block", 1.5, "frees"),
        owner(
            r"\w*block_(?:manager|pool|table|allocator)|cache_manager|\w*cache_manager|model_runner|"
            r"kv_cache\w*|\w*allocator",
            1,
        ),
        uses(
            r"block_?tables?|block_ids?|block_id_\w+|page_?table\w*|free_blocks?|free_block_\w+|"
            r"num_free\w*|blocks|page_indices|free_pages|free_slots|cells|req_to_token\w*|"
            r"kv_indices|mem_state|slot_mapping\w*|token_pool|"
            r"(?:avail\w*|free|unused|used|physical|device|host|gpu|cpu|hbm)_(?:\w+_)?(?:pages|blocks|slots)",
            2.5,
            "blocks",
        ),
        uses(
            r"block_size|page_size|num_blocks|num_pages|tokens_per_block|blocks_per_\w+|kv_size|"
            r"max_num_blocks\w*",
            2,
            "size",
        ),
        uses(r"ref_count|ref_cnt|free\w*|popleft|pop_front|used_block_ids|refs", 1, "frees"),
        uses(
            r"slot_mapping\w*|(?<!num_)seqs?|request\w*|seq_id|table_idx|req|req_index|num_tokens|sequence\w*",
            1,
            "requests",
        ),
        base(r"(?:nn_)?module", -2.5),  # a block of layers
        # a free one is taken
        code(
            r"(?i)\b\w*(?:free|avail\w*|unused)\w*\s*(?:\.|->)(?:pop\w*|take|remove\w*|shift|dequeue)\(|"
            r"\b(\w*free\w*) = [\w.>-]*\b\1\[(?:\w*:|:)",
            2.5,
            "frees",
        ),
        path(
            r"block_manager|block_pool|block_table\w*|kv_?cache\w*|kvcache|paged_?att\w*|cache|"
            "mem_?manager|table|scheduler|block_engine|block_allocator|memory_pool",
            1.5,
        ),
        about("block tables?|page tables?|paged|physical|logical|free blocks?|slot", 1.5),
    ),
    needs=("named", "blocks", "size|frees|requests"),
    least=6.5,
    near={"kv_cache_structure": 1.5},
)
