# A class on its own says little about how to call it. Its signature, its annotations and the config classes
# beside it usually say enough; where they do not, the message says which argument to give.
"""`constructor_arguments(cls, given)`: what to call a class with."""

import dataclasses
import inspect
import sys
import typing

from cutaway.errors import BadValue, ForwardRaised, nearest

# Names that a class gives to its position among its equals; any position will do.
_INDEX_NAMES = {"layer_idx", "layer_id", "layer_index", "idx", "i", "layer_number", "layer_num"}
_CONFIG_NAMES = {
    "config",
    "cfg",
    "args",
    "params",
    "conf",
    "hparams",
    "model_args",
    "model_config",
    "options",
}


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to call a constructor with."""

    positional: tuple
    named: dict


def constructor_arguments(cls: type, given: dict) -> Arguments:
    """Arguments for `cls(...)`: those given, config objects made from them, defaults for the rest."""
    parameters = constructor_parameters(cls)
    hints = _hints(cls)
    configs = {
        p.name: kind for p in parameters if p.name not in given and (kind := _config_kind(p, hints, cls))
    }
    rest = _left_over(cls, given, parameters, configs)
    named, missing = {}, []
    for p in parameters:
        if p.name in given:
            named[p.name] = _by_name(_config_kind(p, hints, cls), given[p.name])
        elif p.name in configs:
            named[p.name] = _make_config(configs[p.name], rest)
        elif p.default is p.empty and p.name in _INDEX_NAMES:
            named[p.name] = 0
        elif p.default is p.empty:
            missing.append(p.name)
    if missing:
        raise _missing(cls, missing)
    if not configs:
        named |= rest  # of a constructor that hands its `**kwargs` on
    only_positional = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name in named]
    return Arguments(tuple(named.pop(name) for name in only_positional), named)


def wants_config(cls: type, parameter: inspect.Parameter) -> bool:
    """Whether this argument is a config object rather than a size."""
    return _config_kind(parameter, _hints(cls), cls) is not None or parameter.name in _CONFIG_NAMES


def constructor_parameters(cls: type) -> list[inspect.Parameter]:
    """The constructor's parameters without `self`, `*args` and `**kwargs`."""
    try:
        found = list(inspect.signature(cls.__init__).parameters.values())[1:]
    except (TypeError, ValueError):
        return []
    named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    overloads = typing.get_overloads(cls.__init__) if found and not named else []
    return (
        list(inspect.signature(overloads[0]).parameters.values())[1:] if overloads else named
    )  # as LSTM declares them


def _hints(cls: type) -> dict:
    """Annotations as objects; those that cannot be evaluated are looked up by name in the module."""
    try:
        return typing.get_type_hints(cls.__init__)
    except Exception:
        module = vars(sys.modules.get(cls.__module__, object))
        raw = getattr(cls.__init__, "__annotations__", {})
        return {k: module.get(v, v) if isinstance(v, str) else v for k, v in raw.items()}


def _config_kind(parameter: inspect.Parameter, hints: dict, cls: type) -> type | None:
    """The config class that a parameter wants: by its annotation, else by its name and the module."""
    for kind in _alternatives(hints.get(parameter.name)):
        if _is_config(kind):
            return kind
    if parameter.default is parameter.empty and parameter.name in _CONFIG_NAMES:
        return _config_beside(cls)
    return None


def _alternatives(hint: object) -> tuple:
    """`A | None` -> (A, None); anything else -> itself."""
    return typing.get_args(hint) or (hint,)


def _is_config(kind: object) -> bool:
    if not isinstance(kind, type):
        return False
    return dataclasses.is_dataclass(kind) or any(
        base.__name__ in ("PreTrainedConfig", "PretrainedConfig") for base in kind.__mro__
    )


def _config_beside(cls: type) -> type | None:
    """The config class in the same module whose name is most like the class's."""
    module = sys.modules.get(cls.__module__)
    kinds = (
        {
            name: kind
            for name, kind in vars(module).items()
            if _is_config(kind) and kind.__name__ not in ("PreTrainedConfig", "PretrainedConfig")
        }
        if module
        else {}
    )
    if len(kinds) <= 1:
        return next(iter(kinds.values()), None)
    like = nearest(f"{cls.__name__}Config", kinds, 1) or [n for n in kinds if n.endswith(("Config", "Args"))]
    return kinds[like[0]] if like else None


def _by_name(kind: type | None, value: object) -> object:
    """The value itself, or for a config that knows presets (`ModelArgs.from_name`) the one of that name."""
    known = getattr(kind, "from_name", None) if isinstance(value, str) else None
    if known is None:
        return value
    try:
        return known(value)
    except Exception as error:
        raise ForwardRaised.caused_by(error, f"{kind.__name__} has no preset of that name", asked=value) from error


def _left_over(cls: type, given: dict, parameters: list, configs: dict) -> dict:
    """The given arguments that are fields of a config. One that fits nowhere is an error."""
    rest = {name: value for name, value in given.items() if name not in {p.name for p in parameters}}
    known = {p.name for p in parameters}.union(*(_fields(kind) for kind in configs.values()))
    takes_any = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls.__init__).parameters.values())
    for name in rest:
        if name not in known and not (takes_any and not configs):
            close = nearest(name, known)
            raise BadValue(
                f"{cls.__name__} takes no such argument",
                asked=name,
                known=f"nearest: {', '.join(close)}" if close else "it takes: " + ", ".join(sorted(known)),
            )
    return rest


def _fields(kind: type) -> set[str]:
    if dataclasses.is_dataclass(kind):
        names = {f.name for f in dataclasses.fields(kind) if f.init}
        if names:
            return names
    return {name for name in vars(kind()) if not name.startswith("_")}


def _make_config(kind: type, values: dict) -> object:
    """`kind(**values)` with the values that are its fields."""
    fields = _fields(kind)
    chosen = {name: value for name, value in values.items() if name in fields}
    if dataclasses.is_dataclass(kind) and not hasattr(kind, "model_type"):
        missing = [
            f.name
            for f in dataclasses.fields(kind)
            if f.init
            and f.name not in chosen
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise _missing(kind, missing)
    try:
        config = kind(**chosen)
    except Exception as error:
        raise ForwardRaised.caused_by(error, f"making a {kind.__name__} raised") from error
    if hasattr(config, "_attn_implementation") and getattr(config, "_attn_implementation", None) is None:
        config._attn_implementation = "eager"
    return config


def _missing(cls: type, names: list[str]) -> BadValue:
    plural = "s" if len(names) > 1 else ""
    return BadValue(
        f"{cls.__name__} needs the argument{plural} {', '.join(names)}",
        asked=f"{cls.__module__}.{cls.__qualname__}",
        try_=" ".join(f"--arg {name}={_example(name)}" for name in names),
    )


def _example(name: str) -> int:
    """A value that shows the form; sizes are what is nearly always missing."""
    return 50304 if "vocab" in name else 12 if "head" in name or "layer" in name else 768
