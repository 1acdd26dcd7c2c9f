"""The three parts of the training loss; each is a softmax over scaled cosines, called logits here."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from demo.clip.batches import NAMES, Quiz, Texts, agree
from demo.scenes import ATTRIBUTES


def contrast(logits: torch.Tensor, codes: NDArray[np.int64], texts: Texts) -> torch.Tensor:
    """CLIP's loss on logits [n, n] of paired pictures and texts, both ways, without false negatives."""
    true = torch.from_numpy(agree(codes, texts.codes))
    logits = logits.masked_fill(true & ~torch.eye(len(true), dtype=torch.bool), -math.inf)
    pairs = torch.arange(len(true))
    return (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2


def classify(logits: torch.Tensor, codes: NDArray[np.int64]) -> torch.Tensor:
    """Sum over attributes of the cross-entropy of logits [n, all values] within each attribute."""
    blocks = torch.split(logits, [len(ATTRIBUTES[name]) for name in NAMES], dim=1)
    truths = torch.from_numpy(codes)
    return torch.stack([F.cross_entropy(block, truths[:, index]) for index, block in enumerate(blocks)]).sum()


def choose(logits: torch.Tensor, test: Quiz) -> torch.Tensor:
    """Mean cross-entropy of the right answers; row i of `logits` [n, all answers] holds those of question i."""
    blocks = torch.split(logits, test.sizes, dim=1)
    answers = torch.nn.utils.rnn.pad_sequence(
        [block[row] for row, block in enumerate(blocks)], batch_first=True, padding_value=-math.inf
    )
    return F.cross_entropy(answers, torch.from_numpy(test.truths))
