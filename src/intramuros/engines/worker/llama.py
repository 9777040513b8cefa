"""Runs a GGUF model: llama.cpp's server. The only module that imports xllamacpp, whose names change between releases.

Called by `worker.__main__`, in its process.
"""

from __future__ import annotations

from typing import Any

from intramuros.engines.worker.door import Door, Failed

SET_VERBOSITY, QUIET = "_Z30common_log_set_verbosity_tholdi", 2  # llama.cpp, common/log.h
MAIN_LOG, FLUSH = "_Z15common_log_mainv", "_Z16common_log_flushP10common_log"

_running: list[Any] = []
"""The server, which ends when nobody holds it."""


def serve(parameters: dict[str, Any], door: Door) -> str:
    """Loads the model and serves it; returns the address. Raises: Failed."""
    xllamacpp = _library()
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, parameters))
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        _flush(xllamacpp)
        raise Failed(str(error)) from None
    _running.append(server)
    _hush(xllamacpp)
    door.close()
    return str(server.listening_address)


def devices() -> list[dict[str, Any]]:
    """The devices that llama.cpp could compute on. Raises: Failed."""
    return [_plain(device) for device in _library().get_device_info()]


def _hush(xllamacpp: Any) -> None:
    """The load was told in full, for the sizes of its buffers; from here on the log says only what goes wrong."""
    import ctypes

    try:
        ctypes.CDLL(xllamacpp.xllamacpp.__file__)[SET_VERBOSITY](QUIET)
    except (AttributeError, OSError):
        return  # a release without it goes on telling; nobody keeps what it says


def _flush(xllamacpp: Any) -> None:
    """Waits until the engine's own thread has written its log, which says why a load failed."""
    import ctypes

    try:
        library = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
        main_log, flush = library[MAIN_LOG], library[FLUSH]
    except (AttributeError, OSError):
        return  # a release without it writes at its end, mostly
    main_log.restype, flush.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    flush(main_log())


def _library() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise Failed(f"xllamacpp can't be imported: {error}") from error
    return xllamacpp


def _parameters(xllamacpp: Any, wanted: dict[str, Any]) -> Any:
    """Fills llama.cpp's parameters from dotted names. Raises: AttributeError for a name this release does not have."""
    parameters = xllamacpp.CommonParams()
    for name, value in wanted.items():
        *path, last = name.split(".")
        target = parameters
        for step in path:
            target = getattr(target, step)
        is_adapters = name == "lora_adapters"
        made = [xllamacpp.CommonAdapterLoraInfo(*adapter) for adapter in value] if is_adapters else value
        setattr(target, last, _converted(getattr(target, last), made))
    return parameters


def _converted(present: Any, value: Any) -> Any:
    """Enumerations and sets as what they are now; everything else as it comes."""
    if isinstance(present, list) and present and hasattr(type(present[0]), "__members__"):
        return [type(present[0])(entry) for entry in value]
    if hasattr(type(present), "__members__"):
        return type(present)(value)
    return set(value) if isinstance(present, set) else value


def _plain(device: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": str(device["description"] or device["name"]),
        "kind": int(device["type"]),
        "memory_bytes": int(device["memory_total"]),
        "free_bytes": int(device["memory_free"]),
    }
