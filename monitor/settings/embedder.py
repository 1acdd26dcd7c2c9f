"""The model behind embeddings, and which pictures it may open."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from monitor.settings.section import Positive, Rate, Strict


class Embedder(Strict, frozen=True):
    model: str | None = None
    """An open_clip architecture such as `ViT-B-32`, or `local-dir:PATH` of a folder with open_clip_config.json and
    weights. None: no embed worker; drift then rests on the embeddings that predictions carry."""
    pretrained: str | None = None
    """An open_clip tag such as `laion2b_s34b_b79k`, or a checkpoint file; none for `local-dir:`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: CUDA where there is one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the model computes in. `auto`: bfloat16 where the processor multiplies it, else float32. Name it where
    workers differ: vectors of two precisions are never compared."""
    batch_size: Positive = 64
    """Pictures or texts encoded at once."""
    threads: Positive = 1
    """CPU threads of one embed worker."""
    sample_rate: Rate = 1.0
    """Share of predictions that get embeddings."""
    image_roots: tuple[Path, ...] = ()
    """Folders below which `file:` and plain path image references may be opened; none: no image is."""
    max_image_bytes: Positive = 20 * 1024 * 1024
    """Larger pictures are not opened."""
    max_image_pixels: Positive = 50_000_000
    """Pictures with more pixels are not decoded."""
    image_hosts: tuple[str, ...] = ()
    """Hosts that pictures may be fetched from: `host`, `*.host`, `host:port`, `http://host` (else https)."""
    image_buckets: dict[str, str] = {}
    """S3 bucket -> the address below which its keys lie, such as `https://BUCKET.s3.eu-west-1.amazonaws.com`."""
    image_networks: tuple[str, ...] = ()
    """Networks such as `10.1.0.0/16` that names of these hosts may lead to although they are not public."""
    image_cafile: Path | None = None
    """Certificates of the authorities to trust when pictures are fetched (PEM), instead of the system's."""
    image_timeout_s: Positive = 10
    """To fetch one picture, redirects and a second attempt included."""
    image_requests: Positive = 8
    """At once, per entry of image_hosts and image_buckets."""
