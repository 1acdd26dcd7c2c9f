"""What is computed from the text of captions.

caption.py     a caption and its references, cut into words
tokens.py      the words
bleu.py, rouge.py, cider.py, clip_score.py   one metric each
quality.py     ratings and metrics in one figure
"""

from monitor.tasks.captions.bleu import bleu
from monitor.tasks.captions.caption import Caption, CorpusScore, captions
from monitor.tasks.captions.cider import DocumentFrequencies, cider_d
from monitor.tasks.captions.clip_score import clip_score, ref_clip_score
from monitor.tasks.captions.quality import CaptionWeights
from monitor.tasks.captions.rouge import rouge_l

__all__ = [
    "Caption", "CaptionWeights", "CorpusScore", "DocumentFrequencies", "bleu", "captions", "cider_d", "clip_score",
    "ref_clip_score", "rouge_l",
]  # fmt: skip
