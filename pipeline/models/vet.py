"""Looks at an artefact before any of it is built: its outside, its arrays' heads, and the name of every node in it.

skops audits types itself; twice a crafted node passed its audit under another name than it was built by
(CVE-2025-54412, CVE-2025-54413). Here such nodes are not known at all. Sizes are compared before anything is allocated:
our archives are stored without compression, so that nothing in them can be larger than the file.

Pure: bytes in, nothing or an error out.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from typing import Any

import numpy as np

from storage.errors import Unhealthy

_ENTRY = re.compile(r"schema\.json|[\w-]+\.(npy|npz|bin)", re.ASCII)
_HEAD = 4096  # bytes an array's head may have
_ARRAY_HEADS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_PROTOCOL = 2  # of skops; its readers of older ones are left alone
_LOADERS = frozenset(
    {
        "BytearrayNode", "BytesNode", "CachedNode", "DTypeNode", "DefaultDictNode", "DictNode", "FunctionNode",
        "JsonNode", "ListNode", "LossNode", "MaskedArrayNode", "NdArrayNode", "ObjectNode", "PartialNode",
        "RandomGeneratorNode", "RandomStateNode", "SetNode", "SliceNode", "SparseMatrixNode", "TreeNode", "TupleNode",
        "ConstructorFromReduceNode", "TypeNode",
    }
)  # fmt: skip
_ROOTS = frozenset({"builtins", "collections", "functools", "numpy", "scipy", "sklearn"})


def vet(data: bytes) -> None:
    """Refuse bytes that are no artefact of ours, whatever their hash says.

    Raises
    ------
    Unhealthy
        Naming what is wrong; nothing was built and nothing large was allocated.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_outside(archive, len(data))
            _check_arrays(archive)
            schema = json.loads(archive.read("schema.json"))
        if not isinstance(schema, dict) or schema.get("protocol") != _PROTOCOL:
            raise Unhealthy("The model is of a format of skops that is not read here; retrain it.")
        _check_nodes(schema)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Unhealthy(f"The model cannot be read: {type(error).__name__}, this is no artefact of ours.") from error


def _check_outside(archive: zipfile.ZipFile, size: int) -> None:
    """Names that are ours, each once, uncompressed, and together no larger than the file."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names) or not all(_ENTRY.fullmatch(name) for name in names):
        raise Unhealthy("The model's archive holds files that are none of ours.")
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise Unhealthy("The model's archive is compressed or encrypted; ours are not.")
    if sum(entry.file_size for entry in entries) > size:
        raise Unhealthy("The model's archive says that it holds more than it can.")


def _check_arrays(archive: zipfile.ZipFile) -> None:
    """Every array has the bytes that its head speaks of, and holds plain numbers or text."""
    for entry in archive.infolist():
        if entry.filename.endswith(".npy"):
            with archive.open(entry) as file:
                _check_array(io.BytesIO(file.read(_HEAD)), entry.file_size)
        elif entry.filename.endswith(".npz"):
            with zipfile.ZipFile(io.BytesIO(archive.read(entry))) as inner:
                if any(part.file_size > 1000 * max(entry.file_size, 1) for part in inner.infolist()):
                    raise Unhealthy("An array of the model says that it is larger than it can be.")
                for part in inner.infolist():
                    with inner.open(part) as file:
                        _check_array(io.BytesIO(file.read(_HEAD)), part.file_size)


def _check_array(head: io.BytesIO, size: int) -> None:
    version = np.lib.format.read_magic(head)
    if version not in _ARRAY_HEADS:
        raise Unhealthy("An array of the model is of a format that is not read here.")
    shape, _, dtype = _ARRAY_HEADS[version](head, max_header_size=_HEAD)
    if dtype.hasobject:
        raise Unhealthy("An array of the model holds objects instead of numbers.")
    if math.prod(shape) * dtype.itemsize != size - head.tell():
        raise Unhealthy("An array of the model is not as large as it says.")


def _check_nodes(schema: dict[str, Any]) -> None:
    """Every node is of a kind we know, and names something of the libraries that models are made with."""
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        if not isinstance(node, dict):
            continue
        waiting.extend(node.values())
        if "__loader__" in node:
            _check_node(node)


def _check_node(node: dict[str, Any]) -> None:
    if not isinstance(node["__loader__"], str) or node["__loader__"] not in _LOADERS:
        raise Unhealthy(f"The model holds a part that is not known here: {str(node['__loader__'])[:60]!r}.")
    module, name = node.get("__module__"), node.get("__class__")
    roots = _ROOTS - {"builtins"} if node["__loader__"] == "FunctionNode" else _ROOTS
    if not isinstance(module, str) or not isinstance(name, str) or module.partition(".")[0] not in roots:
        raise Unhealthy(f"The model holds types that are not trusted: {str(module)[:60]}.{str(name)[:60]}.")
