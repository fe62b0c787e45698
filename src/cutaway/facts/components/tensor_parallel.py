# What splits the model over devices and sums the parts up again.
"""Communication of tensor parallelism."""

from cutaway.facts.concept import Concept, about, base, code, has, kinds, name, owner, path, uses

TENSOR_PARALLEL = Concept(
    key="tensor_parallel_comm",
    looked_for="splits weights over devices and sums or gathers their results",
    kinds=kinds(types=1.0, callables=0.9),
    clues=(
        uses(r"shard_linear|shard_inplace|sharded_to_all\w*|all_to_sharded\w*|all_sum", 3, "collective"),
        name(
            r"(?:tensor_(?:model_)?parallel|tp)_\w*|(?:make|apply|setup|init|enable)_tensor_parallel\w*|apply_tp\w*|\w*_tp|(?:custom_)?all_?reduce\w*|"
            r"all_?gather\w*|reduce_all|gather_all|\w*all_?reduce\w*|sum_all_\w+|reduce_scatter\w*|sync_\w*slices?\w*",
            4,
            "collective",
        ),
        name(
            r"group_coordinator|(?:py)?nccl_?(?:comm\w*|impl|backend)?|comm|communicator|"
            r"distributed_(?:communicator|impl|comm)|\w*communicator\w*|comm_\w+|process_group|"
            r"nn_network\w*|network|distributed_impl|torch_distributed\w*|py_nccl_\w*|pynccl\w*|"
            r"sync_\w*slices?\w*|nn_\w*slice\w*|init_process_group|initialize_\w*parallel\w*|"
            r"(?:init|initiali[sz]e|set_?up)_(?:\w+_)?distributed\w*|\w*init_dist\w*|world|\w*slicer",
            3.5,
            "named",
        ),
        name(
            r"row_parallel\w*|column_parallel\w*|tensor_parallel\w*|\w*row_linear|\w*column_linear|"
            r"row_\w*linear\w*|shard\w*|ring_\w*|\w*parallel_layer|vocab_parallel\w*|"
            r"merged_column\w*",
            3.5,
            "named",
        ),
        name(
            r"config|args|test|metric\w*|quant\w*|lora|weights?|loader|load|moe|expert\w*|ep|pp|"
            "pipeline|dp|data_parallel|ddp|cp|context_parallel|sequence_parallel|kv|connector|"
            r"transfer|rank|size|is|get_rank|bench\w*|error|message|socket|info|id|mixin|kernel|"
            r"fused|fusion|spec|eplb|quick|symm\w*|flashinfer|elastic|stateless|mla|nixl|ray|split",
            -2.5,
        ),
        # memory in which each device holds some rows of a matrix
        name(r"\w*split_buffer\w*|\w*tensor_split\w*|row_split\w*", 6, "named"),
        has(
            r"all_reduce\w*|all_gather\w*|broadcast\w*|reduce_scatter\w*|sum_all_reduce|send|recv|"
            r"sync(?!hron)\w*|read\w*|write\w*",
            2.5,
            "collective",
        ),
        code(r"\b[tT]ensor_?[pP]arallel\w*\(", 4, "collective"),
        has("forward|apply|call", 0.5),
        name("^tensor$", -4),  # it is what is sent, and broadcasts shapes
        name("main", -2.5),  # a program, in which ranks meet for something
        uses(
            r"all_reduce\w*|sum_all_reduce|allreduce|all_gather(?!_obj)\w*|reduce_scatter\w*|"
            r"nccl_all_reduce|nccl_\w+|all_gather_into_tensor|tensor_model_parallel_all_\w+|funcol|"
            r"psum|psum_scatter|pmean|reduce_from\w*|broadcast(?:_(?:tensor|object|coalesced|from|recv|send)\w*|(?!_))|sync_\w*slices\w*",
            3,
            "collective",
        ),
        uses(
            "init_process_group|process_group|new_group|nccl|gloo|dist|distributed|process_groups?|"
            r"device_group|get_world_size|comm|communicator|nccl_comm\w*|group|ring\w*|mpi\w*",
            1.5,
            "group",
        ),
        uses(
            "world_size|tp_size|tp_rank|tensor_parallel_size|tp_world_size|n_nodes|num_shards?|"
            "local_rank|rank|n_workers|axis_names?",
            2,
            "ranks",
        ),
        code(r"[\"'](?:WORLD_SIZE|LOCAL_RANK|RANK)[\"']", 2, "ranks"),
        # a plan that says of each layer how it is split
        uses(r"col(?:umn)?_?wise_parallel|row_?wise_parallel|parallelize_module", 3, "collective"),
        # a library's groups are made
        uses(r"(?:initialize|init)_model_parallel|model_parallel_is_initialized", 3, "collective"),
        # rows of a matrix dealt out to devices that copy them to each other
        uses(
            r"peer_async|memcpy_\w*peer\w*|peer_access|tensor_split\w*|split_buffer\w*|shard_and_scatter",
            3,
            "collective",
        ),
        uses(r"device_count|n_devices|main_device|row_low|row_high|num_devices", 1.5, "ranks"),
        uses(r"weight|linear|in_features|input_size_per_partition|shard\w*|chunk|split|slice\w*", 0.7),
        # whole weights go from a trainer to those who serve them
        uses(
            r"\w*trainer|param(?:eter)?_server|sync_(?:model_)?weights?\w*|update_(?:\w+_)?weights?\w*", -2.5
        ),
        uses(r"ddp|distributed_data_parallel|optimizer|backward|fsdp\w*", -3),
        uses(r"pipeline_(?:rank|size|layers)|recv_like", -3),  # whole layers are dealt out
        name(r"\w*optim|\w*optimizer", -4),  # what it sums are gradients
        uses(r"clip_grad\w*|clipping|grad_norm\w*|max_grad_norm\w*", -2),
        path(
            r"tp|tensor_parallel\w*|parallel_state|communication_op|distributed|linear|comm|"
            r"device_communicators|nn_network|nccl|pynccl|dist\w*|network|layers|parallel\w*|"
            "dist_utils|communication",
            1.8,
        ),
        path(r"quant\w*|gptq\w*|awq\w*", -2),
        base(r"module|linear\w*|\w*communicator\w*|distributed_impl|comm\w*", 0.3),
        owner(r"\w*coordinator\w*|\w*communicator\w*|\w*parallel_linear|\w*comm\w*", 0.8),
        about(r"tensor[ -](?:model[ -])?parallel\w*|all-?reduce|collective", 1),
        code(
            r"(?i)all_?reduce\w*\(|all_?gather(?!_obj)\w*\(|ncclAllReduce|AllReduce|reduce_scatter\w*\(|"
            r"\binit_(?:process_group|distributed)\w*\(\s*\w",
            1.5,
            "collective",
        ),
    ),
    needs=("named|collective", "collective|group", "ranks|collective"),
    least=8,
)
