"""Runs ONNX graphs: the only file that knows onnxruntime."""

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from frostline.server.encoders.graphs.cutting import cut, read
from frostline.server.errors import InvalidInput, NotFound

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # or importing it begins to report to its maker
import onnxruntime

_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_ERRORS_ONLY = 3
_KEPT_SESSIONS = 4

_log = logging.getLogger(__name__)

_runtime = cast("Any", onnxruntime)  # ships no types; `_Runnable` names what is used of it
_runtime.set_default_logger_severity(_ERRORS_ONLY)


class _Runnable(Protocol):
    def run(self, output_names: list[str], input_feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]: ...

    def get_providers(self) -> list[str]: ...

    def get_provider_options(self) -> dict[str, dict[str, str]]: ...


class Session:
    """A graph cut down to the outputs that are asked for, ready to run from several threads at once.

    Args:
        model_path: an ONNX file with its weights inside.
        outputs: names of tensors of the graph; what only others need is never computed.
        device: `auto` (a GPU where onnxruntime finds one), `cpu`, or `cuda:N`.
        threads: of one run; 0 takes one for each core.

    Raises:
        InvalidInput: the file is no graph that can run, lacks an output or refers to other files; or there is no such
            device.
    """

    def __init__(self, model_path: Path, outputs: Sequence[str], device: str = "auto", threads: int = 0) -> None:
        data = cut(read(model_path), outputs, model_path.name).SerializeToString()
        self._session = _start(data, model_path.name, device, threads)
        self._outputs = list(outputs)
        self.device = self._found_device(device)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Runs the graph.

        Args:
            inputs: arrays by input name.

        Returns:
            One array for each output, in the order asked for.
        """
        return self._session.run(self._outputs, dict(inputs))

    def _found_device(self, asked: str) -> str:
        if self._session.get_providers()[0] == _CUDA:
            return f"cuda:{self._session.get_provider_options()[_CUDA]['device_id']}"
        if asked.startswith("cuda"):
            raise InvalidInput(f"device {asked!r} is not usable: onnxruntime fell back to the CPU; check the driver")
        return "cpu"


class Sessions:
    """The sessions of one graph: the default one, and those that were used last. Each holds its own weights.

    Args:
        model_path: as for `Session`.
        default: the output whose session is made at once and always kept.
        device: as for `Session`.
        threads: as for `Session`.

    Attributes:
        device: where they run.

    Raises:
        InvalidInput: as for `Session`.
    """

    def __init__(self, model_path: Path, default: str, device: str, threads: int) -> None:
        self._model_path, self._default, self._asked, self._threads = model_path, default, device, threads
        self._kept: OrderedDict[str, Session] = OrderedDict()
        self._closed = False
        self._lock = threading.Lock()
        self._making = threading.Lock()  # apart, so that a graph that is ready does not wait for one being made
        self.device = self.get(default).device

    def get(self, output: str) -> Session:
        """The session that gives an output.

        Raises:
            InvalidInput: as for `Session`.
            NotFound: the sessions are closed.
        """
        session = self._find(output)
        if session is None:
            with self._making:
                session = self._find(output) or self._make(output)
        return session

    def expect_open(self) -> None:
        """Refuses what comes too late.

        Raises:
            NotFound: the sessions are closed.
        """
        if self._closed:
            raise NotFound(f"encoder {self._model_path.parent.name!r} was deleted; add it again, or use another")

    def close(self) -> None:
        """Frees the graphs and reads no more of them; a session that is running ends first."""
        with self._lock:
            self._closed = True
            self._kept.clear()

    def _find(self, output: str) -> Session | None:
        with self._lock:
            self.expect_open()
            if output in self._kept:
                self._kept.move_to_end(output)
            return self._kept.get(output)

    def _make(self, output: str) -> Session:
        try:
            session = Session(self._model_path, [output], self._asked, self._threads)
        finally:
            self.expect_open()  # in the meantime the file may have gone, or be that of another encoder
        with self._lock:
            self._kept[output] = session
            if len(self._kept) > _KEPT_SESSIONS:
                del self._kept[next(name for name in self._kept if name != self._default)]
        return session


def _start(data: bytes, name: str, device: str, threads: int) -> _Runnable:
    options = _runtime.SessionOptions()
    options.intra_op_num_threads = threads
    # CPUs without VNNI add int8 products in saturating 16 bits otherwise: mobilenet_v2 int8 fell to cosine 0.96.
    options.add_session_config_entry("session.x64quantprecision", "1")
    attempts = _attempts(device)
    for number, providers in enumerate(attempts, start=1):
        try:
            session: _Runnable = _runtime.InferenceSession(data, options, providers=providers, enable_fallback=False)
            return session
        except Exception as error:  # onnxruntime's exceptions have no base class of their own
            if number == len(attempts):
                raise InvalidInput(f"{name} cannot run on device {device!r}: {error}") from error
            _log.warning("no usable GPU, going on with the CPU: %s", error)
    raise AssertionError("the last attempt returns or raises")


def check_device(device: str) -> None:
    """Refuses a device that encoders cannot run on.

    Args:
        device: `auto`, `cpu` or `cuda:N`.

    Raises:
        InvalidInput: it is none of these, or there is no onnxruntime for it; says what to install.
    """
    kind, _, number = device.partition(":")
    if device not in ("auto", "cpu") and not (kind == "cuda" and number.isdecimal()):
        raise InvalidInput(f"device {device!r} is unknown; use auto, cpu or cuda:0")
    if kind == "cuda" and _CUDA not in _runtime.get_available_providers():
        raise InvalidInput(f"device {device!r} needs onnxruntime-gpu; install frostline[gpu] or use the device cpu")


def _attempts(device: str) -> list[list[Any]]:
    """Execution providers to try in turn."""
    check_device(device)
    kind, _, number = device.partition(":")
    present = _CUDA in _runtime.get_available_providers()
    if device == "cpu" or not present:
        return [[_CPU]]
    _runtime.preload_dlls()  # CUDA and cuDNN as installed by pip
    # TF32 keeps 10 bits of mantissa: vectors would leave the space of those made on a CPU.
    with_gpu = [(_CUDA, {"device_id": number or "0", "use_tf32": "0"}), _CPU]
    return [with_gpu] if kind == "cuda" else [with_gpu, [_CPU]]
