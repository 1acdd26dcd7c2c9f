"""Measure the small CLIP on scenes whose combination was never trained on: `python -m demo.clip.evaluate`.

Prints a table for people and one line of JSON for programs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from demo.captions import answer_texts, class_texts, question
from demo.clip.batches import NAMES, Scenes, Texts, agree, captions, questions
from demo.clip.encoder import MODEL_DIR, Encoder

BINS: Final = 15
"""Bins of equal width for the expected calibration error."""
SCALES: Final = np.geomspace(2, 200, 200)
"""Logit scales tried when the best one is sought."""
DEGRADATIONS: Final[dict[str, Callable[[Image.Image], Image.Image]]] = {
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "darkened": lambda image: ImageEnhance.Brightness(image).enhance(0.5),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "upside down": ImageOps.flip,
}
"""What may befall pictures on their way to a model; it was trained on none of it."""

Vectors = NDArray[np.float32]
Figures = dict[str, float]


class Scored(NamedTuple):
    """Cosines [n, choices] of n pictures with their candidate texts, and the right choices [n]."""

    cosines: Vectors
    truths: NDArray[np.int64]


def zero_shot(encoder: Encoder, scenes: Scenes, images: Vectors) -> dict[str, Scored]:
    """Score pictures against the class texts of every attribute."""
    return {
        name: Scored(images @ encoder.texts(class_texts(name)).T, scenes.codes[:, column])
        for column, name in enumerate(NAMES)
    }


def vqa(encoder: Encoder, scenes: Scenes, images: Vectors, rng: np.random.Generator) -> dict[str, Scored]:
    """Ask every picture one question per attribute and score all answers."""
    scored = {}
    for column, name in enumerate(NAMES):
        asked = [question(scene, name, rng) for scene in scenes.scenes]
        answers = encoder.texts([text for each in asked for text in answer_texts(each.prompt, each.candidates)])
        by_picture = answers.reshape(len(asked), -1, answers.shape[1])
        scored[name] = Scored(np.einsum("nd,nkd->nk", images, by_picture), scenes.codes[:, column])
    return scored


def classification(scored: Scored, scale: float) -> Figures:
    """Accuracy, mean confidence and expected calibration error at a logit scale."""
    probabilities = _softmax(scored.cosines * scale)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == scored.truths
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=BINS)
    return {
        "accuracy": float(correct.mean()),
        "confidence": float(confidence.mean()),
        "ece": float(np.abs(gaps).sum() / len(correct)),
    }


def degraded(encoder: Encoder, scenes: Scenes, rng: np.random.Generator) -> dict[str, Figures]:
    """Mean figures of question answering over all attributes, for each way to spoil the pictures."""
    rows = {}
    for name, spoil in DEGRADATIONS.items():
        pixels = np.stack([np.asarray(spoil(Image.fromarray(each))) for each in scenes.pixels])
        scored = vqa(encoder, scenes, encoder.images(pixels), rng)
        figures = [classification(each, encoder.scale) for each in scored.values()]
        rows[name] = {key: float(np.mean([each[key] for each in figures])) for key in figures[0]}
    return rows


def best_scale(scored: dict[str, Scored]) -> float:
    """Logit scale at which the right choices are likeliest, over all attributes together."""

    def loss(scale: float) -> float:
        return sum(
            float(-np.log(_softmax(each.cosines * scale)[np.arange(len(each.truths)), each.truths] + 1e-12).mean())
            for each in scored.values()
        )

    return float(min(SCALES, key=loss))


def pairing(encoder: Encoder, scenes: Scenes, images: Vectors, texts: Texts) -> Figures:
    """Cosines of texts with their own picture and with the next one, which may be true of it by chance.

    `auc` is the chance that a matching pair scores above a mismatching one; `auc_false` leaves out the
    mismatches that happen to be true. `above` compares each text with its own picture and the next.
    """
    vectors = encoder.texts(texts.texts)
    matching, mismatching = (images * vectors).sum(axis=1), (np.roll(images, 1, axis=0) * vectors).sum(axis=1)
    false = ~agree(np.roll(scenes.codes, 1, axis=0), texts.codes).diagonal()
    return {
        "match": float(matching.mean()),
        "mismatch": float(mismatching.mean()),
        "above": float((matching > mismatching).mean()),
        "auc": _auc(matching, mismatching),
        "auc_false": _auc(matching, mismatching[false]),
    }


def images_per_second(encoder: Encoder, pixels: NDArray[np.uint8], threads: int, seconds: float = 3.0) -> float:
    """Pictures embedded per second in batches of 64."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    encoder.images(pixels[:64])
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        encoder.images(pixels[:64])
        done += 64
    elapsed = time.perf_counter() - started
    torch.set_num_threads(before)
    return done / elapsed


def evaluate(encoder: Encoder, count: int, seed: int) -> dict[str, dict[str, Figures]]:
    """All figures on `count` scenes of held-out combinations; scales are fitted on other, seen combinations."""
    rng = np.random.default_rng(seed)
    seen, scenes = Scenes(count, rng), Scenes(count, rng, held_out=True)
    seen_images, images = encoder.images(seen.pixels), encoder.images(scenes.pixels)
    fitted = {
        "zero-shot": best_scale(zero_shot(encoder, seen, seen_images)),
        "vqa": best_scale(vqa(encoder, seen, seen_images, rng)),
    }
    scored = {"zero-shot": zero_shot(encoder, scenes, images), "vqa": vqa(encoder, scenes, images, rng)}
    return {
        **{
            f"{task}, {label} scale": {name: classification(each, scale) for name, each in by_name.items()}
            for task, by_name in scored.items()
            for label, scale in (("stored", encoder.scale), ("fitted", fitted[task]))
        },
        "pairing": {
            "caption": pairing(encoder, scenes, images, captions(scenes.scenes, rng)),
            "question": pairing(encoder, scenes, images, questions(scenes.scenes, rng)),
        },
        "vqa on degraded pictures": degraded(encoder, scenes, rng),
        "scale": {"logits": {"stored": encoder.scale, **fitted}},
        "images/s": {f"{n} threads": {"forward": images_per_second(encoder, scenes.pixels, n)} for n in (1, 2)},
    }


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _auc(above: Vectors, below: Vectors) -> float:
    ordered = np.sort(below)
    wins = np.searchsorted(ordered, above, "left") + np.searchsorted(ordered, above, "right")
    return float(wins.mean() / (2 * len(below)))


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=MODEL_DIR)
    arguments = parser.parse_args()
    figures = evaluate(Encoder(arguments.folder), arguments.scenes, arguments.seed)
    for part, rows in figures.items():
        sys.stdout.write(f"\n{part}\n")
        for name, row in rows.items():
            sys.stdout.write(f"  {name:<11}" + "".join(f" {key} {value:<8.3f}" for key, value in row.items()) + "\n")
    sys.stdout.write("\n" + json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
