# The loop of a program that only trains: asked for where nothing serves, since then this is the loop that the program lives in.
"""The loop over training steps."""

from cutaway.facts.concept import Concept, code, kinds, name, owner, path, takes, uses

# What a step of learning is, by any of its calls.
_LEARNS = r"(?:\.backward\(|\boptimi[sz]er\w*\.step\(|\w*train\w*_(?:step|batch)\w*\(|\.train_step\w*\(|\.training_step\w*\()"

TRAINING_LOOP = Concept(
    key="training_loop",
    looked_for="trains the model step by step",
    kinds=kinds(types=0.5, callables=1.0, values=0.9),
    clues=(
        name(
            r"train|training|fit|(?:\w+_)?train(?:ing)?_loop|pre_?train|fine_?tune|train_(?:epoch|model|one_epoch)|"
            "run_training|do_train",
            3,
            "named",
        ),
        name(r"(?:train|training|optimi[sz]er)_step|train_batch", 2, "named"),
        name("main|run|launch", 1),
        name(
            r"config|args|state|callback\w*|log\w*|dataset\w*|loader\w*|test\w*|eval\w*|valid\w*|plot|tokenizer\w*|save|load|"
            r"setup|init\w*|build|create|get|data|should|is|metrics?|schedul\w*",
            -3,
        ),
        owner(r"\w*trainer", 2),
        takes(r"optimizer|train_(?:data)?loader|\w*dataloader|fabric|accelerator", 1),
        uses(
            r"optimizer|zero_grad|backward|loss|lr_scheduler|grad_norm|clip_grad_norm_?|value_and_grad|apply_gradients",
            2,
            "learns",
        ),
        uses(
            r"epochs?|max_steps|train_loader|\w*dataloader|global_step|grad(?:ient)?_accum\w*|train_iters|total_steps",
            1.5,
        ),
        path(r"train\w*|pre_?train\w*|fine_?tune\w*", 1.5),
        code(_LEARNS, 1.5, "learns"),
        code(r"(?:\bwhile\b|\bfor\b)[^\n]*:\n(?:[^\n]*\n){0,60}?[^\n]*" + _LEARNS, 4, "loops"),
    ),
    needs=("learns", "loops"),
    least=6,
)
