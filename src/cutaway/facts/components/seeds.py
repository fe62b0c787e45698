# What makes two runs equal: seeds, generators per request, kernels whose result does not depend on the batch.
"""Seeds and determinism."""

from cutaway.facts.concept import Concept, about, code, keeps, kinds, name, owner, path, takes, uses

SEEDS = Concept(
    key="seeds_determinism",
    looked_for="seeds the generator of random numbers that sampling draws from",
    kinds=kinds(types=0.75, callables=1.0, values=0.9),
    clues=(
        name(
            r"(?:set|init|initialize|fix|reset|get|build|create|make|apply|update|manual)_(?:\w+_)?(?:random_)?seeds?\w*|"
            r"seed|seed_\w+|manual_seed\w*|set_seed\w*|with_seed|seeds|get_rng_seed|random_seed|rand_seed|"
            "set_global_seed",
            4.5,
            "named",
        ),
        name(
            r"sampler|sampling|sampling_states?|sample|random_sample|gumbel_sample|\w*sampler\w*|"
            r"^generator$|build_sampler|new_sampler|llama_sampler_init_dist",
            3,
            "named",
        ),
        name(r"(?:\w+_)?p?rng(?:_\w+)?|xorshift\w*|random_\w*", 3.5, "rng"),
        name(r"(?:create|make|build|new|init)_(?:\w+_)?logits_processor", 2, "maker"),
        name(
            "main|run|generate|init_device|update_states|from_pb|engine|init|init_model|"
            r"add_request|main_\w+|__main__|worker",
            1,
            "weak",
        ),
        name(
            r"test|dataset|data\w*|bench\w*|hash\w*|metric\w*|config|args|param|audio|noise|noisy|latents?|image|"
            "shuffle|split|port|uuid|id|dropout|kernel|weights?|dummy",
            -3,
        ),
        owner(
            r"\w*sampler\w*|\w*sampling\w*|\w*runner|worker|platform|heterogeneous_sampling|"
            r"\w*chooser",
            1.2,
        ),
        name("picker|router|balancer|backoff|jitter", -4),  # chance decides who serves, or when
        owner(r"\w*dataset\w*|\w*loader\w*|\w*iterator\w*|(?:distributed|batch)_\w*sampler", -6),
        keeps("seed|rng_seed|random_seed", 4, "rng"),
        uses(
            r"manual_seed\w*|cuda_manual_seed\w*|seed_all|set_random_seed|seed_everything|set_seed|"
            "seed_from_u_64|srand|mt_19937|new_rand|new_pcg|std_rng|isaac_64_rng|isaac_rng|"
            r"small_rng|chacha\w*|set_rng_state|get_\w*rng_seed|default_rng|prng_key|new_source|"
            r"random_seed|xorshift\w*|rng_seed|rng_state",
            4,
            "seeds",
        ),
        uses(r"seeds?|seed_\w*|\w*_seed", 2, "seed"),
        uses(r"generators?|rng|philox\w*|random_state|random|rand", 1.5, "rng"),
        uses(r"use_deterministic_algorithms|deterministic\w*|batch_invariant\w*|cudnn", 1.2),
        uses(r"temperatures?|top_?p|top_?k|multinomial|sampling_params|sample\w*|sampler", 1, "samples"),
        takes("seeds?|generators?|rng", 1.5, "seed"),
        path(r"sampl\w*|seed\w*|random|rng|generate|sample|train|run", 1.2, "place"),
        uses("num_replicas|drop_last|set_epoch", -10),  # the order of a data set
        path(r"data\w*|\w*dataloader\w*|calib\w*|bench\w*", -5),
        # what cannot be foretold is asked of the system
        uses(
            r"get_?random|get_?entropy|(?:os|sys)_?(?:rng|random|entropy)|fill_(?:\w+_)?(?:random|secure)|rand_bytes|arc_4_?random\w*|secure_random",
            3,
            "seeds",
        ),
        about(r"(?:pseudo-?)?random[ -]number\w*", 2.5, "rng"),
        about(r"seeds?|determinis\w*|reproducib\w*", 1.5, "seed"),
        code(
            r"(?i)manual_seed|seed_from_u64|mt19937|srand\(|\.seed\(|NewPCG|rand\.New|set_seed|"
            r"rng\.seed|NewSource|rng_seed|(?<!\w)Generator\(",
            2.5,
            "seeds",
        ),
        code(
            r"(?i)nanos\b|time_ns|UnixNano|random_device|from_entropy|from_os_rng", 1.5, "seeds"
        ),  # chosen anew
        code(r"(?i)(?:sampl\w*|logits_?processor\w*|rng|random)(?:::|\.|\()[^\n]*\bseed\b", 2.5, "seeds"),
    ),
    needs=("seeds|rng", "seed|seeds"),
    leads="named|seed",  # over who draws without being told how
    least=6.5,
    near={"sampler": 1.5},
)
