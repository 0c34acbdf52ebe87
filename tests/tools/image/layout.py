"""Writes an OCI image layout: layout.py FOLDER REPOSITORY PLATFORM=PROGRAM ...

One layer for each platform, with the program and the licence, and nothing else. Whoever runs it is a number that is not root. Everything is
the same for the same input: times are SOURCE_DATE_EPOCH, owners are root, the order is fixed.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import sys
import tarfile
import time

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
USER = "65532:65532"


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Layout:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, media_type: str, content: bytes) -> dict:
        name = digest(content)
        (self.folder / "blobs" / name.replace(":", "/")).write_bytes(content)
        return {"mediaType": media_type, "digest": name, "size": len(content)}

    def document(self, media_type: str, content: dict) -> dict:
        return self.blob(media_type, json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def archive(files: list[tuple[str, pathlib.Path, int]], when: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, path, mode in files:
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content), when, mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def main() -> None:
    folder, repository = map(pathlib.Path, sys.argv[1:3])
    when = int(os.environ["SOURCE_DATE_EPOCH"])
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
    manifest = (repository / "Cargo.toml").read_text()
    version, description = (re.search(rf'^{key} = "(.*)"$', manifest, re.M).group(1) for key in ("version", "description"))
    labels = {
        "org.opencontainers.image.title": "argocd-access-operator",
        "org.opencontainers.image.description": description,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.created": created,
    }
    layout = Layout(folder)
    platforms = []
    for argument in sys.argv[3:]:
        architecture, program = argument.split("=", 1)
        files = [("LICENSE", repository / "LICENSE", 0o644), ("argocd-access", pathlib.Path(program), 0o755)]
        tar = archive(files, when)
        layer = layout.blob(LAYER, gzip.compress(tar, compresslevel=9, mtime=0))
        platform = {"architecture": architecture, "os": "linux"}
        config = {
            "created": created,
            "config": {
                "User": USER,
                "Entrypoint": ["/argocd-access"],
                "ExposedPorts": {"8080/tcp": {}},
                "WorkingDir": "/",
                "Labels": labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(tar)]},
            "history": [{"created": created, "created_by": "tests/tools/image"}],
        } | platform
        image = {"schemaVersion": 2, "mediaType": MANIFEST, "config": layout.document(CONFIG, config), "layers": [layer], "annotations": labels}
        platforms.append(layout.document(MANIFEST, image) | {"platform": platform})
        print(f"tests/tools/image: {architecture}: {layer['size'] / 1e6:.1f} MB compressed, {len(tar) / 1e6:.1f} MB unpacked")
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms, "annotations": labels}
    whole = layout.document(INDEX, index) | {"annotations": {"org.opencontainers.image.ref.name": version}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [whole]}))
    print(f"tests/tools/image: {folder}: {whole['digest']}")


if __name__ == "__main__":
    main()
