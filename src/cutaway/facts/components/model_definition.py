# The network itself: embedding, a stack of blocks, a head.
"""The definition of the model."""

from cutaway.facts.concept import (
    Concept,
    about,
    base,
    code,
    has,
    keeps,
    kinds,
    name,
    owner,
    path,
    takes,
    uses,
)

MODEL = Concept(
    key="model_definition",
    looked_for="puts an embedding, blocks of attention and feed-forward, and a head together",
    kinds=kinds(types=1.0, callables=0.8),
    clues=(
        name(
            r"(?:\w+_)?for_causal_lm|causal_lm\w*|\w*causal_lm|transformer|gpt|llama|\w*transformer|"
            r"decoder_only\w*|language_model|text_model|model_for_causal_lm|\w+_lm|lm",
            4.5,
            "named",
        ),
        name(
            r"(?:llama|qwen\w*|mistral|gemma\w*|phi\w*|deep_?seek\w*|mixtral|olmo\w*|granite\w*|cohere\w*|baichuan\w*|internlm\w*|glm\w*|chatglm\w*)(?:_\w+)?|"
            r"model|\w+_model|transformer_block|decoder_layer|(?:build_)?llm\w*|decoder|build_graph|"
            r"llm_build_\w+|build_\w*llm\w*|build_(?:model|transformer|graph|net\w*)|forward|"
            "new_transformer",
            3,
            "named",
        ),
        name(
            "config|args|runner|loader|registry|manager|executor|worker|output|params|engine|info|"
            "type|options|card|server|state|mixin|test|tokenizer|attention|mlp|rotary|norm|"
            r"embedding|linear|router|experts?|moe|weights?|list|meta\w*|file|proto\w*|request|"
            r"download\w*|path|kind|request|parser|renderer|template|convert\w*|process\w*|vl|"
            r"eagle\w*|classification|reward|base|spec|parallel|pipeline|hparams|load|store|client|"
            r"sampling|multi_modal|context|get|adapter|draft\w*",
            -3.5,
        ),
        name(r"gguf|ggml|quantized|quant|gptq|awq|modelopt", -2),  # reads weights of a format
        owner(r"\w*(?:config|params|settings|options)", -5),
        name(r"async_\w+|offline_\w+|online_\w+", -3.5),  # ways of serving one
        uses(r"engine|llm_engine|async_engine|engine_args|event_loop", -4),  # stands in front of an engine
        name("config|hparams|hyper_?params|hyper_?parameters", -3),
        has(
            r"forward\w*|call|build|build_graph|generate|compute_logits|load_weights|"
            "embed_input_ids|setup_caches|get_input_embeddings|forward_embeds|from_pretrained",
            1.5,
        ),
        uses(
            r"embed_tokens|tok_embeddings?|token_embedding\w*|wte|tok_embd|embedding|embed|"
            "vocab_parallel_embedding|word_embeddings|embed_in|tok_embed|token_embd|embeddings?|"
            "build_inp_embd",
            2,
            "embeds",
        ),
        uses(
            r"lm_head|output|head|parallel_lm_head|output_norm|wcls|logits|compute_logits|logits_\w+",
            1.5,
            "heads",
        ),
        uses(
            "layers|blocks|n_layers?|num_hidden_layers|num_layers|module_list|make_layers|h|"
            "start_layer|n_layer",
            2,
            "stack",
        ),
        uses(
            r"decoder_layer|\w+_decoder_layer|transformer_block|block|layer|\w+_layer|decoder|"
            r"llama_model|\w+_block",
            1,
            "stack",
        ),
        keeps(
            r"encoder|decoder|backbone|transformer|^(?:(?:decoder|transformer|hidden)_)?(?:layers|blocks)$",
            1.5,
            "stack",
        ),
        keeps(r"lm_head|head|linear|output|ln(?:_\w+)?|norm", 1, "heads"),
        uses(
            "norm|rms_norm|ln_f|final_norm|norm_f|layer_norm|rmsnorm|build_norm|final_layernorm",
            1.2,
            "norm",
        ),
        uses(
            "attention|attn|self_attn|mlp|ffn|feed_forward|wq|wk|w_1|q_proj|build_attn|build_ffn",
            1,
            "attention",
        ),
        uses(
            r"^timesteps?$|num_(?:\w+_)?timesteps|timesteps?_(?:emb\w*|proj\w*)|t_emb|"
            r"guidance\w*|img\w*|latents?|vae|unet|denoise\w*|patchify\w*|noise\w*",
            -4,
        ),
        takes("input_ids|idx|tokens?|token_ids|positions|input_pos|pos|inp", 0.7),
        base(
            r"module|\w*causal_lm\w*|base_model|model|\w*model\w*|supports_\w+|normal_model|"
            r"base_llm_model|\w*transformer\w*",
            1,
        ),
        path(
            r"models?|modeling\w*|modelling\w*|transformer\w*|llama|qwen\w*|llm|gpt|run|networks?|"
            r"\w*_model",
            2,
        ),
        path("llama", 2),
        path(
            "mixture|vl|vision|mm|omni|audio|encoder|mtp|embedding|draft|eagle|parsers|renderers|"
            r"template\w*|imagegen|convert\w*|export\w*|server|loader\w*|openai",
            -3,
        ),
        about("transformer|decoder|language model|causal", 1),
        code(
            r"for \w+ in (?:self\.)?\w*(?:layers|blocks|\.h\b)|"
            r"for \(\s*\w+ \w+ = 0;[^;]*n?_?layers?|range \w+\.Layers|"
            r"for \(?i?,? ?\w+\)? in self\.(?:layers|blocks)|ModuleList\(",
            2,
            "stack",
        ),
        # a network of a native library, made of its sizes
        code(r"torch\.classes\.\w+\.\w+\(", 2, "wraps"),
        # a module around the network of a library
        code(
            r"(?s)\Aclass \w+\([^)]*Module\).{0,9000}?\b(?:AutoModel\w*|model_class|model_cls)\.from_pretrained\(",
            3,
            "wraps",
        ),
    ),
    needs=("named|wraps", "embeds|heads|wraps", "stack|wraps", "norm|attention|heads|wraps"),
    least=7.5,
)
