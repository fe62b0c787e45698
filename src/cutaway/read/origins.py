# The closed list of ways in which a call's far end was found, one place for the name, the stated confidence and the
# meaning. The confidence is the share of such edges that a reader found right (bench/edges prints it).
"""Resolution origins of call edges."""

from __future__ import annotations

__all__ = ["CONFIDENCE", "MEANING", "ORIGINS"]

ORIGINS: dict[str, tuple[float, str]] = {
    "local": (0.98, "a definition of the same file, by its name in scope"),
    "imported": (0.99, "a name that the file imports, followed to where the code is"),
    "module_attribute": (0.95, "an attribute of an imported module"),
    "constructor": (0.98, "a class that is called: its __init__, its own or inherited"),
    "self_method": (0.98, "a method of the class that the call stands in"),
    "inherited": (0.98, "a method found in a base class"),
    "super": (0.97, "super(): the next class in the order of bases"),
    "attribute_type": (0.97, "a method of what was assigned to the attribute or variable"),
    "annotated": (0.97, "a method of the annotated type of a parameter, attribute or variable"),
    "return_type": (0.93, "a method of what a function was found to return"),
    "element_type": (0.96, "a method of an element of a list, dict or ModuleList"),
    "argument_type": (0.97, "a parameter without annotation, typed by what its callers pass"),
    "module_call_forward": (0.96, "a module that is called: __call__ runs its forward"),
    "dunder_call": (0.94, "an instance that is called: its __call__"),
    "rpc_string_method": (0.96, "a method named by a string and called on the other side (collective_rpc, call)"),
    "getattr_string": (0.95, "getattr with a name that is known"),
    "process_target": (0.98, "the target of a process"),
    "thread_target": (0.98, "the target of a thread, a green one too, or of an executor's submit"),
    "task_target": (0.97, "a coroutine handed to the event loop"),
    "callback": (0.96, "a function handed over, to be called later"),
    "queue_peer": (0.93, "what is put at one end of a queue, pipe or socket and taken at the other"),
    "registry_entry": (0.92, "an entry of a registry: a decorator, a dictionary, a name to class table"),
    "qualified_string": (0.93, "a dotted name in a string that names a definition of this repository"),
    "custom_op_binding": (0.96, "torch.ops, pybind or m.def: the registered implementation"),
    "kernel_launch": (0.98, "kernel<<<…>>> or a Triton kernel[grid](…)"),
    "partial_or_lambda": (0.96, "the function inside a partial or a lambda"),
    "override": (0.88, "a method that overrides the declared one in a subclass"),
    "property": (0.95, "an attribute that is a property: its getter"),
    "context_manager": (0.95, "with x: its __enter__"),
    "include": (0.94, "a definition of an included header or of the unit that implements it"),
    "receiver": (0.92, "a method of the receiver's or variable's declared type (Go, Rust, C++)"),
    "external": (0.98, "outside of this repository"),
    "builtin": (0.99, "the language's own"),
    "unresolved": (0.0, "not found; the reason stands beside it"),
}

CONFIDENCE = {name: confidence for name, (confidence, _) in ORIGINS.items()}
MEANING = {name: meaning for name, (_, meaning) in ORIGINS.items()}
