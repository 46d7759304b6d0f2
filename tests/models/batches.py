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
    manual_stages: tuple[str, ...] = ()
    """Stages with optimizers of their own, whose steps need a Trainer: their tests train them."""


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
    "char_lm": "scores texts for a beam search: no task protocol, no training; see its parity test",
    "hubert_units": "speech to units: no task protocol; see test_hubert_units",
    "mel_vocoder": "mel to speech: no task protocol; see test_vocoders",
    "unit_vocoder": "units to speech: no task protocol; see test_vocoders",
    "judge_landmarks": "a landmark detector: no task protocol; see test_judge_landmarks",
    "judge_syncnet": "a judge of lips and sound: no task protocol; see test_judge_syncnet",
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

    few = {f"iteration{k}.task.num_clusters": [8] for k in (1, 2)}
    encoder = AVHuBERTModelConfig.preset("tiny", few)
    # all stages in one, as in the preset base_lrs3
    own = {"search.beam": 2, "pretrained": None, **encoder.iterations}
    return AVHuBERTModelConfig.preset("tiny_s2s", own)


def prepare_avhubert(model: Any) -> None:
    give_subwords(model)
    if model.stage != "finetune":
        torch.manual_seed(1)
        model.prepare_targets([clip_items(clips_batch(model.config))], 4)


def akvsr_config() -> ZooConfig:
    from zoo.models.akvsr.config import AKVSRConfig

    return AKVSRConfig.preset("tiny", {"search.beam": 2, "memory.num_slots": 8, "memory.size": 12})


def prepare_akvsr(model: Any) -> None:
    give_subwords(model)
    torch.manual_seed(1)
    model.network.set_memory(torch.randn(8, 12))


def lmdecoder_config() -> ZooConfig:
    from zoo.models.lmdecoder.config import LMDecoderConfig

    return LMDecoderConfig.preset("tiny", {"search.beam": 2, "num_units": 10})


def prepare_lmdecoder(model: Any) -> None:
    give_subwords(model)
    draw = torch.Generator().manual_seed(1)
    model._units = {id_: torch.randint(1, 11, (9,), generator=draw) for id_ in "abcd"}


def clips(lengths: tuple[int, ...]) -> list[Tensor]:
    return [torch.randint(0, 256, (n, 3, 96, 96)).byte() for n in lengths]


def transcripts(model: Any, videos: Any) -> Tensor:
    """What a list of transcripts says, as numbers."""
    found = model.transcribe(videos)
    found = found if isinstance(found, list) else [found]
    return torch.tensor([[len(one.text), round(one.score, 3)] for one in found])


def recogniser(
    config: Callable[[], ZooConfig],
    prepare: Callable[[Any], None],
    batch: Callable[[Any], dict[str, Any]] = clips_batch,
    divisor: float = 1.0,
) -> Case:
    """A model that is asked what clips say; the tolerances are for numbers about one."""
    return Case(
        config=config,
        prepare=prepare,
        batch=batch,
        inputs=lambda config: {"transcribe": clips((5, 9, 7))},
        ask=lambda model, name, items: transcripts(model, items) / divisor,
    )


def judge_asr_batch(config: Any) -> dict[str, Any]:
    lengths = torch.tensor([16000, 12001, 15000])
    audio = torch.randn(3, 16000) * 0.1
    audio[torch.arange(16000) >= lengths[:, None]] = 0
    return {"audio": audio, "audio_len": lengths, "text": ["TINA BUYS A PAN", "A MAN", "AT TEN"]}


def judge_asr_config() -> ZooConfig:
    from zoo.models.judge_asr.config import JudgeASRConfig

    return JudgeASRConfig.tiny()


def text_log_probs(model: Any, name: str, items: Any) -> Tensor:
    """Hundreds: the tolerances of `test_all` are for numbers about one."""
    found = model.transcribe(audio=items)
    return torch.tensor(
        [one.score / 100 for one in (found if isinstance(found, list) else [found])]
    )


def av_relscore_config() -> ZooConfig:
    from zoo.models.av_relscore.config import AVRelScoreConfig

    return AVRelScoreConfig.preset("tiny", {"decoding.beam": 3, "encoder.num_layers": 2})


def av_relscore_batch(config: Any) -> dict[str, Any]:
    batch, size = clips_batch(config), config.input.size
    present = torch.tensor([[True, True], [True, False], [False, True], [True, True]])
    video = batch["video"][..., :size, :size]
    mouth = torch.randn(*video.shape[:2], 2)
    return {**batch, "video": video, "present": present, "mouth": mouth}


# Lip to speech


def lip2speech_config() -> ZooConfig:
    from zoo.models.lip2speech_unit.config import Lip2SpeechUnitConfig

    small = {
        "first.stem_widths": (8, 8, 16, 16),
        "first.conformer.num_layers": 1,
        "lips_source": None,
        "trunk_source": None,
    }
    return Lip2SpeechUnitConfig.preset(
        "tiny", {**small, "vocoder.istft.width": 32, "vocoder.istft.num_blocks": 2}
    )


