"""What leaves an event before it is stored. Where nothing is found, the event itself comes back, not a copy."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from monitor.domain.events import Candidate, Deployment, Event, Image, Input, Label, Output, Prediction
from monitor.privacy.options import Handling, PrivacyOptions
from monitor.privacy.patterns import compile_patterns
from monitor.privacy.refused import RefusedRedactor
from monitor.privacy.scan import is_suspect
from monitor.privacy.texts import TextRedactor, hidden
from monitor.privacy.trees import Change, may_be_card, tree

_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_APART: Final = "\n" * 9
"""Between texts that are searched as one: digits of two are not near enough to be one number."""
_QUOTED: Final = re.compile(
    r"""(?<!\w)b?(?: '(?:\\.|[^'\\]|'(?=\w))*(?:'|\\?\Z) | "(?:\\.|[^"\\]|"(?=\w))*(?:"|\\?\Z) )""",
    re.DOTALL | re.VERBOSE,
)
"""As Python's repr writes texts and bytes; one that was cut has no end. An apostrophe in a word begins none."""


class Redactor:
    """Applies one set of options. Stateless, so any number of threads may share it."""

    def __init__(self, options: PrivacyOptions) -> None:
        """
        Raises:
            SettingsError: a pattern is no regular expression, or explodes.
        """
        find = TextRedactor(options.find, compile_patterns(options.patterns))
        names = TextRedactor([kind for kind in options.find if kind != "phone"], compile_patterns(options.patterns))

        def change(handling: Handling) -> Change | None:
            return {"keep": None, "redact": find, "hide": hidden}[handling]

        self._find = find
        self._names = names
        self._prompt, self._context = change(options.prompts), change(options.contexts)
        self._answer, self._comment = change(options.answers), change(options.comments)
        self._extra = change(options.extra)
        self._name = names if "redact" in options.handlings or "hide" in options.handlings else None
        self._without_pictures = options.pictures == "drop"
        self._refused = None if options.dead_letters == "keep" else RefusedRedactor(find, names)
        hides = options.dead_letters == "redact" and "hide" in options.handlings
        self.drops_dead_letters = options.dead_letters == "drop" or hides
        """Nothing is kept of refused records: any text of theirs may be one that is to be hidden."""
        self._idle = self._name is None and not self._without_pictures
        self._only_finds = not (self._without_pictures or options.patterns or "hide" in options.handlings)

    # ---- events -----------------------------------------------------------------------------------------------------

    def event(self, event: Event) -> Event:
        """Any event of the contract."""
        if isinstance(event, Prediction):
            return self.prediction(event)
        return self.label(event) if isinstance(event, Label) else self.deployment(event)

    def prediction(self, event: Prediction) -> Prediction:
        """Prompt, context, answers, extra; slices by what cannot be a camera's number; pictures inside the record."""
        if self._idle or (self._only_finds and not _is_suspect(event)):
            return event
        given, output = self._input(event.input), self._output(event.output)
        slices = tree(event.slices, self._name) if event.slices else event.slices
        extra = self._of_extra(event.extra) if event.extra else event.extra
        if given is event.input and output is event.output and slices is event.slices and extra is event.extra:
            return event
        return replace(event, input=given, output=output, slices=slices, extra=extra)

    def label(self, event: Label) -> Label:
        """Acceptable answers, correction, comment and extra."""
        if self._idle:
            return event
        return _changed(
            event,
            answers=_several(event.answers, self._answer),
            correction=_text(event.correction, self._comment),
            comment=_text(event.comment, self._comment),
            extra=self._of_extra(event.extra) if event.extra else event.extra,
        )

    def deployment(self, event: Deployment) -> Deployment:
        """Note and extra."""
        if self._idle:
            return event
        extra = self._of_extra(event.extra) if event.extra else event.extra
        return _changed(event, note=_text(event.note, self._comment), extra=extra)

    def fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        """One side of a call (`Half.fields`): parts of a prediction as plain values, of whatever shape they came."""
        if self._idle:
            return fields
        changed = dict(fields)
        given, output = fields.get("input"), fields.get("output")
        if isinstance(given, dict):
            changed["input"] = given | _trees(given, {"prompt": self._prompt, "context": self._context})
            if isinstance(given.get("image"), dict):
                changed["input"]["image"] = given["image"] | _trees(given["image"], {"ref": self._reference})
        if isinstance(output, dict):
            changed["output"] = output | _trees(output, {"answer": self._answer})
            if isinstance(output.get("candidates"), list | tuple):
                changed["output"]["candidates"] = [
                    one | _trees(one, {"answer": self._answer}) if isinstance(one, dict) else one
                    for one in output["candidates"]
                ]
        if "extra" in fields:
            changed["extra"] = self._of_extra(fields["extra"])
        return changed | _trees(fields, {"slices": self._name})

    # ---- other things that are stored -------------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """A message that may quote what it refused. Where no refused record is kept, no quotation is either."""
        if self.drops_dead_letters:
            text = _QUOTED.sub("'...'", text)
        return text if self._name is None else self._find(text)

    def comment(self, text: str) -> str:
        """What a person says freely of an answer."""
        return text if self._comment is None else self._comment(text)

    def dead_letter(self, content: bytes, removed: set[str] | None = None) -> bytes:
        """What is kept of a record that was refused: everything, what is left after redaction, or nothing.

        Args:
            removed: gets what redaction took out, among it any id that it could be searched by.
        """
        if self._refused is None:
            return content
        return b"" if self.drops_dead_letters else self._refused.record(content, removed)

    def refused_fields(self, fields: dict[str, Any], removed: set[str] | None = None) -> dict[str, Any]:
        """What is kept of one side of a call (`Half.fields`) that waited and was refused; `removed` as above."""
        return fields if self._refused is None else self._refused.fields(fields, removed)

    def attached(self, content: bytes, removed: set[str] | None = None) -> bytes:
        """What is kept of the key or a header of such a record: ids that look like telephone numbers are ids."""
        return content if self._refused is None else self._refused.attached(content, removed)

    # ---- parts ------------------------------------------------------------------------------------------------------

    def _input(self, given: Input) -> Input:
        prompt, context = _text(given.prompt, self._prompt), _text(given.context, self._context)
        image = self._image(given.image) if given.image and self._without_pictures else given.image
        if prompt is given.prompt and context is given.context and image is given.image:
            return given
        return replace(given, prompt=prompt, context=context, image=image)

    def _image(self, image: Image) -> Image:
        ref = _text(image.ref, self._reference)
        return image if ref is image.ref else replace(image, ref=ref)

    def _output(self, output: Output) -> Output:
        change = self._answer
        answer = _text(output.answer, change)
        candidates = output.candidates
        if candidates and change is not None:
            texts = tuple(one.answer for one in candidates)
            changed = _several(texts, change)
            if changed is not texts:
                candidates = tuple(Candidate(text, one.score) for text, one in zip(changed, candidates, strict=True))
        if answer is output.answer and candidates is output.candidates:
            return output
        return replace(output, answer=answer, candidates=candidates)

    def _of_extra(self, extra: Any) -> Any:
        return {} if self._extra is hidden else tree(extra, self._extra)

    def _reference(self, ref: str) -> str:
        return hidden(ref) if self._without_pictures and ref[:5].lower() == "data:" else ref


