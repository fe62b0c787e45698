# What multiplies by weights, and in which precision.
"""GEMM and quantisation backends."""

from cutaway.facts.concept import Concept, about, base, code, has, kinds, name, owner, path, takes, uses

GEMM = Concept(
    key="gemm_or_quant_backend",
    looked_for="multiplies by weights of its own layout, or quantises them",
    kinds=kinds(types=1.0, callables=0.9),
    clues=(
        name(
            r"quant(?:ization|ize|ized|isation)?_?(?:config|method|methods?|base|type|handler|linear|scheme)\w*|"
            r"quant_method\w*|quantize_method\w*|quantized_\w+|get_quantization_config|"
            r"linear_method\w*",
            4.5,
            "named",
        ),
        name(
            r"\w*linear|linear_\w+|linear|\w*parallel_linear|linear_base|lin|\w*mat_?mul\w*|matmul|\w*mul_mat\w*|"
            r"\w*gemm(?!a)\w*|quantize\w*|\w*qlinear|weight_only\w*|unquantized_\w+|"
            r"(?:fp_8|int_8|int_4|awq|gptq|marlin|gguf|q_4_0|q_8_0|mx_fp_4|nv_fp_4)\w*",
            3.5,
            "named",
        ),
        # which layer multiplies is chosen there
        name(r"(?:build|make|create|get)_(?:\w+_)?(?:fc|linear|dense|gemm)(?:_layers?|_module)?", 4, "makes"),
        name(r"(?:de)?compress\w*|\w+_compress(?:ed|or)?\w*", 2.5),
        name(r"\w*mul_mat|mul_mat\w*|matmul\w*|\w*_mat_?mul|\w*matrix_mul\w*", 4, "matmul"),
        name(
            r"router|gate|type|types|to_string|op|dequantizer|quantizer|test|kv_?cache|cache|moe|expert\w*|"
            r"attention|attn|weight_loader|norm|rope|embed\w*|head|schedule|scheduler|interpolat\w*|"
            r"non_linear|lr|regression|activation|load\w*|unpack|pack|repack|scale|scales|dtype|"
            r"tune|autotune|bench\w*|info|get_name|is|process|file\w*|grad|cpu\w*|vec_dot\w*|block_\w+",
            -2.5,
        ),
        name(r"(?:row|col(?:umn)?)_?wise_linear", -1),  # of a layer that is split over devices
        has(r"forward|apply|call|matmul|forward_\w*|mm|apply_weights|quant_matmul", 1),
        has(
            "create_weights|process_weights_after_loading|get_quant_method|get_linear_method|"
            r"from_config|get_min_capability|quantize\w*|dequantize\w*|weight_loader|"
            "create_quantized_state_dict|dequantize_w|begin_track_stats|gather_forward|"
            "create_weight",
            1.5,
            "weights",
        ),
        uses(
            r"linear|matmul|mm|addmm|bmm|einsum|scaled_mm|dot|mul_mat|ggml_mul_mat|gemm(?!a)\w*|"
            r"\w*_gemm\w*|gemv|\w*matmul\w*|matrix_mul\w*|cublas\w*|mulmat|q_matmul|cblas_\w+",
            2,
            "multiplies",
        ),
        uses(r"weights?|qweight|weight_scale\w*|w|w_q|weight_\w+", 1.2, "weights"),
        uses(
            r"scales?|zeros?|zero_point\w*|qzeros|group_size|group_?size|bits|quant\w*|quantize\w*|"
            r"int_8|int_4|fp_8|q_8_0|q_4_0|scales_and_zeros|dequant\w*|dequantize\w*|isq|bnb|"
            r"gguf\w*|awq|gptq|hqq",
            2,
            "quant",
        ),
        uses("in_features|out_features|input_size|output_size|bias|in_dim|out_dim", 1, "shape"),
        takes(
            "weight|in_features|out_features|input_size|output_size|w|x|scales?|quant_config|bits|"
            "group_?size",
            0.7,
        ),
        name(r"online|offline", -1),  # when weights become narrow, one way among several
        owner(r"\w*linear\w*|quant\w*", 0.6),
        path(r"quant(?:ization|ize|s|ized|isation)?|quantizations?", 1.5),
        path(
            r"quant(?:ization|ize|s|ized|isation)?|quantizations?|linear|gemm|matmul|quant\w*|nn|"
            r"layers|funcs|qlinear|\w*linear",
            2,
        ),
        base(r"\w*linear\w*|module|quant\w*|\w*quantize_method\w*", 0.8),
        about(r"quantiz\w*|linear|gemm|matmul", 1),
        code(
            r"(?:\bF|functional)\.linear\(|@\s*\w+\.T|torch\._\w*mm\w*|mul_mat\(|\+=\s*w\[|\bmatmul\(|gemm\w*\(|"
            r"\* ?w\[",
            1.5,
            "multiplies",
        ),
        # numbers brought into the range of small integers by a scale
        code(r"(?s)\b(?:clamp|clip|round|rint)\w*\(.{0,300}?\bu?int_?(?:8|4)\b", 4, "named"),
    ),
    needs=("named|matmul|makes", "multiplies|quant|makes", "weights|quant|shape|matmul"),
    least=6.5,
)
