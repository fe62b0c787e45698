# What happens when memory runs out in mid-flight: a running request gives up its place and waits again.
"""Preemption."""

from cutaway.facts.concept import Concept, about, code, kinds, name, owner, path, uses

PREEMPTION = Concept(
    key="preemption",
    looked_for="takes a running request's memory away and puts it back among those that wait",
    kinds=kinds(types=0.5, callables=1.0, device=False),
    clues=(
        name(r"preempt|preempt_\w+|\w*_preempt\w*|preempted|preemption", 6, "named"),
        name(
            r"retract\w*|swap_out\w*|evict_(?:seq\w*|request\w*|running|sequence\w*)|"
            r"pause_(?:req\w*|batch)|kick\w*|\w*bump\w*|demote\w*|requeue\w*|find_\w+_to_(?:unload|evict)|suspend\w*",
            5,
            "named",
        ),
        name(r"reset_(?:request|req|seq|sequence|for)_?\w*|\w*_for_recompute\w*", 3, "named"),
        name(r"schedule|update_slots|step|process_pending|decode_batch|schedule_\w+", 2, "step"),
        name(
            r"metric\w*|stats?|count\w*|num|event|events|log|output|mode|config|reason|is|has|"
            "handle|update|get|signal|error|set",
            -3,
        ),
        owner(r"scheduler|sched|\w*batch\w*|block_manager|engine|server\w*", 1.5),
        uses(
            r"preempt\w*|retract\w*|(?:\w+_)?swap(?:ped)?_out\w*|preempted\w*|pause\w*|paused\w*|evict_\w+|num_preemptions|"
            r"recompute\w*|expire\w*",
            2.5,
            "preempts",
        ),
        uses(
            r"waiting\w*|back_to_wait\w*|append_?left|prepend\w*|push_front|appendleft|add_req\w*|requeue|pending\w*",
            2,
            "back",
        ),
        uses(r"free\w*|deallocate\w*|release\w*|clear", 1.5, "frees"),
        uses(r"running\w*|active\w*|slots", 1, "running"),
        uses("status|state|num_computed_tokens|set_status", 0.7),
        path(r"scheduler|sched\w*|scheduling", 1.5),
        about(r"preempt\w*|retract\w*|swap\w*|pause\w*", 1.5),
        code(
            r"(?i)status\w*\s*=\s*\S*(?:waiting|preempt|swapped)|"
            r"(?:waiting|pending)\w*\.(?:appendleft|push_front|insert|prepend)",
            2,
            "back",
        ),
        # it is said to wait and leaves those that run
        code(
            r"(?s)status\w*\s*=\s*\S*(?i:waiting|preempted|pending)\b.{0,600}?"
            r"(?:running|active)\w*(?:\.|->)(?:retain|remove|erase|swap_remove|pop\w*)\b",
            4,
            "preempts",
        ),
        # one of those that run is taken out and put among those that were pushed out
        code(
            r"(?s)(?:running|active|in_?flight|batch)\w*(?:\[[^\]\n]*\])?(?:\.\w+)?(?:\.|->)(?:pop\w*|remove|erase|retain|swap_remove)\b.{0,800}?"
            r"(?:swapped|preempted|paused|suspended)\w*(?:\.|->)"
            r"(?:append\w*|extend\w*|insert|push\w*|add|emplace\w*)\b",
            4,
            "preempts",
        ),
        # what was computed of it is forgotten, to be computed again
        code(
            r"(?i)(?:num_?computed\w*|seq_?len\w*|cached?_?len|n_?past|num_?prefilled\w*|pre_?tokens)\s*=\s*0\b",
            2.5,
            "preempts",
        ),
    ),
    needs=("named|preempts", "frees|back|preempts", "back|running|frees"),
    least=8,
    near={"scheduler": 2.5},
)
