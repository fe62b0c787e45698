# What a forward changes in its modules: tables that grow with the longest prompt, states kept from call to call. Which
# calls are equal depends on it, and the next derivation must find the model as it was built.
from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_PLAIN = (int, float, str, bool)


class Writes:
    """How often modules were changed, what they were before, and what is known of them until the next change."""

    def __init__(self) -> None:
        self.count = 0
        self.keeps = False  # whether an attribute was given a tensor
        self.prints: dict[int, Hashable] = {}  # what makes a module differ from others, by its id
        self._before: dict[int, tuple[torch.nn.Module, dict[str, Any], dict[str, Any]]] = {}

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Within this, new values of attributes and buffers are noted."""
        module = torch.nn.Module
        setattr_, register = module.__setattr__, module.register_buffer

        def __setattr__(self_: torch.nn.Module, name: str, value: Any) -> None:
            self.keeps |= isinstance(value, torch.Tensor)
            if not _is(vars(self_).get(name, _PLAIN), value):
                self._note(self_)
            setattr_(self_, name, value)

        def register_buffer(self_: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
            self._note(self_)
            register(self_, *args, **kwargs)

        module.__setattr__, module.register_buffer = __setattr__, register_buffer  # type: ignore[method-assign]
        try:
            yield
        finally:
            module.__setattr__, module.register_buffer = setattr_, register  # type: ignore[method-assign]

    def undo(self) -> None:
        """Give the changed modules what they held before: their attributes, and what is in their own tables."""
        for module, attributes, contents in self._before.values():
            vars(module).clear()
            vars(module).update(attributes)
            for name, held in contents.items():
                attributes[name].clear()
                (attributes[name].extend if isinstance(held, list) else attributes[name].update)(held)
        self._before.clear()
        self.prints.clear()

    def changed(self) -> None:
        """A module is not what it was."""
        self.count += 1
        self.prints.clear()

    def _note(self, module: torch.nn.Module) -> None:
        self.changed()
        if id(module) not in self._before:
            attributes = dict(vars(module))
            contents = {k: v.copy() for k, v in attributes.items() if type(v) in (dict, list, set)}
            self._before[id(module)] = (module, attributes, contents)


def _is(a: Any, b: Any) -> bool:
    """Whether an attribute keeps its value. Sizes with formulas are not compared: that would be a condition."""
    return a is b or (type(a) is type(b) and type(a) in _PLAIN and a == b)
