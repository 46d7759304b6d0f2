"""Metrics of generated speech that is first transcribed: ASR-WER, ASR-CER, ASR-BLEU.

The recogniser decides as much as the model does, so it is part of every figure's name, with its
revision in the details. Decoding is deterministic: temperature 0, a stated beam, a fixed language,
no voice activity detection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from zoo.errors import MediaError
from zoo.metrics.base import Row
from zoo.metrics.bleu import BLEU
from zoo.metrics.cer import CER
from zoo.metrics.values import Samples
from zoo.metrics.wer import WER
from zoo.tasks import SpeechLike

log = logging.getLogger(__name__)

DEFAULT_JUDGE = "openai/whisper-large-v3"
_WHISPER_SECONDS = 30.0
Transcriber = Callable[[SpeechLike], str]


class SpeechRecognizer:
    """A recogniser of transformers (Whisper, or any CTC model), from the Hub's cache or a folder.

    Args:
        source: Hub repository or folder.
        language: what is spoken; Whisper only.
        beam: beams; 1 is greedy. CTC models are greedy always.
        device: where it runs.
    """

    def __init__(
        self, source: str, language: str = "en", beam: int = 1, device: str | None = None
    ) -> None:
        from transformers import AutoConfig, AutoModelForCTC, AutoProcessor
        from transformers import AutoModelForSpeechSeq2Seq as Seq2Seq

        config: Any = AutoConfig.from_pretrained(source, local_files_only=True)
        self._seq2seq = bool(config.is_encoder_decoder)
        kind: Any = Seq2Seq if self._seq2seq else AutoModelForCTC
        processor: Any = AutoProcessor
        self._processor = processor.from_pretrained(source, local_files_only=True)
        model = kind.from_pretrained(source, local_files_only=True)
        self._model = model.eval().to(device or "cpu")
        self._options: dict[str, Any] = {"num_beams": int(beam), "do_sample": False}
        if getattr(model.config, "model_type", "") == "whisper" and _multilingual(model):
            self._options |= {"language": language, "task": "transcribe"}

    def __call__(self, speech: SpeechLike) -> str:
        """What is said; longer recordings are read in Whisper's own long form."""
        import torch

        from zoo.audio import as_waveform

        waveform = as_waveform(speech)
        inputs = self._inputs(waveform.numpy())
        with torch.inference_mode():
            if self._seq2seq:
                ids = self._model.generate(**inputs, **self._options)
            else:
                ids = self._model(**inputs).logits.argmax(-1)
        found: str = self._processor.batch_decode(ids, skip_special_tokens=self._seq2seq)[0]
        return found.strip()

    def _inputs(self, samples: Any) -> dict[str, Any]:
        long = self._seq2seq and len(samples) > _WHISPER_SECONDS * 16_000
        more: dict[str, Any] = {"return_attention_mask": True} if self._seq2seq else {}
        if long:
            more |= {"truncation": False, "padding": "longest"}
            self._options |= {"return_timestamps": True, "temperature": 0.0}
        found = self._processor(samples, sampling_rate=16_000, return_tensors="pt", **more)
        return {name: value.to(self._model.device) for name, value in found.items()}


def _multilingual(model: Any) -> bool:
    return bool(getattr(model.generation_config, "is_multilingual", False))


