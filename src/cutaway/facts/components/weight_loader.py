# How the weights get from files into the model.
"""The weight loader."""

from cutaway.facts.concept import Concept, about, base, code, has, kinds, name, owner, path, takes, uses

WEIGHT_LOADER = Concept(
    key="weight_loader",
    looked_for="reads weights from files into the model",
    kinds=kinds(types=0.95, callables=1.0),
    clues=(
        name("load_(?:\\w+_)?(?:weights?|checkpoint|model|tensors?|state_dict|params|safetensors|gguf|all_data|hf_weights?)|\\w*_load_model|load_weights?_\\w+|load_model\\w*|read_(?:checkpoint|tensors?|weights?)|build_transformer|memory_map_weights|weight_loader|\\w+_weight_loader|load_llm_net_weight|from_pretrained|load_from_\\w+", 4.5, "named"),
        name("(?:\\w+_)?(?:model|weights?|checkpoint|tensor|gguf|safetensors?)_?(?:loader|reader|iterator)\\w*|weights|(?:default|base|normal|hf|safetensors|gguf|auto_weights)_\\w*loader|model_loader|loader|var_builder\\w*|safetensors_weights_iterator|mmaped_safe_?tensors|\\w*weights_iterator", 4, "named"),
        name("load|init_model|create_model|get_model|new_model|new|open|init_weights|loads?|convert_\\w*checkpoint|setup_model|load_\\w*", 1.5, "weak"),
        name("test|config|args|lora|adapter\\w*|tokenizer|dataset|data|audio|image\\w*|video|extension\\w*|plugin\\w*|kernels?|dummy|sharded_state|tensorizer|s_3|runai|remote|bitsandbytes|download|save|metric\\w*|unload|class|module|template|balanc\\w*|info|speculative|draft|media|vision|request|kv|offload|kv_?cache|cache\\w*|processor|prompt|env|library|file|status|get_quant\\w*|detect\\w*|is|should|track\\w*|eplb|diffus\\w*|gguf_file|name|mapper|utils", -3),
        owner("\\w*loader\\w*|\\w*model|\\w*_for_causal_lm|transformer|\\w*runner|engine|\\w*weights\\w*|\\w*linear", 1),
        has("load_weights?|load_model|get_tensor\\w*|load\\w*|read\\w*|get_sharded|get_partial_sharded|get_weights\\w*|create_tensor\\w*|init_mappings|load_all_data", 1.5),
        uses("safe_open|safetensors\\w*|safe_tensors\\w*|mmaped_safetensors|load_file|gguf\\w*|gguf_init_from_file|load_state_dict|torch_load|get_tensor\\w*|loaded_weight\\w*|state_dict|named_parameters|weights_iterator|get_all_weights|weight_loader\\w*|load_weights?\\w*|mmap\\w*|fread|get_parameter|weight_files|weight_map|packed_modules_mapping|var_builder|shard_files|load_hf_weight\\w*|weights", 3, "reads"),
        uses("weights?|param|params|param_data|tensors?|checkpoint\\w*|name|names|prefix", 1, "weights"),
        uses("copy_|narrow|glob|shard\\w*|model_path|path|file|filename|dtype|device|assign|filenames|seek|offset|to_empty", 1, "files"),
        takes("weights?|loaded_weight|param|model_path|path|checkpoint\\w*|checkpoint_path|model|filename|file_name|state_dict|reader|loader", 0.8, "files"),
        path("(?:model_|weight_)?loaders?|weights?|weight_utils|checkpoint\\w*|model_loader|load\\w*|safetensors|gguf\\w*|model_file|hf_weight\\w*|llm|run|generate|model", 1.5),
        base("\\w*loader\\w*", 1),
        about("load\\w*|weights?|checkpoint", 1),
        code(r"safe_open\(|load_state_dict\(|torch\.load\(|\.copy_\(|gguf_init|MmapedSafetensors|from_mmaped|\bmmap\(|fread\(|load_file\(|safetensors\.", 2, "reads"),
    ),
    needs=("named|weak", "reads", "weights|files"),
    least=9,
)
