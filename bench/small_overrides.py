"""Where shrinking by field names gives an invalid model: the values that make it valid, and why."""

from __future__ import annotations

from typing import Any


def each(names: tuple[str, ...], values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The same values for several model types."""
    return {name: dict(values) for name in names}


# Values for the constructor of the default config, before shrinking (by the auto map's key or `model_type`):
# defaults that are no valid model, or lists that are derived only when the config is made.
FIELD_VALUES: dict[str, dict[str, Any]] = {
    **{
        f"{name}_assistant": {
            "text_config": {
                "model_type": f"{name}_text",
                "hidden_size_per_layer_input": 0,
                "vocab_size_per_layer_input": 0,
            }
        }
        for name in ("gemma4", "gemma4_unified")
    },
    # what sees is left out by default
    **{name: {"vision_config": {"model_type": f"{name}_vision"}} for name in ("gemma4", "gemma4_unified")},
    "embedding_gemma2": {"vision_config": {"model_type": "gemma4_vision"}},
    # the head takes what every stage gives
    "uvdoc": {"backbone_config": {"model_type": "uvdoc_backbone", "out_indices": [1, 2, 3, 4, 5, 6]}},
    **each(("autoformer", "informer", "time_series_transformer"), {"prediction_length": 4}),
    # the neck takes four features, each half as large as the one before
    **each(
        ("pp_ocrv6_small_det", "pp_ocrv6_medium_det"),
        {
            "backbone_config": {
                "model_type": "pp_lcnet_v4",
                "block_configs": [
                    [[3, 96, 96, 1, True]],
                    [[3, 96, 96, 2, False]],
                    [[3, 96, 192, 2, True], [3, 192, 192, 1, False]],
                    [[3, 192, 384, 2, True]],
                ],
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            }
        },
    ),
}

ROPE = {"rope_type": "default", "rope_theta": 1e4}
MROPE_HALF_8 = (
    "qwen2_vl_text",
    "qwen2_5_vl_text",
    "qwen2_5_omni_text",
    "glm4v_text",
    "glm46v_text",
    "glm_image_text",
    "glm_ocr_text",
    "paddleocr_vl_text",
)

# Of each convolution of a block its kernel, stride and padding, which have no default.
LARGE_KERNELS = {
    "scale_factor_list": [1, 2, 4, 8],
    "kernel_list": [3, 2, 2],
    "intraclass_block_config": {
        "reduce_channel": [1, 1, 0],
        "return_channel": [1, 1, 0],
        **{
            f"{name}_{ratio}ratio": [[k * a + 1 - a, k * b + 1 - b], 1, [k // 2 * a, k // 2 * b]]
            for name, a, b in (
                ("vertical_long_to_small_conv", 1, 0),
                ("horizontal_small_to_long_conv", 0, 1),
                ("symmetric_conv_long", 1, 1),
            )
            for ratio, k in (("long", 7), ("mid", 5), ("short", 3))
        },
    },
}

# Values set after shrinking, by `model_type`, wherever the config occurs; a dict applies inside a sub-config.
CONFIG_OVERRIDES: dict[str, dict[str, Any]] = {
    # heads * head size of the state-space mixer must be expand * hidden_size
    "bamba": {"mamba_n_heads": 8, "attn_layer_indices": [2]},
    "granitemoehybrid": {"mamba_n_heads": 8, "layer_types": ["linear_attention", "full_attention"] * 2},
    "mamba2": {"num_heads": 8},
    # the list of layers is written in run-length form
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    # the rotary settings are kept per kind of layer, with no default
    "cohere_compass_text": {
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
        }
    },
    # no default number of experts, heads, head size or layer kinds
    "deepseek_v2": {"num_experts_per_tok": 2, "n_routed_experts": 8, "n_group": 2, "topk_group": 1},
    "dots1": {"n_routed_experts": 8, "num_experts_per_tok": 2, "n_group": 2, "n_shared_experts": 1},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "ministral": {"head_dim": 16},
    "nemotron": {"head_dim": 16, "num_key_value_heads": 2},
    "lfm2_moe": {"layer_types": ["conv", "conv", "full_attention", "conv"]},
    # the rotary part of a latent head is called head_dim
    "longcat_flash": {"head_dim": 8, "qk_head_dim": None},
    # the decoder's cache is made for `encoder_layers` layers
    "blenderbot": {"encoder_layers": 4, "decoder_layers": 4},
    "blt": {"encoder_hash_byte_group_vocab": 500, "num_hidden_layers": 4},
    **each(("blt_local_encoder", "blt_local_decoder"), {"hidden_size_global": 64}),
    "xmod": {"default_language": "en_XX"},
    # head sizes are rounded up to a multiple of 64
    "xlstm": {"num_heads": 2, "hidden_size": 256},
    # read from the released files, with no default
    "dbrx": {"attn_config": {"rope_theta": 1e4, "clip_qkv": 8.0}},
    # shared weights need two hybrid layers
    "zamba": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "num_hidden_layers": 4,
        "attention_hidden_size": 128,
    },
    # the last layers reuse the cache of the last one of their kind before them
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
        "intermediate_size": [96] * 4,
        "activation_sparsity_pattern": [0.95, 0.0, 0.0, 0.0],
    },
    # sizes of the global layers live in a per-layer table that is made from these
    **each(("gemma4_text", "gemma4_unified_text"), {"head_dim": 16, "global_head_dim": 32}),
    **each(
        ("gemma4_assistant", "gemma4_unified_assistant"),
        {
            "text_config": {
                "hidden_size_per_layer_input": 0,
                "vocab_size_per_layer_input": 0,
                "num_kv_shared_layers": 0,  # the assistant makes it all of them
            }
        },
    ),
    "dots3_note_text": {
        **{f"swa_{n}": 4 for n in ("num_attention_heads", "num_key_value_heads")},
        **{f"swa_{n}": 16 for n in ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "v_head_dim")},
        "swa_head_dim": 24,
        "num_key_value_heads": 4,
    },
    # the index attention is switched on by its sizes
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
        "indexer_budget": 8,
        "indexer_compress_ratio": 4,
    },
    # sections of the multimodal rotary embedding are an unwritten default for heads of 128
    **each(MROPE_HALF_8, {"rope_parameters": {**ROPE, "mrope_section": [2, 3, 3]}}),
    **each(
        ("glm4v_moe_text",),
        {"rope_parameters": {**ROPE, "partial_rotary_factor": 0.5, "mrope_section": [2, 1, 1]}},
    ),
    "hunyuan_vl_text": {"head_dim": 16, "rope_parameters": {**ROPE, "mrope_section": [2, 2, 2, 2]}},
    "ernie4_5_vl_moe_text": {"rope_parameters": {**ROPE, "mrope_section": [3, 3, 2]}},
    "step3p5": {"sliding_window": 8},
    "muse_glimmer_assistant": {"sliding_window": 64},  # blocks of noise are shorter than the window
    "layoutlmv3": {"coordinate_size": 10, "shape_size": 12},
    "lilt": {"hidden_size": 96, "num_attention_heads": 4},
    "esm": {"vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32},
    # no default map of image tokens, of layers, experts or kinds of layers
    "chameleon": {
        "vocabulary_map": {"<image>": 319, **{f"IMGIMG{c}Z": 300 + n for n, c in enumerate("ABCD")}},
        "vq_config": {"num_embeddings": 4},
    },
    **each(("minicpmv4_6", "minicpmv4_7", "minicpm_ocr"), {"image_token_id": 319}),
    # what the projector has a number of queries for; sizes of tiled images; layers that give features
    "aria": {"projector_patch_to_query_dict": {16: 8}},
    **each(
        ("llava_next", "llava_next_video", "llava_onevision"),
        {"image_grid_pinpoints": [[56, 112], [112, 56], [112, 112]]},
    ),
    "vipllava": {"vision_feature_layers": [-2, -3, -4]},
    # four pixels of the features are shuffled into one
    "llama4_vision_model": {
        "intermediate_size": 256,
        "projector_input_dim": 64,
        "projector_output_dim": 64,
        "vision_output_dim": 64,
    },
    "mllama_vision_model": {"vision_output_dim": 128},
    "diffusion_gemma_text": {"num_experts": 8, "top_k_experts": 2, "moe_intermediate_size": 32},
    "deepseek_ocr2_text": {
        "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
        "num_experts_per_tok": 2,
        "n_routed_experts": 8,
    },
    # all layers have all heads: the list per layer is derived from the released number of layers
    "sapiens2": {
        "num_key_value_heads_per_layer": [4, 2, 2, 4],
        "head_config": {"upsample_out_channels": [32, 32], "conv_out_channels": [32]},  # none by default
    },
    # layers of the tower that feed the layers of the language model
    "granite4_vision": {
        "downsample_rate": "4/8",
        "deepstack_layer_map": [[1, 0], [2, 1]],
        "spatial_target_layers": [0, 1, 2, 3],
        "image_grid_pinpoints": [[256, 512], [512, 256], [512, 512]],
        "vision_config": {"image_size": 256},
    },
    "emu3": {
        "vocabulary_map": {
            "<image>": 319, "<|extra_200|>": 318,
            **{f"<|visual token {n:06}|>": 290 + n for n in range(8)},
        }
    },
    "emu3_vqgan": {"base_channels": 32, "codebook_size": 8},
    # heads are at least 32 wide, as the rotary embedding is
    "clvp_encoder": {"num_attention_heads": 2},
    "clvp": {"speech_config": {"vocab_size": 320}},  # it reads what the decoder says
    # frames are compared with texts
    "xclip_vision_model": {"mit_hidden_size": 64, "mit_num_attention_heads": 4},
    **each(("pp_ocrv5_server_det", "pp_ocrv6_medium_det"), LARGE_KERNELS),
    "pp_ocrv6_small_det": {"layer_list_out_channels": [96, 96, 192, 384]},
    # levels of features, with none by default
    "lw_detr": {"projector_scale_factors": [1.0, 0.5]},
    "superglue": {"keypoint_detector_config": {"descriptor_decoder_dim": 64}},
    # acoustic and semantic features side by side
    **each(("xcodec2", "neucodec"), {"quantization_dim": 128, "encoder_hidden_size": 8}),
    "kosmos-2": {"latent_query_num": 8},
    # of each class, with no default
    "pp_doclayout_v2": {"class_thresholds": [0.5] * 2, "class_order": [0, 1]},
    # widths that one part divides of another's
    "fun_asr_nano_encoder": {"max_position_embeddings": 2049},
    "t5gemma2_encoder": {"text_config": {"dropout_rate": 0.0}, "mm_tokens_per_image": 4},
    "gemma3": {"mm_tokens_per_image": 4},
    "kimi_k25": {"projection_hidden_size": 64},
    **each(("muse_glimmer", "muse_spark"), {"out_hidden_size": 256, "projector_hidden_size": 64}),
    "seggpt": {
        "image_size": [64, 32],
        "pretrain_image_size": 32,
        "merge_index": 1,
        "intermediate_hidden_state_indices": [1, 2, 3],
    },
    "fun_asr_nano": {"adaptor_config": {"intermediate_size": 16}},
    "molmo2": {"adapter_config": {"vision_feature_layer": [2, 3]}},
    "dia_decoder": {"cross_hidden_size": 64},
    # chunks of text are compared by the number of them, which 512 positions have too few of
    "canine": {"max_position_embeddings": 4096},
    "moonshine_streaming": {"num_key_value_heads": 4},
    **each(("pocket_tts_flow_head", "gradium_phonon_tts_flow_head"), {"condition_dim": 64}),
    # groups of the upsampling convolution divide its channels
    **each(
        ("mimi", "mimi_decoder", "pocket_tts_audio_tokenizer", "pocket_tts_audio_tokenizer_decoder"),
        {"upsample_groups": 64},
    ),
    # the prompts' grid is that of the image
    **each(
        ("sam", "sam_hq"),
        {"prompt_encoder_config": {"image_size": 64, "image_embedding_size": 4, "hidden_size": 64}},
    ),
    "sam_hq_mask_decoder": {"vit_dim": 64},  # the width of the tower, whose layers it reads
    **each(("sam_vision_model", "sam_hq_vision_model"), {"output_channels": 64, "num_pos_feats": 32}),
    "sam3_tracker": {"vision_config": {"backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]]}},
    "sam3_tracker_prompt_encoder": {"image_size": 56, "hidden_size": 64},
    # patches of the image are images of the towers, and an image is a patch at least
    "depth_pro": {"patch_size": 56, "scaled_images_ratios": [1, 2, 4], "intermediate_hook_ids": [3, 1]},
    # what text and image are compared in, which the head takes to be as wide as the text
    **each(("owlvit", "owlv2"), {"projection_dim": 64}),
    # tokens that have no default, or one outside the vocabulary
    "shieldgemma2": {"yes_token_index": 298, "no_token_index": 299},
    **each(("blip-2", "instructblip"), {"image_token_index": 299}),
    "instructblipvideo": {"video_token_index": 299},
    # what a decoder begins with, which the heads that repeat the words of the encoder ask for
    "t5": {"decoder_start_token_id": 0},
    # sizes by names of their own, at which a real run takes minutes
    **each(("flaubert", "xlm"), {"emb_dim": 64}),
    "vjepa2": {"crop_size": 64, "frames_per_clip": 8, "pred_hidden_size": 64, "pred_num_hidden_layers": 2},
    "timesfm2_5": {"context_length": 512},
    # the width of the text, which its head reads
    "jev": {"hidden_size": 64},
    # what compares texts with images reads texts
    "blip_2_qformer": {"use_qformer_text_input": True},
    # sizes that the class reads and the config does not have
    "qwen3_omni_moe_talker_text": {"shared_expert_intermediate_size": 32},
    "qwen3_omni_moe": {"talker_config": {"spatial_merge_size": 2}},
    # one is added to a list, the other is the width of the backbone
    "vitmatte": {"fusion_hidden_sizes": [256, 128, 64, 32], "hidden_size": 64},
    # the backbone adds a list to it
    **each(("convnext", "convnextv2"), {"hidden_sizes": [96, 192, 384, 768]}),
    "focalnet": {"hidden_sizes": [192, 384, 768, 768]},
    **each(("depth_anything", "prompt_depth_anything"), {"reassemble_hidden_size": 64}),  # the width of the backbone
    # a decoder to pretrain with, which has no default
    "hiera": {"decoder_hidden_size": 64, "decoder_depth": 2, "decoder_num_heads": 4},
    "dots3_note_vision_encoder": {"adapter_in_dim": 64, "adapter_out_dim": 64},
    "dots3_note_audio_encoder": {"adapter_input_size": 64, "adapter_out_dim": 64},
    "dia_encoder": {"vocab_size": 320},  # its tokens are drawn as the decoder's are
    **each(("slanet", "slanext"), {"max_text_length": 8}),  # turns of a loop
    "autoformer": {"label_length": 2},  # of a context of four
    # fewer positions than the longest sequence of the runs
    **each(("owlvit_text_model", "owlv2_text_model"), {"max_position_embeddings": 64}),
    # the segmentation heads want four feature maps
    **each(("beit", "data2vec-vision"), {"out_indices": [1, 2, 3, 4]}),
    "reformer": {"axial_pos_embds_dim": (16, 48), "axial_pos_shape": (16, 32)},
}
