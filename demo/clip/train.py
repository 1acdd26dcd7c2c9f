"""Train the small CLIP: `python -m demo.clip.train`.

The loss has three parts, all softmaxes over scaled cosines:

- pictures against captions and against questions, both ways, as in CLIP; a text that happens to be true of
  another picture in the batch is taken out of that picture's negatives;
- pictures against the class texts of each attribute, and
- pictures against all answers to a question, so that confidences mean something where the model is used.

Training starts with the class texts alone: they are few, so steps are fast, and shapes are learnt before the
sentences about them.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file

from demo.captions import class_texts
from demo.clip.batches import NAMES, Scenes, captions, questions, quiz
from demo.clip.encoder import MODEL_DIR, pixels_to_tensor
from demo.clip.losses import choose, classify, contrast

BATCH: Final = 256
PRIMER: Final = 0.3
"""Share of the steps that see the class texts alone."""
QUIZZED: Final = 32
"""Pictures of a batch that are asked a question with all its answers."""
PEAK_RATE: Final = 2e-3
WARMUP: Final = 0.05
WEIGHT_DECAY: Final = 0.02
MAX_LOG_SCALE: Final = math.log(100)


@dataclass(frozen=True)
class Plan:
    """How much to train: steps of `BATCH`, scenes to draw from, and a limit in minutes for slow machines."""

    steps: int
    scenes: int
    minutes: float
    seed: int


class Trainer:
    """A model in training with everything one step needs."""

    def __init__(self, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.rng = np.random.default_rng(plan.seed)
        name = f"local-dir:{MODEL_DIR}"
        self.model = open_clip.create_model(name, load_weights=False).to(memory_format=torch.channels_last)
        self.tokenize = open_clip.get_tokenizer(name)
        self.classes = [text for name in NAMES for text in class_texts(name)]
        self.scenes = Scenes(plan.scenes, self.rng)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)

    def step(self, progress: float) -> dict[str, float]:
        """Learn from one batch at the learning rate of `progress` in [0, 1]; returns the parts of the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = PEAK_RATE * _rate(progress)
        losses = self._primer() if progress < PRIMER else self._losses()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, MAX_LOG_SCALE)
        return {name: loss.item() for name, loss in losses.items()}

    def _primer(self) -> dict[str, torch.Tensor]:
        picked = self.rng.integers(len(self.scenes.scenes), size=BATCH)
        images, classes = self._images(self.scenes.pixels[picked]), self._texts(self.classes)
        return {"class": classify(self.model.logit_scale.exp() * images @ classes.T, self.scenes.codes[picked])}

    def _losses(self) -> dict[str, torch.Tensor]:
        picked = self.rng.integers(len(self.scenes.scenes), size=BATCH)
        scenes, codes = [self.scenes.scenes[index] for index in picked], self.scenes.codes[picked]
        said, asked = captions(scenes, self.rng), questions(scenes, self.rng)
        test = quiz(scenes[:QUIZZED], self.rng)

        images = self.model.logit_scale.exp() * self._images(self.scenes.pixels[picked])
        texts = self._texts([*said.texts, *asked.texts, *self.classes, *test.texts])
        said_vectors, asked_vectors, classes, answers = torch.split(
            texts, [BATCH, BATCH, len(self.classes), len(test.texts)]
        )
        return {
            "caption": contrast(images @ said_vectors.T, codes, said),
            "question": contrast(images @ asked_vectors.T, codes, asked),
            "class": classify(images @ classes.T, codes),
            "answer": choose(images[:QUIZZED] @ answers.T, test),
        }

    def _images(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        mirrored = pixels[:, :, ::-1] if self.rng.integers(2) else pixels
        with torch.autocast("cpu", dtype=torch.bfloat16):
            vectors = self.model.encode_image(pixels_to_tensor(np.ascontiguousarray(mirrored)))
        return F.normalize(vectors.float(), dim=-1)

    def _texts(self, texts: list[str]) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            vectors = self.model.encode_text(self.tokenize(texts))
        return F.normalize(vectors.float(), dim=-1)


def _rate(progress: float) -> float:
    """Share of the peak learning rate: a linear rise, then half a cosine down to 0."""
    if progress < WARMUP:
        return progress / WARMUP
    return (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP))) / 2


def save(model: torch.nn.Module, folder: Path) -> None:
    """Write the weights in half precision under the name that open_clip's loader looks for."""
    halves = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    save_file({name: value.contiguous() for name, value in halves.items()}, folder / "open_clip_model.safetensors")


def train(plan: Plan, folder: Path) -> None:
    """Train as planned and save; on a slow machine the schedule is shortened to end within `plan.minutes`."""
    started = time.monotonic()
    trainer = Trainer(plan)
    sys.stdout.write(f"{plan.scenes} scenes in {time.monotonic() - started:.0f} s\n")
    started, step, progress = time.monotonic(), 0, 0.0
    while progress < 1:
        losses = trainer.step(progress)
        step, elapsed = step + 1, time.monotonic() - started
        progress = max(step / plan.steps, elapsed / (60 * plan.minutes))
        if step % 100 == 0 or progress >= 1:
            parts = " ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
            scale = trainer.model.logit_scale.exp().item()
            sys.stdout.write(f"step {step} of {plan.steps}, {elapsed:.0f} s: {parts}, scale {scale:.1f}\n")
            sys.stdout.flush()
    save(trainer.model, folder)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--scenes", type=int, default=80_000)
    parser.add_argument("--minutes", type=float, default=31)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=MODEL_DIR)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train(Plan(arguments.steps, arguments.scenes, arguments.minutes, arguments.seed), arguments.folder)


if __name__ == "__main__":
    main()
