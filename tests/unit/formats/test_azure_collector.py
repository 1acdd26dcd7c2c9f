"""Lines of Azure Machine Learning's data collector, as its documentation shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.halves import join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats.auto import decoder
from monitor.formats.options import FormatOptions
from tests.unit.formats.cloud_logs import decoded

SOURCE = (
    "/subscriptions/636d700c-4412-48fa-84be-452ac03d34a1/resourceGroups/mire2etesting/providers/"
    "Microsoft.MachineLearningServices/workspaces/mirmasterws/onlineEndpoints/localdev-endpoint/deployments/localdev"
)
ROWS = [{"label": "DRUG", "pattern": "aspirin"}, {"label": "DRUG", "pattern": "trazodone"}]


def event(collection: str, data: Any, **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": "725aa8af-0834-415c-aaf5-c76d0c08f694", "source": SOURCE,
        "type": f"azureml.inference.{collection}", "datacontenttype": "application/json",
        "time": "2022-12-01T08:51:30Z", "data": data, "correlationid": "3711655d", "xrequestid": "3711655d",
        "modelversion": "default", "collectdatatype": "pandas.core.frame.DataFrame", "agent": "monitoring-sdk/0.1.2",
        "contentrange": "bytes 0-116/117", **more,
    }  # fmt: skip


def halves(value: Any, **options: Any) -> Any:
    record = Record(Partition("c", "t", "id", 0), 0, 1763719205_000, json.dumps(value).encode())
    return decoder(FormatOptions(**options))(record)


def test_rows_of_both_sides_meet() -> None:
    asked = halves(event("model_inputs", [{"prompt": "Where?"}, {"prompt": "Who?"}]))
    said = halves(event("model_outputs", [{"answer": "here"}, {"answer": "me"}]))
    found = [join(*pair) for pair in zip(asked, said, strict=True)]
    assert [(one.request_id, one.input.prompt, one.output.answer) for one in found] == [
        ("3711655d#0", "Where?", "here"),
        ("3711655d#1", "Who?", "me"),
    ]
    assert (found[0].model.name, found[0].model.version, found[0].latency_ms) == ("localdev-endpoint", "localdev", None)


def test_the_documented_line_of_inputs() -> None:
    first, second = halves(event("inputs", ROWS, modelversion="3"))
    assert (first.side, first.fields["model"]["version"]) == ("request", "3")
    assert second.ts.isoformat() == "2022-12-01T08:51:30+00:00"


def test_bodies_are_read_as_any_others() -> None:
    one = decoded(event("request", {"messages": [{"role": "user", "content": "Where?"}]}))
    assert one.fields["input"] == {"prompt": "Where?"}
    one = decoded(event("response", '{"choices": [{"index": 0, "message": {"content": "here"}}]}'))
    assert one.fields["output"] == {"answer": "here"}


def test_what_is_in_a_blob_counts_with_its_address() -> None:
    one = decoded(event("request", "https://x.blob.core.windows.net/modeldata/a", datainblob="true"))
    assert one.fields["extra"]["input_body"] == "https://x.blob.core.windows.net/modeldata/a"
    one = decoded(event("response", "https://x.blob.core.windows.net/modeldata/b", datainblob="true"))
    assert (one.fields["status"], one.fields["extra"]["output_body"][-1]) == ("ok", "b")


@pytest.mark.parametrize("collection", ["inputs_outputs", "frames", ""])
def test_a_collection_of_neither_side_is_refused(collection: str) -> None:
    with pytest.raises(InvalidEvent, match="neither of inputs nor of outputs"):
        halves(event(collection, ROWS))


@pytest.mark.parametrize("data", [None, 1, "x", {}, [], [1], [[1, 2]], "{"])
@pytest.mark.parametrize("collection", ["model_inputs", "model_outputs", "request", "response"])
def test_odd_data_are_read_or_refused(collection: str, data: Any) -> None:
    try:
        halves(event(collection, data))
    except InvalidEvent as error:
        assert str(error)  # noqa: PT017 (either way is right)
