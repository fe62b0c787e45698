# Models are built without weights: on the meta device, where a tensor is only a shape and a dtype, and
# with initialisers switched off, so that the largest model takes a fraction of a second.
"""`build_model(config)`: the nn.Module of a model, from its config alone."""

import contextlib
import importlib
import re
import sys
import warnings
from collections.abc import Iterator

from cutaway.errors import BadConfig, BadValue, CutawayError, ForwardRaised, NeedsExtra, NeedsTrust, nearest
from cutaway.trace.arguments import constructor_arguments
from cutaway.trace.config import check_config, check_heads, check_heads_of_dict
from cutaway.trace.factories import Made
from cutaway.trace.garbage import uncollected
from cutaway.trace.parts import tensors_of
from cutaway.trace.target import Target, load_class

__all__ = ["build", "build_class", "build_model", "load_config", "model_class", "torch_dtype"]

DTYPES = {
    "bf16": "bfloat16", "bfloat16": "bfloat16", "fp16": "float16", "float16": "float16", "half": "float16",
    "fp32": "float32", "float32": "float32", "float": "float32", "fp64": "float64", "float64": "float64",
}  # fmt: skip

# When a config does not name its class: generation first, then whatever Transformers has for it.
_MAPPINGS = (
    "MODEL_FOR_CAUSAL_LM_MAPPING", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING", "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING",
    "MODEL_FOR_MASKED_LM_MAPPING", "MODEL_FOR_PRETRAINING_MAPPING", "MODEL_MAPPING",
)  # fmt: skip


def build(target: Target, dtype: str = "bfloat16", attn: str = "eager"):
    """The module that `target` means, on the meta device."""
    if target.kind == "model":
        return build_model(load_config(target), dtype, attn)
    return build_class(load_class(target), target.args, dtype)


def load_config(target: "Target | dict"):
    """The Transformers config object of a target (or of a config dict), with `target.args` applied."""
    _transformers(getattr(target, "text", None))
    config, where, args = _parts(target)
    check_config(config, where)
    if unknown := [name for name in args if name not in config]:
        _check_names(unknown, config, where)
    kind = _config_class(config, where)
    try:
        with _quiet():
            loaded = kind.from_dict({**config, **args})
    except Exception as error:
        check_heads_of_dict({**config, **args}, where)
        raise BadConfig("Transformers refuses this config", where=where, known=_reason(error)) from error
    check_heads(loaded, where)
    for name in getattr(loaded, "sub_configs", {}):
        check_heads(getattr(loaded, name, None), f"{where}: {name}")
    return loaded


def model_class(config) -> type:
    """The class for `config`: the one it names if Transformers has it, else the usual one for its type."""
    transformers = _transformers()
    for name in getattr(config, "architectures", None) or ():
        try:
            found = getattr(transformers, name, None)
        except ImportError as error:
            raise _needs_package(name, config.model_type, error) from error
        if isinstance(found, type) and hasattr(found, "_from_config"):
            return found
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    for mapping in _MAPPINGS:
        found = getattr(auto, mapping, {}).get(type(config), None)
        if found is not None:
            return found[0] if isinstance(found, tuple) else found
    raise BadConfig(
        f"Transformers has no model for model_type {config.model_type!r}", known=type(config).__name__
    )


def build_model(config_or_class, dtype: str = "bfloat16", attn: str = "eager", args: dict | None = None):
    """The module on the meta device, in eval mode, with tied weights tied.

    Takes a Transformers config, a config dict, or an nn.Module class (with its constructor's `args`).
    """
    if isinstance(config_or_class, type):
        return build_class(config_or_class, args or {}, dtype)
    config = load_config(config_or_class) if isinstance(config_or_class, dict) else config_or_class
    kind = model_class(config)
    with _building(kind.__name__):
        model = kind._from_config(config, dtype=torch_dtype(dtype), attn_implementation=attn)
        _keep_float32(model)
    return _settled(model)


def build_class(cls: type, args: dict, dtype: str = "bfloat16"):
    """An instance of `cls` on the meta device, its arguments from `args`, annotations and defaults."""
    torch = _torch()
    if not issubclass(cls, (torch.nn.Module, Made)):
        raise BadValue(f"{cls.__name__} is no torch.nn.Module", asked=f"{cls.__module__}.{cls.__qualname__}")
    found = constructor_arguments(cls, args)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch_dtype(dtype))
    try:
        with _building(cls.__name__):
            made = cls(*found.positional, **found.named)
            if isinstance(made, torch.nn.Module):
                return _settled(made)
    finally:
        torch.set_default_dtype(before)
    raise BadValue(
        f"{cls.__name__} makes no torch.nn.Module",
        asked=f"{cls.__module__}.{cls.__qualname__}",
        known=f"it gives back a {type(made).__name__}",
    )


