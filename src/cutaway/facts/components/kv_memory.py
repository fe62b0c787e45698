# How many tokens fit: free memory is measured, the bytes of one token or block computed, and the quotient taken.
"""Accounting of the KV cache's memory."""

from cutaway.facts.concept import Concept, about, code, kinds, name, owner, path, uses

KV_MEMORY = Concept(
    key="kv_cache_memory_accounting",
    looked_for="computes how much memory the cache takes or how many blocks fit",
    kinds=kinds(callables=1.0, types=0.55, device=False),
    clues=(
        name(
            r"n_?bytes|\w+_nbytes|size_bytes|storage_(?:size|bytes)|alloc(?:ation)?_size|bytes_left|size_in_bytes|(?:memory|total|active|used|needed|required|cache|kv)_bytes",
            4,
            "named",
        ),
        name(
            r"(?:determine|get|calculate|compute|estimate|profile|measure)_(?:\w+_)?(?:num_\w*(?:blocks|pages|tokens)|available_memory|kv_cache_\w*|kv_\w*size\w*|max_\w*token\w*|num_blocks|cache_(?:block_)?size\w*|free_memory|memory\w*|vram\w*|max_num_tokens)",
            5,
            "named",
        ),
        name(
            r"determine_num_\w+|profile_(?:max|size|run|memory)\w*|max_memory_usage\w*|"
            r"(?:kv_)?cache_size(?:_per_token)?|page_size_bytes|check_enough_\w+|"
            r"memory_(?:breakdown|estimate|usage|requirement)\w*|kv_cache_size\w*|kv_size\w*|"
            "calculate_cache_config|memory_usage|total_size|size_[kv]_bytes|"
            r"calc_\w*(?:mem|kv|token)\w*|graph_size|bytes_per_\w*|(?:\w+_)?footprint",
            4.5,
            "named",
        ),
        name(
            r"(?:allocate|init|initialize|setup|create|build|warmup)_?\w*(?:kv_?)?caches?\w*|"
            r"warmup\w*|malloc_run_state|run_state|kv_cache|mem_manager|get_kv_cache_configs?|"
            r"max_total_token\w*|get_num_blocks|get_usage|usage|resize|reserve",
            3,
            "weak",
        ),
        name(
            r"defrag\w*|read|write|send|recv|dump|view|metrics?|stats?|log|test|print|config_parser|scale\w*|quant\w*|connector|encoder|"
            r"temp|scratch|append|weights?|offload\w*|transfer|swap|validate|dtype|update|store|copy|hash|prefix",
            -3,
        ),
        name(r"awq|gptq|marlin|moe|linear|gemm", -3),  # what is kept of weights
        owner("awq|gptq|marlin|moe|linear|gemm", -3),
        name(r"^(?:is|has|can)_\w+", -2),  # asks
        name(r"rope|rotary|mask", -6),  # tables of a model's own
        owner(
            r"worker|model_runner|\w*engine|cache_engine|kv_cache\w*|cache_manager|mem_manager|"
            r"\w*cache",
            1.2,
            "kv",
        ),
        owner(r"\w*graphs?(?:_\w+)?", -3),  # what recorded kernels take
        owner(
            r"\w*kv_?cache\w*|\w*prompt_cache|\w*kv_\w*pool|page\w*_pool|block_(?:pool|manager|allocator)",
            0.8,
            "kv",
        ),
        uses(
            "mem_get_info|get_free_memory|free_memory|available_memory|total_memory|"
            r"memory_allocated|max_memory_allocated|memory_stats|get_memory_stats|free_mem\w*|"
            r"get_available_memory|available_kv\w*|available_kv_cache_memory\w*|available_bytes|"
            "peak_memory|cuda_mem_get_info|gpu_memory|free_vram|ggml_backend_dev_memory|mem_size|"
            r"available_size|get_memory_available|total_mem\w*|avail\w*_gpu_memory",
            3,
            "free",
        ),
        uses(
            r"gpu_memory_utilization|memory_ratio|mem_fraction\w*|memory_utilization|"
            r"memory_fraction|kv_cache_memory_\w*|mem_gpu|kvcache_mem\w*|"
            "utilization",
            2,
            "free",
        ),
        uses(
            r"cache_per_page|block_bytes|page_size_bytes|bytes_per_\w+|itemsize|element_size|"
            "dtype_size|size_in_bytes|total_cache_size|cache_block_size|cell_size|get_cell_size|"
            r"ggml_row_size|ggml_nbytes|n_?bytes|numel|nelement|elem_count|sizeof|size_of|element_bytes|ggml_type_size|dtype_bytes|get_size|"
            r"capacity_bytes|\w*state_size",
            2,
            "bytes",
        ),
        uses(
            r"num_blocks|num_gpu_blocks|num_pages|num_kvcache_blocks|max_total_token\w*|"
            "max_num_tokens|num_kv_blocks|kv_size|max_batch_total_tokens|num_tokens|n_ctx|"
            r"context_length|max_model_len|max_seq_len\w*|max_seq_length|size",
            1.2,
            "count",
        ),
        uses(
            "num_kv_heads|n_kv_heads|num_heads|(?:kv_)?head_(?:num|size)|head_dim|num_key_value_heads|kv_heads|n_head_kv|kv_dim|"
            r"num_layers|layer_num|cell_size|n_layers?|num_hidden_layers|head_count_kv|embd_k\w*|(?:layers?|heads?)_count|"
            r"n_?embd|embd_(?:size|dim)",
            1.5,
            "shape",
        ),
        uses(
            r"kv_?cache\w*|kvcache\w*|cache_\w*|kv_\w+|k_cache|v_cache|key_cache|key_cache_\w+|"
            r"max_total_token\w*|block_size|page_size",
            1.5,
            "kv",
        ),
        uses(r"(?:num_)?free_(?:blocks|pages)|\w*remaining_blocks?\w*|block_capacity", 2.5),
        path(r"worker|model_runner|engine|kv_?cache\w*|cache_engine|mem_?manager|memory|kv|cache", 1.2),
        about("memory|bytes|fit|blocks", 1),
        code(
            r"(?i)2\s*\*[^\n]{0,80}(?:layers?|head|kv|block)|"
            r"(?:mem\w*|memory|available\w*|free\w*|bytes)\s*/{1,2}\s*\w+",
            2,
            "bytes",
        ),
        # it returns a quotient, a product, or a sum over the sizes of what is kept
        code(
            r"(?i)return [^\n]*(?:tokens|memory|mem|bytes|blocks|pages|cache)\w*(?:\([^()\n]*\))?\s*(?:/{1,2}|\*)\s*\w",
            2.5,
            "bytes",
        ),
        code(r"return (?:\w*(?:sum|reduce)\([^\n]*(?:_size|n_bytes|numel)\b|[^\n]*\bnbytes\b)", 2.5, "bytes"),
        uses(r"scaled_dot_product_attention|softmax", -2.5),  # attends over the cache
        # the shape of a cache written out, which one is then asked for
        code(
            r"(?is)\bcache_(?:shape|dims|sizes?)\s*(?::[^=;\n]+)?:?=\s*"
            r"(?=[^;=]{0,160}(?:cache|ctx|context|seq|len))(?=[^;=]{0,160}(?:head|h_?dim|layer))[^;=]{0,200}?[;\n]"
            r".{0,300}?\w*cache\w*(?:::<?\w+>?)*\([^;]{0,80}?\bcache_(?:shape|dims|sizes?)\b",
            4,
            "sized",
        ),
        # what is called that of keys and values is a product of heads or widths and positions
        code(
            r"(?i)\b(?:\w*_)?kv(?:_?(?:size|bytes|mem\w*|cache\w*))?\s*:?=\s*(?=[^;\n]*(?:ctx|context|seq))"
            r"(?=[^;\n]*(?:layer|head|dim|model|embd))[^;\n]*\*[^;\n]*\*",
            3,
            "sized",
        ),
        # so many numbers of so many bytes
        code(
            r"(?:prod|numel|nelement)\w*\([^\n]{0,60}?\)[^\n]{0,40}?(?:itemsize|element_size|nbytes)|"
            r"(?:itemsize|element_size\(\)) \* ",
            2,
            "bytes",
        ),
        # what is called a cache is made as a tensor of positions and heads
        code(
            r"(?i)\bcache\s*[:=]\s*[\w:.<>]*(?:zeros|empty|full|alloc\w*)\([^;]{0,80}?"
            r"(?:heads?\w*[^;]{0,60}?(?:seq|ctx)|(?:seq|ctx)\w*[^;]{0,60}?(?:heads?|dim))",
            3,
            "sized",
        ),
        # a product of positions and heads, of which memory is then taken
        code(
            r"(?is)\b\w*(?:seq|ctx|context)\w*\s*\*[^;\n]{0,80}(?:head|layer|dim)\w*[^;\n]{0,40};.{0,300}?alloc\w*\(",
            3,
            "sized",
        ),
        # of the free blocks so many are reckoned off
        code(
            r"\b(?:free|avail\w*|remaining|left)_?\w*(?:blocks|pages)\w*\s*-=?\s*[\w.]*(?:blocks|pages|1)\b",
            4,
            "reckoned",
        ),
        # a product of layers or widths and positions, in any order, of which keys and values are made
        code(
            r"(?is)(?:\b(\w+)\s*:?=\s*|\()(?=[^;\n]{0,120}\b[\w.>-]*(?:ctx|context|seq_?len|max_?seq))"
            r"(?=[^;\n]{0,120}\b[\w.>-]*(?:layer|embd|embed|dim|head|hidden))[^;\n]*\*[^;\n]*[;\n].{0,700}?"
            r"\b(?:memory_|cache_)?k(?:eys?)?(?:_cache)?\b\s*[:=,][^;\n]*?.{0,200}?\b(?:memory_|cache_)?v(?:alues?)?(?:_cache)?\b\s*[:=),]",
            3,
            "sized",
        ),
        # the size of a cache's own allocation, written out
        code(
            r"(?i)alloc\w*\([^\n]*\b(?:k|key|kv)\w*_?cache[^\n]*\*[^\n]*(?:seq|sq|ctx|len)"
            r"|(?<!class )(?<!struct )\b(?:(?:k|keys?|kv)_?\w{0,12}cache\w*|(?:cache|memory)_k)(?:\s*[:=(]|\.push\()"
            r"(?=(?:[^;]|; ?\(){0,200}?(?:alloc|zeros|empty|new|tensor|vec!|make))"
            r"(?:[^;]|; ?\(){0,200}?"
            r"(?:(?:seq|ctx|context)\w*[^;]{0,80}?(?:dim|head|layer)|(?:dim|head|layer)\w*[^;]{0,80}?(?:seq|ctx|context))",
            3,
            "sized",
        ),
    ),
    needs=(
        "named|weak|sized|reckoned",
        "free|bytes|shape|reckoned",
        "kv|count|reckoned",
        "kv|shape|free|reckoned",
    ),
    leads="named",
    least=6.5,
    near={"kv_cache_structure": 1},
)
