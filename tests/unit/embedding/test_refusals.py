"""What a refusal says of an address: enough to find it, nothing that would let its reader in."""

from __future__ import annotations

import pytest

from monitor.embedding.fetching import Fetcher, FetchLimits
from monitor.embedding.places import Places
from monitor.embedding.refusals import shortened
from monitor.errors import ImageRefused

SIGNATURE = "d0ba5e5f"
SIGNED = f"https://shop.example.com/cat.jpg?X-Amz-Credential=AKIA&X-Amz-Signature={SIGNATURE}"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (SIGNED, "https://shop.example.com/cat.jpg?..."),
        (f"s3://bucket/cat.jpg?versionId={SIGNATURE}", "s3://bucket/cat.jpg?..."),
        (f"https://jane:{SIGNATURE}@example.com/a.jpg", "https://...@example.com/a.jpg"),
        (f"https://jane:a@{SIGNATURE}@example.com/a.jpg", "https://...@example.com/a.jpg"),
        ("https://example.com/jane@home.jpg", "https://example.com/jane@home.jpg"),
        ("/pictures/what?.jpg", "/pictures/what?.jpg"),
    ],
)
def test_an_address_is_shown_without_signature_and_password(reference: str, said: str) -> None:
    assert shortened(reference) == said


@pytest.mark.parametrize("reference", [SIGNED, f"https://jane:{SIGNATURE}@example.com/a.jpg"])
def test_no_refusal_holds_them(reference: str) -> None:
    fetcher = Fetcher(Places(), FetchLimits(1000))
    with pytest.raises(ImageRefused) as refused:
        fetcher.fetch(reference)
    fetcher.close()
    assert SIGNATURE not in str(refused.value)
