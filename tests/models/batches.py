"""Inputs for `test_all`: what each protocol's models are fed. One entry a slug."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.hub.config import ZooConfig
from zoo.hub.module import ZooModule
from zoo.nn.clip_vocabulary import reduced_ids

CAPTIONS = ["a red dog runs", "two cats sleep on a boat", "a small plane", "the blue truck"]


@dataclass(frozen=True)
class Case:
    """How one model is built small, made ready, fed and asked."""

    config: Callable[[], ZooConfig]
    prepare: Callable[[Any], None]
    batch: Callable[[Any], dict[str, Any]]
    inputs: Callable[[Any], dict[str, list[Any]]]
    ask: Callable[[Any, str, Any], Tensor]


def tiny_config(slug: str) -> ZooConfig:
    return CASES[slug].config()


def prepare(slug: str, model: ZooModule) -> None:
    CASES[slug].prepare(model)


def training_batch(slug: str, config: ZooConfig) -> dict[str, Any]:
    torch.manual_seed(1)
    return CASES[slug].batch(config)


def outputs(slug: str, model: ZooModule) -> dict[str, Tensor]:
    return several(slug, model)


def several(slug: str, model: ZooModule) -> dict[str, Tensor]:
    case = CASES[slug]
    return {name: case.ask(model, name, items) for name, items in _inputs(slug, model).items()}


def one_by_one(slug: str, model: ZooModule) -> dict[str, Tensor]:
    case = CASES[slug]
    return {
        name: torch.cat([case.ask(model, name, item) for item in items])
        for name, items in _inputs(slug, model).items()
    }


def _inputs(slug: str, model: ZooModule) -> dict[str, list[Any]]:
    torch.manual_seed(2)
    return CASES[slug].inputs(model.config)


WITHOUT_CASE = {
    "ge2e": "a judge with official weights: no task protocol, no training; see its parity test",
    "syncnet": "a judge with official weights: no task protocol, no training; see its parity test",
}

# SpeechCLIP


def speechclip_config() -> ZooConfig:
    from zoo.models.speechclip.config import SpeechCLIPConfig

    return SpeechCLIPConfig.preset("tiny", {"clip.vocab_size": len(reduced_ids(CAPTIONS))})


def speechclip_batch(config: Any) -> dict[str, Any]:
    size, lengths = config.clip.image_size, torch.tensor([8000, 7000, 6000, 8000])
    wav = torch.randn(4, 8000) * 0.1
    wav[torch.arange(8000) >= lengths[:, None]] = 0
    return {
        "wav": wav,
        "wav_len": lengths,
        "image": torch.randn(4, 3, size, size),
        "id": torch.tensor([0, 1, 2, 0]),
        "caption": CAPTIONS,
    }


# recognisers with sub-words: AV-HuBERT, AKVSR, LMDecoder

SENTENCES = ["TINA SEES THE SEA", "LEO HAS A PEAR", "NINA BUYS IT", "OMAR SELLS THE TEA"]


def clips_batch(config: Any) -> dict[str, Any]:
    frames = torch.tensor([12, 16, 20, 18])
    video = torch.randn(4, 20, 88, 88)
    video[torch.arange(20) >= frames[:, None]] = 0
    return {
        "video": video,
        "video_len": frames,
        "audio": torch.randn(4, 20 * 640) * 0.1,
        "audio_len": frames * 640,
        "text": SENTENCES,
        "id": ["a", "b", "c", "d"],
    }


def clip_items(batch: dict[str, Any]) -> list[dict[str, Any]]:
    """The utterances of a batch, as a dataset gives them."""
    return [
        {
            "id": batch["id"][k],
            "video": batch["video"][k, : batch["video_len"][k]],
            "audio": batch["audio"][k, : batch["audio_len"][k]],
            "text": batch["text"][k],
        }
        for k in range(len(batch["id"]))
    ]


def give_subwords(model: Any) -> None:
    from zoo.text.subwords import MODEL_FILE, train_subwords

    texts = [text.lower() for text in SENTENCES]
    model.side_files[MODEL_FILE] = train_subwords(texts, 40)


def avhubert_config() -> ZooConfig:
    from zoo.models.avhubert.config import AVHuBERTModelConfig

    small = {f"iteration{k}.task.num_clusters": [8] for k in (1, 2)}
    return AVHuBERTModelConfig.preset("tiny", {"search.beam": 2, **small})


def prepare_avhubert(model: Any) -> None:
    give_subwords(model)
    if model.stage != "finetune":
        torch.manual_seed(1)
        model.prepare_targets(clip_items(clips_batch(model.config)), 4)


def transcripts(model: Any, videos: Any) -> Tensor:
    """What a list of transcripts says, as numbers."""
    found = model.transcribe(videos)
    found = found if isinstance(found, list) else [found]
    return torch.tensor([[len(one.text), round(one.score, 3)] for one in found])


CASES: dict[str, Case] = {
    "avhubert": Case(
        config=avhubert_config,
        prepare=prepare_avhubert,
        batch=clips_batch,
        inputs=lambda config: {
            "transcribe": [torch.randint(0, 256, (n, 3, 96, 96)).byte() for n in (5, 9, 7)]
        },
        ask=lambda model, name, items: transcripts(model, items),
    ),
    "speechclip": Case(
        config=speechclip_config,
        prepare=lambda model: model.adopt_vocabulary(torch.tensor(reduced_ids(CAPTIONS))),
        batch=speechclip_batch,
        inputs=lambda config: {
            "embed_speech": [torch.randn(n) * 0.1 for n in (5000, 9000, 7001)],
            "embed_image": [torch.rand(3, h, 80) for h in (64, 50, 120)],
            "encode_text": CAPTIONS[:3],
        },
        ask=lambda model, name, items: getattr(model, name)(items),
    ),
}
