"""Manifests, verification and downloads, the latter from real local servers."""

import hashlib
import http.server
import re
import threading
from pathlib import Path

import pytest

from askpapers.errors import (
    DownloadFailed,
    ModelDamaged,
    ModelMissing,
    NotFound,
    ResourceError,
    UsageError,
)
from askpapers.models import (
    HubSource,
    Manifest,
    PathSource,
    UrlSource,
    find_path,
    get_adapter,
    get_file,
    get_manifest,
    load_manifests,
    pull,
)
from askpapers.resources import find_folder

BODY = b"GGUF" + bytes(range(256)) * 9000
DIGEST = hashlib.sha256(BODY).hexdigest()


def quiet(done, total, label):
    assert done <= total or not total
    assert label


def made(source, **fields):
    return Manifest(name="m", kind="generator", title="m", licence="MIT", source=source, **fields)


@pytest.fixture
def server():
    """A file server with ranges that speaks as much of the Hub's protocol as its client asks."""
    state = {"cut": 0, "status": 200, "ranges": [], "etag": DIGEST}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self.answer(head=True)

        def do_GET(self):
            self.answer(head=False)

        def answer(self, *, head):
            if state["status"] != 200:
                self.send_response(state["status"])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = 0
            match = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if match:
                start = int(match[1])
                state["ranges"].append(start)
            body = BODY[start:]
            self.send_response(206 if match else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{state["etag"]}"')
            self.send_header("X-Repo-Commit", "c" * 40)
            self.end_headers()
            if head:
                return
            cut, state["cut"] = state["cut"], 0
            self.wfile.write(body[: cut or None])
            if cut:
                self.close_connection = True

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    state["url"] = f"http://127.0.0.1:{httpd.server_port}"
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def url_manifest(server, **fields):
    return made(UrlSource(type="url", url=f"{server['url']}/m.gguf"), **fields)


def test_a_file_is_fetched_verified_and_found_again(server, tmp_path):
    manifest = url_manifest(server, sha256=DIGEST)
    with pytest.raises(ModelMissing) as caught:
        get_file(manifest, home=tmp_path)
    assert caught.value.hint == "askpapers models pull m"
    path = pull(manifest, home=tmp_path, force=False, progress=quiet)
    assert path.read_bytes() == BODY
    assert get_file(manifest, home=tmp_path).digest == DIGEST
    assert not list(tmp_path.rglob("*.part"))


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    manifest = url_manifest(server, sha256=DIGEST)
    server["cut"] = 1_200_000
    with pytest.raises(DownloadFailed):
        pull(manifest, home=tmp_path, force=False, progress=quiet)
    part = next(tmp_path.rglob("*.part"))
    have = part.stat().st_size
    assert have > 0
    pull(manifest, home=tmp_path, force=False, progress=quiet)
    assert server["ranges"] == [have]
    assert get_file(manifest, home=tmp_path).path.read_bytes() == BODY


def test_what_was_not_promised_is_thrown_away(server, tmp_path):
    manifest = url_manifest(server, sha256="0" * 64)
    with pytest.raises(DownloadFailed, match="promised"):
        pull(manifest, home=tmp_path, force=False, progress=quiet)
    assert find_path(manifest, home=tmp_path) is None
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_status_is_a_failed_download(server, tmp_path, status):
    server["status"] = status
    with pytest.raises(DownloadFailed, match=str(status)):
        pull(url_manifest(server), home=tmp_path, force=False, progress=quiet)


def test_no_server_is_a_failed_download(tmp_path):
    manifest = made(UrlSource(type="url", url="http://127.0.0.1:9/m.gguf"))
    with pytest.raises(DownloadFailed):
        pull(manifest, home=tmp_path, force=False, progress=quiet)


def test_no_hub_is_a_failed_download(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    manifest = made(HubSource(type="hub", repo="who/what", file="m.gguf"))
    with pytest.raises(DownloadFailed):
        pull(manifest, home=tmp_path, force=False, progress=quiet)


def test_the_hub_is_asked_for_the_digest(server, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", server["url"])
    manifest = made(HubSource(type="hub", repo="who/what", file="m.gguf"))
    path = pull(manifest, home=tmp_path, force=False, progress=quiet)
    assert path.read_bytes() == BODY
    server["etag"] = "1" * 64
    with pytest.raises(DownloadFailed, match="promised"):
        pull(manifest, home=tmp_path, force=True, progress=quiet)
    assert path.read_bytes() == BODY, "a failed fetch leaves the old file"


def test_a_cut_or_altered_file_is_damage(tmp_path):
    path = tmp_path / "m.gguf"
    source = PathSource(type="path", path=str(path))
    path.write_bytes(BODY[:-1])
    with pytest.raises(ModelDamaged, match="bytes"):
        get_file(made(source, size_bytes=len(BODY)), home=tmp_path)
    path.write_bytes(BODY[:-1] + b"?")
    with pytest.raises(ModelDamaged, match="sha256"):
        get_file(made(source, sha256=DIGEST), home=tmp_path)
    path.write_bytes(b"not a model")
    with pytest.raises(ModelDamaged, match="not a GGUF"):
        get_file(made(source), home=tmp_path)


def test_a_local_gguf_needs_no_manifest(tmp_path):
    path = tmp_path / "mine.gguf"
    with pytest.raises(ModelMissing):
        get_manifest(str(path))
    path.write_bytes(BODY)
    manifest = get_manifest(str(path), kind="generator")
    assert get_file(manifest, home=tmp_path).path == path
    with pytest.raises(UsageError):
        pull(manifest, home=tmp_path, force=True, progress=quiet)


def test_names_and_kinds_are_checked():
    with pytest.raises(NotFound, match="smollm2-135m"):
        get_manifest("gpt-9", kind="generator")
    with pytest.raises(UsageError):
        get_manifest("smollm2-135m", kind="embedder")


def test_the_shipped_manifests_name_what_the_readers_need():
    manifests = load_manifests()
    generators = [m for m in manifests.values() if m.kind == "generator"]
    assert {"smollm2-135m", "qwen3-4b", "llama3.2-3b", "gemma3-4b", "smollm2-1.7b"} <= set(
        manifests
    )
    assert all(m.generator and m.licence for m in generators)
    assert all(m.embedder for m in manifests.values() if m.kind == "embedder")


@pytest.mark.parametrize(
    ("name", "file"),
    [("smollm2-135m", "answer-adapter.gguf"), ("embedder", "embedder.safetensors")],
)
def test_an_adapter_is_verified_like_any_file(tmp_path, name, file):
    manifest = get_manifest(name)
    kind = "generator" if manifest.generator else "embedder"
    table = getattr(manifest, kind)
    path = find_folder("models") / file
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def naming(adapter, sha256=digest):
        fields = {"adapter": adapter, "adapter_sha256": sha256}
        return manifest.model_copy(update={kind: table.model_copy(update=fields)})

    found = get_adapter(naming(file), home=tmp_path)
    assert (found.path, found.digest) == (path, digest)
    with pytest.raises(ModelDamaged, match="sha256"):
        get_adapter(naming(file, "0" * 64), home=tmp_path)
    with pytest.raises(ModelMissing):
        get_adapter(naming("gone.safetensors"), home=tmp_path)
    assert get_adapter(naming(None), home=tmp_path) is None
    assert naming(file, "0" * 64).digest() != naming(file).digest()


def test_a_malformed_manifest_is_refused(tmp_path):
    (tmp_path / "x.toml").write_text('kind = "generator"\ntitle = 3\n')
    with pytest.raises(ResourceError, match=r"x\.toml"):
        load_manifests(tmp_path)


@pytest.mark.real
def test_the_embedded_files_are_the_pinned_ones(tmp_path):
    for name in ("smollm2-135m", "all-minilm-l6-v2"):
        manifest = get_manifest(name)
        assert get_file(manifest, home=tmp_path).digest == manifest.sha256
    memo = (tmp_path / "models" / "digests.json").read_text()
    assert str(Path(get_file(get_manifest("smollm2-135m"), home=tmp_path).path)) in memo


def test_a_manifest_has_another_digest_when_anything_in_it_changes():
    manifest = get_manifest("smollm2-135m")
    assert manifest.digest() == get_manifest("smollm2-135m").digest()
    assert manifest.digest() != manifest.model_copy(update={"notes": "other"}).digest()
    table = manifest.generator.model_copy(update={"wording": "free"})
    assert manifest.digest() != manifest.model_copy(update={"generator": table}).digest()