def _settled(model):
    """The model in eval mode and on the meta device, of which `torch.Tensor(n)` heeds nothing."""
    there = all(t.is_meta for t in tensors_of(model))
    return (model if there else model.to("meta")).eval()


def torch_dtype(name: str):
    """`torch.bfloat16` for "bf16", "bfloat16" and the like."""
    if not isinstance(name, str):
        return name
    known = DTYPES.get(name.casefold().removeprefix("torch."))
    if known is None:
        raise BadValue("unknown dtype", asked=name, known=", ".join(DTYPES))
    return getattr(_torch(), known)


def _keep_float32(model) -> None:
    """What Transformers keeps in float32 when it loads 16-bit weights, such as routing biases."""
    names = getattr(model, "_keep_in_fp32_modules_strict", None)
    if not names:
        return
    kept = re.compile(r"(^|\.)(" + "|".join(re.escape(name) for name in sorted(names)) + r")($|\.)")
    for path, module in model.named_modules():
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is not None and tensor.is_floating_point() and kept.search(f"{path}.{name}"):
                tensor.data = tensor.data.float()


def _config_class(config: dict, where: str) -> type:
    auto = importlib.import_module("transformers.models.auto.configuration_auto")
    model_type = config["model_type"]
    try:
        return auto.CONFIG_MAPPING[model_type]
    except KeyError:
        pass
    except ImportError as error:
        raise _needs_package(model_type, where, error) from error
    if "auto_map" in config or _in_catalogue_with_code(config):
        raise NeedsTrust(
            f"model_type {model_type!r} is not part of Transformers: its code is kept with the weights",
            where=where,
            try_="fetch the modelling file, then file.py:Class with --trust-code",
        )
    close = nearest(model_type, auto.CONFIG_MAPPING_NAMES)
    raise BadConfig(
        f"unknown model_type {model_type!r}",
        where=where,
        known=f"nearest: {', '.join(close)}" if close else None,
    )


def _needs_package(name: str, where: str | None, error: ImportError) -> NeedsExtra:
    """For models that need more than Transformers, such as timm for some image towers."""
    packages = dict.fromkeys(re.findall(r"`pip install ([\w.-]+)`", str(error)))
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return NeedsExtra(
        f"{name} needs a package that is not installed",
        where=where,
        known=_reason(error),
        try_=f"pip install {' '.join(packages)}" if packages else None,
    )


def _in_catalogue_with_code(config: dict) -> bool:
    from cutaway import catalogue

    return any(e.needs_remote_code and e.model_type == config["model_type"] for e in catalogue.entries())


def _parts(target: "Target | dict") -> tuple[dict, str, dict]:
    if isinstance(target, dict):
        return target, "config", {}
    return target.config, str(target.path or target.name), target.args


def _check_names(unknown: list[str], config: dict, where: str) -> None:
    """`--arg` on a model may set any field its config class has."""
    known = set(vars(_config_class(config, where)())) | set(config)
    for name in unknown:
        if name not in known:
            close = nearest(name, [n for n in known if not n.startswith("_")])
            raise BadValue(
                "the config has no such field",
                asked=name,
                where=where,
                known=f"nearest: {', '.join(close)}" if close else None,
            )


@contextlib.contextmanager
def _building(name: str) -> Iterator[None]:
    """The meta device, no initialisers, no talk on stdout; what the constructor raises becomes our error."""
    try:
        from cutaway.trace.constants import Building

        with _torch().device("meta"), Building(), _no_initialisers(), uncollected(), _quiet():
            yield
    except CutawayError:
        raise
    except ImportError as error:
        raise _needs_package(name, None, error) from error
    except Exception as error:
        raise ForwardRaised.caused_by(error, f"the constructor of {name} raised", asked=name) from error


@contextlib.contextmanager
def _no_initialisers() -> Iterator[None]:
    """`torch.nn.init.*_` return their tensor untouched while building."""
    init = importlib.import_module("torch.nn.init")
    originals = {
        name: f
        for name, f in vars(init).items()
        if name.endswith("_") and callable(f) and not name.startswith("_")
    }
    for name in originals:
        setattr(init, name, _untouched)
    try:
        yield
    finally:
        for name, function in originals.items():
            setattr(init, name, function)


def _untouched(tensor, *args, **kwargs):
    return tensor


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What constructors print is talk, and Transformers' advice about configs is not ours to pass on."""
    logging = sys.modules.get("transformers.utils.logging")
    level = logging.get_verbosity() if logging else None
    if logging:
        logging.set_verbosity_error()
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if logging:
            logging.set_verbosity(level)


def _reason(error: Exception) -> str:
    """The exception's message on at most three lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: " + "\n".join(lines[:3]) if lines else type(error).__name__


def _torch():
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise NeedsExtra.named("torch", "torch") from None


def _transformers(asked: str | None = None):
    try:
        importlib.import_module("torch")
        return importlib.import_module("transformers")
    except ImportError as error:
        raise NeedsExtra.named("torch", error.name or "torch", asked=asked) from None
