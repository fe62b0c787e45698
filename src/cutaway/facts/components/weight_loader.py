# How the weights get from files into the model.
"""The weight loader."""

from cutaway.facts.concept import Concept, about, base, code, has, kinds, name, owner, path, takes, uses

WEIGHT_LOADER = Concept(
    key="weight_loader",
    looked_for="reads weights from files into the model",
    kinds=kinds(types=0.95, callables=1.0),
    clues=(
        uses(r"read_\w+|read|open|reader|buf_?reader|seek|tell|read_exact", 1.2, "reads"),
        name(
            r"load_(?:\w+_)?(?:weights?|checkpoint|model|tensors?|state_dict|params|parameters|safetensors|gguf|all_data|hf_weights?)|"
            r"\w*_load_model|load_weights?_\w+|load_model\w*|read_(?:checkpoint|tensors?|weights?|model_file)|"
            r"build_transformer|memory_map_weights|weight_loader|\w+_weight_loader|"
            r"load_llm_net_weight|(?:from|load)_pretrained|load_from_\w+",
            4.5,
            "named",
        ),
        name(
            r"(?:\w+_)?(?:model|weights?|checkpoint|tensor|gguf|safetensors?)_?(?:loader|reader|iterator)\w*|"
            "weights|weights_loader|"
            r"(?:default|base|normal|hf|safetensors|gguf|auto_weights)_\w*loader|model_loader|"
            r"loader|var_builder\w*|safetensors_weights_iterator|mmaped_safe_?tensors|"
            r"\w*weights_iterator",
            5,
            "named",
        ),
        name(
            r"load|init_model|create_model|get_model|new_model|build_(?:\w+_)?model|new|open|init_weights|loads?|"
            r"convert_\w*checkpoint|setup_model|load_\w*",
            1.5,
            "weak",
        ),
        name(
            r"url|http|hub|test|configs?|args|lora|adapter\w*|tokenizer|dataset|data|audio|image\w*|video|"
            r"extension\w*|plugin\w*|kernels?|dummy|sharded_state|tensorizer|s_3|runai|remote|"
            r"bitsandbytes|download|save|metric\w*|unload|class|module|template|balanc\w*|info|"
            r"speculative|draft|media|vision|request|kv|offload|kv_?cache|cache\w*|processor|prompts?|"
            r"env|library|(?<!from_)file|disk|status|get_quant\w*|detect\w*|is|should|track\w*|eplb|diffus\w*|"
            "gguf_file|name|mapper|utils",
            -3,
        ),
        name(r"tokenizers?|prompts|rng|random", -3),
        name(r"from_(?:file|path|disk|mmap)", 4, "weak"),  # of the type that the file becomes
        name("load_from_state_dict", -4),  # a module's hook
        name(r"checkpoint(?:er|_manager|_engine|_io|_handler)", 3, "named"),
        # the state of what stands around the model
        owner(
            r"\w*config_?loader|\w*data_?loader\w*|\w*optim\w*|\w*schedulers?\w*|\w*dataset\w*|\w*sampler|\w*buffer|\w*metric\w*|\w+_cache|\w*callback|\w*eval",
            -5,
        ),
        owner(
            r"\w*loader\w*|\w*model|\w*_for_causal_lm|transformer|\w*runner|engine|\w*weights\w*|"
            r"\w*linear",
            1,
        ),
        has(r"(?:get|load|read)_tensors?", 2, "named"),  # it hands out what files hold by name
        has(
            r"load_weights?|load_model|get_tensor\w*|load\w*|read\w*|get_sharded|"
            r"get_partial_sharded|get_weights\w*|create_tensor\w*|init_mappings|load_all_data",
            1.5,
        ),
        uses(
            r"safe_open|gob|unpickle\w*|pickle|safetensors\w*|safe_tensors\w*|mmaped_safetensors|load_file|gguf\w*|"
            r"gguf_init_from_file|\w*load_model_from_file|\w*model_load_from\w*|load_state_dict|torch_load|get_tensor\w*|loaded_weight\w*|"
            r"state_dict|named_parameters|weights_iterator|get_all_weights|weight_loader\w*|"
            r"load_weights?\w*|mmap\w*|fread|get_parameter|weight_files|weight_map|"
            r"packed_modules_mapping|var_builder|shard_files|load_hf_weight\w*|^weights$|from_pretrained",
            3,
            "reads",
        ),
        uses("load_model|load_checkpoint", 1, "reads"),
        uses(r"weights?|param|params|param_data|tensors?|checkpoint\w*|name|names|prefix", 1, "weights"),
        uses(
            r"create_tensor\w*|tensor_set|tensor_buft\w*|set_weight\w*|register_parameter|assign_\w*weight\w*|load_data\w*",
            1.5,
            "weights",
        ),
        uses(
            r"copy_|narrow|glob|shard\w*|model_path|path|file|filename|dtype|device|assign|"
            "filenames|seek|offset|to_empty",
            1,
            "files",
        ),
        takes(
            r"weights?|loaded_weight|param|model_path|path|checkpoint\w*|checkpoint_path|model|"
            "filename|file_name|state_dict|reader|loader",
            0.8,
            "files",
        ),
        path(
            r"(?:model_|weight_)?loaders?|default_loader|weights?|weight_utils|checkpoint\w*|"
            r"model_loader|load\w*|safetensors|gguf\w*|model_file|hf_weight\w*|llm|run|generate|"
            "model",
            1.5,
        ),
        path(r"conver(?:t|sion)(?:_\w+)?|export(?:_\w+)?", -1.5),
        path(
            r"(?<=models/)\w+|models/\w+/\w+|export\w*|conver(?:t|sion)\w*|diffusion\w*|speech\w*|imagegen",
            -2,
        ),
        base(r"\w*loader\w*", 1),
        base(r"callbacks?|\w+_callback", -5),  # told of a training's events
        uses(
            r"save_pretrained|torch_save|save_file|upload_(?:file|folder|large)\w*|push_to_hub", -2
        ),  # writes them
        about(r"load\w*|weights?|checkpoint", 1),
        # a model's path handed to what builds it
        code(
            r"\b_?(?:build|create|make|load)\w*\([^()]{0,200}\bmodel_?(?:name|path|id)|"
            r"Model\w*(?:::|\.)(?:load|open|read|from|new)\w*\([^()]{0,80}\b(?:path|file)\b",
            1.5,
            "reads",
        ),
        code(
            r"safe_open\(|load_state_dict\(|torch\.load\(|\.copy_\(|gguf_init|MmapedSafetensors|"
            r"from_mmaped|\bmmap\(|fread\(|load_file\(|safetensors\.",
            2,
            "reads",
        ),
        # a model that is made from its files
        code(
            r"(?s)def __init__\(.{0,6000}?\b"
            r"(?:safe_open|torch\.load|\w*load_model_from_file|\w*model_load_from_file)\(",
            0.5,
            "opens",
        ),
        # or is filled with what a file held
        code(
            r"(?s)\b(?:torch\.load|safe_open|load_file|np\.load|mx\.load)\(.{0,2500}?\.load_(?:state_dict|weights|params\w*)\("
            r"|\bload_(?:model|weights|checkpoint|state_dict|parameters)\(\s*(?:self\.)?model\b"
            r"|\bmodel(?:, \w+)*\s*=\s*[\w.]*load_(?:model|checkpoint|pretrained)\w*\(",
            0.5,
            "fills",
        ),
        # a library makes it and fills it
        code(r"\b\w*[mM]odel\w*\s*=\s*\w*Model\w*\.from_pretrained\(", 4, "library"),
        # or takes its parts out of it
        code(
            r"(?s)def __init__\(.{0,2000}?\b(\w*(?:weights?|params|parameters|state_dict|checkpoint))\s*=\s*[\w.]*load\w*\("
            r".{0,2000}?\b\1(?:\.get\(|\[)",
            2.5,
            "fills",
        ),
    ),
    needs=("named|weak|opens|fills|library", "reads", "weights|files"),
    leads="named|weak|opens",
    through=True,
    least=6.5,
)