def lip2speech_batch(config: Any) -> dict[str, Any]:
    lengths = torch.tensor([9, 6])
    video = torch.randn(2, 9, 48, 48)
    video[1, 6:] = 0
    labels = torch.randint(4, 4 + config.first.num_units, (2, 18))
    labels[1, 11], labels[1, 12:] = 2, 1
    mel = torch.randn(2, 36, config.first.num_mels) - 5
    speaker = torch.nn.functional.normalize(torch.rand(2, config.speaker_size), dim=1)
    return {
        "video": video,
        "video_len": lengths,
        "labels": labels,
        "mel": mel,
        "speaker": speaker,
    }


def lip2speech_ask(model: Any, name: str, items: Any) -> Tensor:
    found = model.synthesize(items)
    speeches = found if isinstance(found, list) else [found]
    return torch.cat([speech.waveform for speech in speeches])


# Talking faces


def talking_face_config(slug: str) -> ZooConfig:
    """The smallest that has every part: a width of one channel, and the discriminator."""
    from zoo.models.synctalkface.config import SyncTalkFaceConfig
    from zoo.models.talking_face.config import DiscriminatorConfig, ExpertConfig
    from zoo.models.wav2lip_syncnet.config import GeneratorConfig, Wav2LipConfig

    narrow = (2, 4, 4, 8, 20)  # 20: what the loudness needs
    parts = {
        "expert": ExpertConfig(face_channels=narrow, audio_channels=narrow),
        "discriminator": DiscriminatorConfig(channels=narrow),
        "training.sync_after": 0,
    }
    if slug == "synctalkface":
        sizes = {"width": 1, "training.gan_weight": 0.07, "training.trunk_source": None}
        return SyncTalkFaceConfig.preset("tiny", {**parts, **sizes})
    generator = GeneratorConfig.scaled(1, copy_gate=True)
    weights = {"generator": generator, "training.perceptual_weight": 0.07}
    return Wav2LipConfig.preset("tiny", {**parts, **weights})


def talking_face_batch(config: Any) -> dict[str, Any]:
    size, clips, windows = config.image_size, 2, config.windows
    return {
        "faces": torch.randint(0, 256, (clips, windows, 5, 3, size, size), dtype=torch.uint8),
        "around": torch.randint(0, 256, (clips, 9, 3, size, size), dtype=torch.uint8),
        "reference": torch.randint(0, 256, (clips, 5, 3, size, size), dtype=torch.uint8),
        "window_mel": torch.randn(clips, windows, 1, 80, 16),
        "frame_mel": torch.randn(clips, 5, 1, 80, 16),
        "mouth": torch.randn(clips, windows, 5, 2),
    }


def talking_face_inputs(config: Any) -> dict[str, list[Any]]:
    faces = [torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8) for _ in range(3)]
    lengths = (8000, 3200, 5001)
    return {"animate": [(f, torch.randn(n) * 0.1) for f, n in zip(faces, lengths)]}


def talking_face_ask(model: Any, name: str, items: Any) -> Tensor:
    pairs = items if isinstance(items, list) else [items]
    faces, speeches = [face for face, _ in pairs], [speech for _, speech in pairs]
    films = model.animate(faces, speeches) if len(pairs) > 1 else [model.animate(*items)]
    return torch.cat([film.frames for film in films]).float() / 255


CASES: dict[str, Case] = {
    "lip2speech_unit": Case(
        config=lip2speech_config,
        prepare=lambda model: model.mean_speaker.fill_(0.1),
        batch=lip2speech_batch,
        inputs=lambda config: {
            "synthesize": [
                torch.randint(0, 256, (n, 3, 96, 96), dtype=torch.uint8) for n in (7, 3, 11)
            ]
        },
        ask=lip2speech_ask,
        manual_stages=("vocoder",),
    ),
    **{
        slug: Case(
            config=lambda slug=slug: talking_face_config(slug),
            prepare=lambda model: None,
            batch=talking_face_batch,
            inputs=talking_face_inputs,
            ask=talking_face_ask,
        )
        for slug in ("synctalkface", "wav2lip_syncnet")
    },
    "judge_asr": Case(
        config=judge_asr_config,
        prepare=lambda model: None,
        batch=judge_asr_batch,
        inputs=lambda config: {"transcribe": [torch.randn(n) * 0.1 for n in (9000, 16000, 4001)]},
        ask=text_log_probs,
    ),
    "av_relscore": recogniser(av_relscore_config, lambda model: None, av_relscore_batch, 100),
    "avhubert": recogniser(avhubert_config, prepare_avhubert),
    "akvsr": recogniser(akvsr_config, prepare_akvsr),
    "lmdecoder": recogniser(lmdecoder_config, prepare_lmdecoder),
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
