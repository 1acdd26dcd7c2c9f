"""Multiple choice: the letter of the chosen option."""

from __future__ import annotations

import re
from typing import Final

from monitor.domain.results import Answer, Label, Verdict
from monitor.tasks.task import folded, said, spoken_verdict, unscored

_LETTER: Final = re.compile(r"[\s(\[{]*([A-Za-z])[\s)\]}.:,;]*")
"""One letter, alone but for brackets and closing punctuation. Letters inside a sentence are not guessed at."""


class MultipleChoice:
    """Compares letters: " (b) ", "B." and "b" are the same choice; anything longer is compared as text."""

    scorer: Final = "choice_letter"

    def score(self, prediction: Answer, label: Label) -> Verdict:
        if (spoken := spoken_verdict(label)) is not None:
            return spoken
        if not label.answers:
            return unscored(self.scorer)
        answer = said(prediction)
        correct = answer is not None and choice(answer) in {choice(accepted) for accepted in label.answers}
        return Verdict(correct=correct, score=float(correct), scorer=self.scorer)


def choice(text: str) -> str:
    """The upper-case letter of a choice, or the text folded when it is no single letter.

    >>> choice(" (b) "), choice("B."), choice("the Left one")
    ('B', 'B', 'the left one')
    """
    match = _LETTER.fullmatch(text)
    return match[1].upper() if match else folded(text)
