# Models that are not in the catalogue are looked up on the Hugging Face hub: only config.json, kept in the
# hub's own cache, and with short waits, since many machines have no network at all.
"""`config_of("org/name")`: a model's config from the hub or its cache."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from cutaway.errors import CutawayError, NeedsExtra, Offline, UnknownTarget
from cutaway.trace.config import read_config

_WAIT_SECONDS = 4


def config_of(model_id: str, unknown: CutawayError) -> dict:
    """The config of `model_id`; `unknown` is what the catalogue said, for its nearest names."""
    cached = _cached(model_id)
    if cached:
        return read_config(cached)
    if not _reachable():
        raise _offline(model_id, unknown)
    try:
        return read_config(_download(model_id))
    except CutawayError:
        raise
    except Exception as error:
        raise _explained(error, model_id, unknown) from error


def _cached(model_id: str) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        raise NeedsExtra(
            f"{model_id} is not in the catalogue, and asking the hub needs huggingface_hub",
            asked=model_id,
            try_='pip install "cutaway[hf]"',
        ) from None
    try:
        found = try_to_load_from_cache(model_id, "config.json")
    except ValueError as error:
        raise UnknownTarget("that is no model id", asked=model_id, known=str(error)) from error
    return Path(found) if isinstance(found, str) else None


def _reachable() -> bool:
    """A quick look, since the hub's own client retries for half a minute. A proxy is trusted to be there."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    url = urlsplit(constants.ENDPOINT)
    try:
        with socket.create_connection((url.hostname, url.port or 443), timeout=_WAIT_SECONDS):
            return True
    except OSError:
        return False


def _download(model_id: str) -> Path:
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", str(_WAIT_SECONDS))
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", str(_WAIT_SECONDS))
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(model_id, "config.json", etag_timeout=_WAIT_SECONDS))


def _explained(error: Exception, model_id: str, unknown: CutawayError) -> CutawayError:
    from huggingface_hub import errors as hub

    if isinstance(error, hub.GatedRepoError):
        return UnknownTarget(
            "that model asks for a licence to be accepted",
            asked=model_id,
            known=unknown.known,
            try_="accept it on huggingface.co, then `hf auth login`",
        )
    if isinstance(error, hub.RepositoryNotFoundError):
        return UnknownTarget(
            "no such model in the catalogue or on the hub",
            asked=model_id,
            known=unknown.known,
            try_=unknown.try_,
        )
    if isinstance(error, hub.EntryNotFoundError) and not isinstance(error, hub.LocalEntryNotFoundError):
        return UnknownTarget("that model has no config.json", asked=model_id, known=unknown.known)
    return _offline(model_id, unknown)


def _offline(model_id: str, unknown: CutawayError) -> Offline:
    return Offline(
        "not in the catalogue, and the hub cannot be reached",
        asked=model_id,
        known=unknown.known,
        try_="give its config.json or the folder that holds it, or go online once; it is then kept",
    )