def _text(text: str | None, change: Change | None) -> str | None:
    return text if text is None or change is None else change(text)


def _several(texts: tuple[str, ...], change: Change | None) -> tuple[str, ...]:
    if change is None or not texts:
        return texts
    changed = tuple(map(change, texts))
    return texts if changed == texts else changed


def _changed(struct: _Struct, **values: Any) -> _Struct:
    new = {name: value for name, value in values.items() if value is not getattr(struct, name)}
    return replace(struct, **new) if new else struct


def _trees(fields: dict[str, Any], changes: dict[str, Change | None]) -> dict[str, Any]:
    return {name: tree(fields[name], change) for name, change in changes.items() if name in fields}


def _is_suspect(event: Prediction) -> bool:
    """Could anything of it hold something? One search of all its texts costs a third of one each: nearly every record
    pays no more than that. False is certain."""
    given, output, slices = event.input, event.output, event.slices
    texts = [given.prompt or "", given.context or "", output.answer or "", *slices, *slices.values()]
    if output.candidates:
        texts += [one.answer for one in output.candidates]
    if event.extra and _gather(event.extra, texts):
        return True
    return is_suspect(_APART.join(texts))


def _gather(value: Any, texts: list[str]) -> bool:
    """Add all texts of a value of JSON, names too. True: a number in it could be a card's."""
    if isinstance(value, dict):
        texts.extend(value)
        value = value.values()
    suspect = False
    for one in value:
        if isinstance(one, str):
            texts.append(one)
        elif isinstance(one, dict | list | tuple):
            suspect = _gather(one, texts) or suspect
        else:
            suspect = suspect or may_be_card(one)
    return suspect
