"""One file per task type: how a label scores an answer, and what is said of many answers."""

from __future__ import annotations

from typing import Final

from monitor.tasks.captioning import Captioning
from monitor.tasks.classification import Classification
from monitor.tasks.multiple_choice import MultipleChoice
from monitor.tasks.retrieval import Retrieval
from monitor.tasks.task import Task
from monitor.tasks.vqa import VisualQuestionAnswering
from monitor.tasks.yes_no import YesNo

TASKS: Final[dict[str, Task]] = {
    "vqa": VisualQuestionAnswering(),
    "yes_no": YesNo(),
    "multiple_choice": MultipleChoice(),
    "classification": Classification(),
    "captioning": Captioning(),
    "retrieval": Retrieval(),
}
"""Task name as it stands in a prediction -> its scorer."""

__all__ = ["TASKS", "Task"]
