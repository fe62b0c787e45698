# Where the tokens of several requests become one step: continuous batching and the cutting of long prompts.
"""Batching and chunked prefill."""

from cutaway.facts.concept import Concept, about, code, kinds, name, owner, path, takes, uses

# A prompt is consumed step by step: up to its end; what is left grows less by as much as the place moves on; or as much as is
# left, but no more than one step may have, and the place moves on by that.
_CONSUMED = (
    r"(?s)while \w*(?:begin|start|pos|offset|processed)\w* < \w*(?:len|seq|tokens|prompt)\w*"
    r"|\bfor ?\([^{\n]*\b\w+ \+= (?P<on>\w+)\b[^{\n]*-= (?P=on)\b"
    r"|\bfor ?\([^{\n]*-= (?P<off>\w+)\b[^{\n]*\+= (?P=off)\b"
    r"|\b(?:for|while|loop)\b(?:(?!\n\}).){0,1200}?"
    r"\b(?P<step>\w+) ?:?= ?(?:[\w:.]*\bmin\w*(?:<\w+>)?\(|(?P<left>\w+) <=? [^?;]{1,60}\?\s*(?P=left)\b)"
    r"(?:(?!\n\}).){0,1500}?\b\w*(?:pos|past|offset|start|begin|cur|done|processed)\w* \+= (?P=step)\b"
)

# Texts are taken so many at a time, and each lot is handed out as one tensor.
_PADDED = (
    r"(?s)\bfor [^\n]*\b(?:chunks|chunked|batched|batches|islice|split|range)\w*\([^\n]*(?:size|batch|chunk)\w*[^\n]*:\n"
    r"(?:(?!\n *(?:async )?def ).){0,1600}?\b\w*(?:tokenizer|tokenize|encode_batch|batch_encode\w*)\("
    r"(?:(?!\n *def ).){0,400}?\bpadding=(?:(?!\n *def ).){0,600}?\byield\b"
)

BATCHING = Concept(
    key="batching_or_chunked_prefill",
    looked_for="puts tokens of several requests into one step, or cuts a long prompt into chunks",
    kinds=kinds(types=0.7, callables=1.0, device=False),
    clues=(
        name(r"batch_generator|batch_generate|make_batch|merge_batch\w*|\w*_prompt_batch", 3, "named"),
        name(r"prefill|prefill_\w+", 3, "named"),
        name(r"schedule|schedule_\w+|\w*_schedule", 4, "named"),
        name(
            r"(?:get_|form_|build_|make_|fill_|try_)?(?:next|new|prefill|decode)_batch\w*|"
            r"(?:build|form|assemble|fill)_batch\w*|next_batch\w*|(?:schedule_)?next_batch|batching_task|update_slots|"
            r"create_batch|concatenate|batch_\w*prefill|chunked_prefill|make_chunk\w*|"
            r"prefill_chunk\w*|re_?batch\w*|batch_reader|(?:batch|pack)_(?:prompts?|requests?|seqs|sequences)",
            4,
            "named",
        ),
        name(
            r"prepare_(?:inputs?|prefill|decode|batch|model_input)\w*|pack\w*|input_batch|"
            r"batch_builder|schedule_batch|prefill_(?:adder|manager)|\w*ubatch\w*|"
            "split_(?:equal|simple|seq)|batch_allocr?",
            3,
            "named",
        ),
        name(
            r"config|args|stats|metric|masks?|loss|norm|data_?loader|sampler|graph|capture|dummy|test|log_?sum\w*|log_?probs?|softmax|"
            r"embed\w*|micro|train|gradient",
            -5,
        ),
        name(r"^_?(?:can|is|has|should)_\w+|\w+_(?:allowed|supported)$", -4),  # asks, and forms none
        name(r"inference_step|\w*_chunk_(?:length|size)\w*|feed_prompt|prefill", 1.5),
        owner(r"scheduler|batcher|prefill\w*|model_runner|queue|router|engine|server\w*", 1.5),
        owner(r"batch_\w*generator|\w*batcher|batch_(?:scheduler|manager|engine)", 0.5, "named"),
        uses(
            r"max_num_batched_tokens|num_batched_tokens|\w*token_budget|\w*_budget|"
            r"max_batch_\w*tokens|max_prefill_tokens|n_batch|batch_size|num_batch|n_ubatch|"
            r"max_batch\w*|batch_max\w*|prefill_token_budget|max_elements",
            2,
            "budget",
        ),
        uses(
            r"chunk\w*|chunked_\w+|\w*chunk_size|long_prefill_token_threshold|prefill_step_size|"
            r"truncate\w*|n_tokens_\w+",
            2,
            "chunk",
        ),
        uses(
            r"num_scheduled_tokens|num_new_tokens|num_computed_tokens|extend_len\w*|remaining\w*|"
            r"num_cached_tokens|cached_len|cu_seqlens\w*|cu_seq_len\w*|cumulative_seq\w*|query_start_loc|n_past|num_tokens",
            1.5,
            "tokens",
        ),
        uses(r"prefill\w*|is_prefill|extend", 1, "prefill"),
        uses(r"waiting\w*|pending\w*|queue|running\w*|slots", 1, "queue"),
        uses("seqs?|sequences|reqs?|requests|batch|batches|entries", 1, "requests"),
        uses("optimizer|backward|dataset|dataloader|epochs?", -6),
        takes("waiting|running|seqs|requests|reqs|batch|budget", 0.5),
        path(r"scheduler|sched|batch\w*|prefill|queue|model_runner|infer_batch", 1.5),
        about(r"chunk\w*|batch\w*|prefill", 1),
        code(r"min\([^()\n]*(?:budget|remaining|chunk|max_|n_batch|batch)", 1.5, "chunk"),
        # what is taken in is summed up and held against what one batch may have
        code(
            r"(?i)(?:tokens|len|length|size|count)\w{0,12}(?:\(\))?(?:\s*\+[^\n<>]{0,60})?\s*[<>]=?\s*\*?[\w.]{0,40}?"
            r"(?:max_?\w{0,12}batch|batch_?max|token_?budget)",
            4,
            "chunked",
        ),
        # a prompt cut into chunks that are run one after another
        code(
            r"range\(0,[^)\n]*(?:seq|tok|len|prompt|inp)\w*[^)\n]*chunk\w*\)|"
            r"range\(0, ?(?:len\()?[\w.]*(?:seq|tok|prompt|inp)\w*\)?, ?[\w.]*(?:chunk|n_batch|batch_size|step_size)"
            r"\w*\)|\.chunks\([^)\n]*batch",
            4.5,
            "chunked",
        ),
        code(_CONSUMED, 5.5, "chunked"),
        code(_PADDED, 4.5, "chunked"),
        # all that waits on a channel is taken into one
        code(
            r"(?s)recv\w*\(.{0,160}?(?:(\w+)\.(?:push|append)\w*\(|(\w+)\(&mut ).{0,240}?"
            r"(?:drain\(|try_recv\(|get_nowait\(|\.empty\(\)).{0,160}?(?:\1\.(?:push|append)\w*\(|\2\(&mut )",
            4.5,
            "chunked",
        ),
    ),
    needs=("named|chunked", "budget|chunk|tokens", "requests|queue"),
    least=8,
    near={"scheduler": 4},
)