class _Judged:
    """What the three metrics share: the recogniser, its name and its transcripts."""

    judge: str | None
    requires: tuple[str, ...]

    def _set_judge(self, judge: str | Path, language: str, beam: int, device: str | None) -> None:
        self.source, self.language, self.beam = str(judge), language, int(beam)
        self.device = device
        self.judge = self.source
        self.requires = ()
        self._transcribe: Transcriber | None = None

    def available(self) -> str | None:
        """Needs the recogniser in the Hub's cache (or a zoo recogniser on this machine)."""
        if self._transcribe is not None or Path(self.source).is_dir():
            return None
        if "/" not in self.source:
            from zoo.metrics.judges import lacking

            return lacking(self.source)
        from huggingface_hub import try_to_load_from_cache

        if isinstance(try_to_load_from_cache(self.source, "config.json"), str):
            return None
        return f"the judge {self.source} is not in the Hub's cache; run `hf download {self.source}`"

    def setup(self) -> None:
        """Load the recogniser: one of the zoo (by its catalogue name) or one of transformers."""
        if "/" in self.source and not (Path(self.source) / "model.safetensors").is_file():
            self.use(SpeechRecognizer(self.source, self.language, self.beam, self.device))
            return
        import zoo

        try:
            model: Any = zoo.from_pretrained(self.source, device=self.device)
        except Exception as error:
            if not Path(self.source).is_dir():
                raise
            log.info("%s is no zoo checkpoint (%s); read by transformers", self.source, error)
            self.use(SpeechRecognizer(self.source, self.language, self.beam, self.device))
            return
        self.use(lambda speech: str(model.transcribe(None, speech).text))

    def use(self, transcribe: Transcriber) -> None:
        """Judge with a function from speech to text."""
        self._transcribe = transcribe

    def transcripts(self, data: Samples) -> Samples:
        """The samples with the speech replaced by what the judge hears; None where it failed."""
        if self._transcribe is None:
            self.setup()
        return [(id_, cluster, self._heard(id_, p), r) for id_, cluster, p, r in data]

    def _heard(self, id_: str, speech: SpeechLike | None) -> str | None:
        assert self._transcribe is not None
        if speech is None:
            return None
        try:
            return self._transcribe(speech)
        except MediaError as error:
            log.warning("%s cannot be transcribed: %s", id_, error)
            return None

    def judge_options(self) -> dict[str, str]:
        """What belongs to the figure's name."""
        beam = {"beam": str(self.beam)} if self.beam > 1 else {}
        return {"asr": Path(self.source).name, **beam}


class ASRWER(_Judged, WER):
    """WER of generated speech, as a recogniser hears it."""

    name: ClassVar[str] = "asr_wer"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "word error rate of generated speech by a recogniser"
    needs: ClassVar[tuple[str, ...]] = ("speech", "reference_text")

    def __init__(
        self,
        normalizer: str = "lrs@1",
        judge: str | Path = DEFAULT_JUDGE,
        language: str = "en",
        beam: int = 1,
        device: str | None = None,
    ) -> None:
        WER.__init__(self, normalizer)
        self._set_judge(judge, language, beam, device)

    def rows(self, data: Samples) -> list[Row]:
        """One row a sample; speech that cannot be heard counts as silence."""
        return WER.rows(self, self.transcripts(data))

    def options(self) -> dict[str, str | None]:
        """Judge and normaliser."""
        return {**WER.options(self), **self.judge_options()}


class ASRCER(_Judged, CER):
    """CER of generated speech, as a recogniser hears it."""

    name: ClassVar[str] = "asr_cer"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "character error rate of generated speech by a recogniser"
    needs: ClassVar[tuple[str, ...]] = ("speech", "reference_text")

    def __init__(
        self,
        normalizer: str = "lrs@1",
        spaces: bool = True,
        judge: str | Path = DEFAULT_JUDGE,
        language: str = "en",
        beam: int = 1,
        device: str | None = None,
    ) -> None:
        CER.__init__(self, normalizer, spaces)
        self._set_judge(judge, language, beam, device)

    def rows(self, data: Samples) -> list[Row]:
        """One row a sample; speech that cannot be heard counts as silence."""
        return CER.rows(self, self.transcripts(data))

    def options(self) -> dict[str, str | None]:
        """Judge, normaliser and convention."""
        return {**CER.options(self), **self.judge_options()}


class ASRBLEU(_Judged, BLEU):
    """BLEU of translated speech, as a recogniser of the target language hears it.

    Both texts lose case and punctuation first, since recognisers write none.
    """

    name: ClassVar[str] = "asr_bleu"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "corpus BLEU of generated speech by a recogniser"
    needs: ClassVar[tuple[str, ...]] = ("speech", "reference_text")

    def __init__(
        self,
        normalizer: str = "strip_punct@1",
        judge: str | Path = DEFAULT_JUDGE,
        language: str = "en",
        beam: int = 1,
        tokenize: str = "13a",
        device: str | None = None,
    ) -> None:
        BLEU.__init__(self, normalizer, tokenize)
        self._set_judge(judge, language, beam, device)

    def available(self) -> str | None:
        """Needs sacrebleu and the recogniser."""
        return BLEU.available(self) or _Judged.available(self)

    def setup(self) -> None:
        """Load both."""
        BLEU.setup(self)
        if self._transcribe is None:
            _Judged.setup(self)

    def rows(self, data: Samples) -> list[Row]:
        """One row a sample; speech that cannot be heard counts as silence."""
        return BLEU.rows(self, self.transcripts(data))

    def options(self) -> dict[str, str]:
        """The judge."""
        return self.judge_options()
