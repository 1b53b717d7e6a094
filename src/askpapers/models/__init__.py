"""Models: manifests (`models/*.toml`), their verified files, and downloads.

A manifest names one file. Files shipped with the program lie beside the manifests, files of
PyPI packages in the environment or under `<home>/models/<name>/`, everything else there too. A
file is used only when it is what its manifest says.
"""

from askpapers.models.downloads import pull
from askpapers.models.files import ModelFile, find_path, get_adapter, get_file
from askpapers.models.manifests import (
    EmbedderTable,
    GeneratorTable,
    HubSource,
    Manifest,
    PathSource,
    PyPISource,
    ShippedSource,
    UrlSource,
    get_manifest,
    load_manifests,
)

__all__ = [
    "EmbedderTable",
    "GeneratorTable",
    "HubSource",
    "Manifest",
    "ModelFile",
    "PathSource",
    "PyPISource",
    "ShippedSource",
    "UrlSource",
    "find_path",
    "get_adapter",
    "get_file",
    "get_manifest",
    "load_manifests",
    "pull",
]
