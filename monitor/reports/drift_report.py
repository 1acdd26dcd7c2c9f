"""Two windows' tabular and text descriptors side by side, as Evidently's HTML report.

Evidently chooses its tests by column and sample size, with fixed thresholds and no error rate: the report shows
distributions, and no verdict of ours rests on it. It is imported when a report is made, for it takes seconds.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from monitor.errors import NotEnoughData

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS: Final = 30
"""Of each window; with fewer, Evidently's histograms say nothing."""

MOST_CATEGORIES: Final = 30
OTHER: Final = "(other)"
_HARMLESS: Final = str.maketrans({"<": "‹", ">": "›", "&": "＆"})
"""Evidently writes values into a script as they are: an answer could end it and begin its own."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one window by name, each of `rows` values; None where a row lacks one."""

    rows: int
    numbers: Mapping[str, Sequence[float | None]]
    categories: Mapping[str, Sequence[str | None]]
    texts: Mapping[str, Sequence[str | None]]


def drift_report(reference: Table, current: Table, heading: str) -> str:
    """Evidently's DataDriftPreset over all columns that have values in both windows, as one HTML page.

    Texts enter by Evidently's descriptors (length, words, sentences, share of characters that are no letters), never
    themselves; a row without the text has length 0. `heading` says which windows, and how many rows.

    Raises:
        NotEnoughData: fewer than `LEAST_ROWS` rows in a window, or no column in common.
    """
    if min(reference.rows, current.rows) < LEAST_ROWS:
        raise NotEnoughData(
            f"the windows have {reference.rows} and {current.rows} rows; {LEAST_ROWS} of each are needed for a report"
        )
    numbers = _common(reference.numbers, current.numbers)
    categories = {
        name: _most_frequent([*reference.categories[name], *current.categories[name]])
        for name in _common(reference.categories, current.categories)
    }
    texts = _common(reference.texts, current.texts)
    if not (numbers or categories or texts):
        raise NotEnoughData("the windows have no column in common that has values in both")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently warns of its own imports, which its users cannot mend
        page = _render(
            _frame(reference, numbers, categories, texts), _frame(current, numbers, categories, texts), texts
        )
    return page.replace("<body>", f"<body><h1>Snellen: drift report</h1><p>{escape(heading)}</p>", 1)


def _common(reference: Mapping[str, Sequence[Any]], current: Mapping[str, Sequence[Any]]) -> list[str]:
    return [
        name
        for name in reference
        if name in current and all(any(one is not None for one in side[name]) for side in (reference, current))
    ]


def _most_frequent(values: Sequence[str | None]) -> set[str]:
    counted = Counter(value for value in values if value is not None)
    return {value for value, _ in counted.most_common(MOST_CATEGORIES)}


def _frame(
    table: Table, numbers: Sequence[str], categories: Mapping[str, set[str]], texts: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    columns: dict[str, Any] = {name: pd.Series(table.numbers[name], dtype="float64") for name in numbers}
    for name, known in categories.items():
        columns[name] = [
            "(none)" if value is None else value.translate(_HARMLESS) if value in known else OTHER
            for value in table.categories[name]
        ]
    columns |= {name: [text or None for text in table.texts[name]] for name in texts}  # it divides by their length
    return pd.DataFrame(columns).rename(columns=lambda name: name.translate(_HARMLESS))


def _render(reference: pd.DataFrame, current: pd.DataFrame, texts: Sequence[str]) -> str:
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415
    from evidently.descriptors import (  # noqa: PLC0415
        NonLetterCharacterPercentage,
        SentenceCount,
        TextLength,
        WordCount,
    )
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    numbers = list(reference.select_dtypes("number").columns)
    categories = [name for name in reference.columns if name not in numbers and name not in texts]
    kinds = {
        "characters": TextLength,
        "words": WordCount,
        "sentences": SentenceCount,
        "other than letters, %": NonLetterCharacterPercentage,
    }
    described = {f"{text}: {name}": (kind, text) for text in texts for name, kind in kinds.items()}
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories, text_columns=list(texts))
    sides = [
        Dataset.from_pandas(
            side,
            data_definition=definition,
            descriptors=[kind(text, alias=alias) for alias, (kind, text) in described.items()],
        )
        for side in (current, reference)
    ]
    report = Report([DataDriftPreset(columns=[*numbers, *categories, *described])])
    page: str = report.run(*sides).get_html_str(as_iframe=False)
    return page
