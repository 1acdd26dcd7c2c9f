"""A fresh installation: every page says what is missing and what to do, and nothing is green."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

PAGES = {
    "overview": "snellen up",
    "on_call": "snellen up",
    "drift": "snellen up",
    "calibration": "snellen up",
    "slices": "snellen up",
    "canary": "snellen up",
    "labels": "snellen up",
    "slos": "snellen schedule",
    "ingest": "python -m collectors ingest",
}


@pytest.mark.parametrize(("page", "command"), PAGES.items())
def test_a_page_without_data_says_what_to_run_and_is_not_green(
    open_page: Callable[..., AppTest], page: str, command: str
) -> None:
    app = open_page(page)
    for chosen in ("7 d", "All", "Custom"):
        next(one for one in app.segmented_control if "range" in one.label).set_value(chosen).run()
        assert not app.exception
        assert not app.error
        assert not app.success
        assert not [one.value for one in app.markdown if ":green-badge" in one.value]
        assert any(command in caption.value for caption in app.caption)
        assert any("Showing" in caption.value and "UTC" in caption.value for caption in app.caption)
