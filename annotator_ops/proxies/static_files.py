"""Layer 3. The part of Caddy's configuration that answers front-end files itself instead of asking Label Studio."""

from __future__ import annotations

from pathlib import Path

from annotator_ops.gate import KEEPABLE
from annotator_ops.models import JSONDict

# What Label Studio answers, to the letter. Caddy's own words would add a charset and depend on the machine. A file with
# another ending is left to the instance: source maps, files without an ending, and the `.gz` beside a text.
CONTENT_TYPES = {
    ".css": "text/css",
    ".csv": "text/csv",
    ".eot": "application/vnd.ms-fontobject",
    ".gif": "image/gif",
    ".html": "text/html",
    ".ico": "image/vnd.microsoft.icon",
    ".jpg": "image/jpeg",
    ".js": "application/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".wav": "audio/x-wav",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
_ENDINGS = "|".join(ending.removeprefix(".") for ending in CONTENT_TYPES)
_WANTED = f"^{KEEPABLE}[^?]*[.](?:{_ENDINGS})(?:[?]|$)"
_PATH = "{http.request.uri.path}"
_MEANT_OTHERWISE = frozenset("{}[]*?\\")  # Caddy reads placeholders and patterns in a folder's name


def serve_files(folder: Path) -> list[JSONDict]:
    """Handlers that answer a request for a file of this folder, and let every other request through to what follows.

    They belong behind the gate, which has refused whatever could lead elsewhere (`..`, an encoded `/` or `.`, names
    that begin with a dot), and behind the removal of the annotator's prefix. Empty when Caddy would read the folder's
    name as something else.
    """
    root = str(folder)
    if not _MEANT_OTHERWISE.isdisjoint(root):
        return []
    there: JSONDict = {
        "method": ["GET", "HEAD"],
        "vars_regexp": {"{http.request.uri}": {"pattern": _WANTED}},
        # Only a file that exists; never a folder. Otherwise the instance says what there is to say.
        "file": {"root": root, "try_files": [_PATH]},
    }
    kind: JSONDict = {
        "handler": "map",
        "source": "{http.request.uri.path.file.ext}",
        "destinations": ["{content_type}"],
        "mappings": [{"input": ending, "outputs": [kind]} for ending, kind in CONTENT_TYPES.items()],
    }
    answer: JSONDict = {
        "handler": "file_server",
        "root": root,
        "index_names": [],
        "canonical_uris": False,
        "precompressed": {"gzip": {}},
        "precompressed_order": ["gzip"],
    }
    typed: JSONDict = {"handler": "headers", "response": {"set": {"Content-Type": ["{content_type}"]}}}
    return [{"handler": "subroute", "routes": [{"match": [there], "handle": [kind, typed, answer], "terminal": True}]}]
