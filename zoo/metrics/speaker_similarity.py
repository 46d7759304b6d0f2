"""Speaker similarity: cosine of the speaker vectors of generated and original speech.

Every encoder has a scale of its own and they must not be compared, so its name is part of the
figure:

| encoder | network | status |
|---|---|---|
| `ge2e` | Resemblyzer's, SECS in several papers; 0..1, no vector has negative coordinates | proved |
| `wavlm_ecapa` | WavLM-Large and ECAPA-TDNN of UniSpeech, SIM-o of speech synthesis | unverified |
| `xvector` | WavLM Base+ and x-vectors through transformers | unverified |

`unverified`: nothing here can prove that the published numbers come out.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from zoo.metrics.judges import lacking
from zoo.metrics.values import MeanMetric, Quantity
from zoo.metrics.wavlm_ecapa import FILE, WavLMECAPA
from zoo.metrics.wavlm_ecapa import lacking as wavlm_ecapa_lacking
from zoo.tasks import SpeechLike

if TYPE_CHECKING:
    from torch import Tensor

GE2E_SOURCE = "ge2e.resemblyzer"
XVECTOR_SOURCE = "microsoft/wavlm-base-plus-sv"
ENCODERS = ("ge2e", "wavlm_ecapa", "xvector")


class Encoder(Protocol):
    """Anything that turns a recording into a vector (D,)."""

    def embed(self, speech: SpeechLike) -> Tensor:
        """The vector."""
        ...


def cosine(first: Tensor, second: Tensor) -> float:
    """Cosine of two vectors (D,)."""
    from torch.nn import functional as F

    return float(F.cosine_similarity(first.double(), second.double(), dim=0))


class SpeakerSimilarity(MeanMetric):
    """Similarity of the voice to that of the reference recording.

    Args:
        encoder: one of `ENCODERS`.
        judge: another checkpoint of that encoder; `wavlm_ecapa` has no other way to be found than
            this path and the environment variable `ZOO_WAVLM_ECAPA`.
        device: where the encoder runs.
    """

    name: ClassVar[str] = "speaker_similarity"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "cosine of the speaker vectors of generated and original speech"
    needs: ClassVar[tuple[str, ...]] = ("speech", "reference_speech")
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(
        self, encoder: str = "ge2e", judge: str | Path | None = None, device: str | None = None
    ) -> None:
        if encoder not in ENCODERS:
            raise TypeError(f"encoder {encoder!r}: use one of {', '.join(ENCODERS)}")
        self.encoder, self.device = encoder, device
        self._given = None if judge is None else str(judge)
        defaults = {"ge2e": GE2E_SOURCE, "wavlm_ecapa": FILE, "xvector": XVECTOR_SOURCE}
        self.source = self._given or defaults[encoder]
        self.judge = self.source
        self.requires = (self.source,) if encoder == "ge2e" else ()
        self._network: Encoder | None = None

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """One cosine."""
        options = {"enc": self.encoder, "judge": Path(self.source).name}
        return (Quantity("speaker_similarity", "speaker similarity", self.unit, True, options),)

    def available(self) -> str | None:
        """Needs the encoder's weights; `ge2e` also the voice activity detector."""
        if self._network is not None:
            return None
        if self.encoder == "wavlm_ecapa":
            return wavlm_ecapa_lacking(self._given)
        if self.encoder == "xvector":
            return _xvector_lacking(self.source)
        from zoo.nn.ge2e import vad_lacking

        if self.source == GE2E_SOURCE and find_spec("resemblyzer"):
            return vad_lacking()
        return vad_lacking() or lacking(self.source)

    def setup(self) -> None:
        """Load the encoder."""
        if self.encoder == "xvector":
            self.use(_XVector(self.source, self.device))
            return
        if self.encoder == "wavlm_ecapa":
            self.use(WavLMECAPA(self._given, self.device))
            return
        from zoo.models.ge2e.module import SpeakerEncoder

        if self.source == GE2E_SOURCE and find_spec("resemblyzer"):
            self.use(SpeakerEncoder.from_package().to(self.device or "cpu"))
        else:
            self.use(SpeakerEncoder.from_pretrained(self.source, device=self.device))

    def use(self, network: Encoder) -> None:
        """Judge with an encoder that is loaded already."""
        self._network = network

    def score_sample(self, prediction: SpeechLike, reference: SpeechLike) -> dict[str, float]:
        """Cosine of one pair, each recording in full.

        Raises:
            MediaError: a recording cannot be read, or no voice is found in it.
        """
        if self._network is None:
            self.setup()
        assert self._network is not None
        vectors = [self._network.embed(speech) for speech in (prediction, reference)]
        return {"speaker_similarity": cosine(vectors[0], vectors[1])}

    def details(self) -> dict[str, Any]:
        """How much the number can be trusted."""
        if self.encoder == "ge2e":
            return {"encoder": "GE2E", "vad": "webrtc mode 3", "stft_padding": "zeros"}
        names = {"wavlm_ecapa": "WavLM-Large + ECAPA-TDNN", "xvector": "WavLM Base+ x-vector"}
        return {"encoder": names[self.encoder], "status": "unverified", "vad": None}


def _xvector_lacking(source: str) -> str | None:
    if Path(source).is_dir():
        return None
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(source, "config.json"), str):
        return None
    return f"the judge {source} is not in the Hub's cache; run `hf download {source}`"


class _XVector:
    """x-vectors of transformers (`WavLMForXVector`)."""

    def __init__(self, source: str, device: str | None) -> None:
        from transformers import AutoFeatureExtractor, WavLMForXVector

        extractor: Any = AutoFeatureExtractor
        self._prepare = extractor.from_pretrained(source, local_files_only=True)
        model: Any = WavLMForXVector.from_pretrained(source, local_files_only=True)
        self._model = model.eval().to(device or "cpu")

    def embed(self, speech: SpeechLike) -> Tensor:
        """Vector (512,) of a recording."""
        import torch

        from zoo.audio import as_waveform

        inputs = self._prepare(
            as_waveform(speech, 16_000).numpy(), sampling_rate=16_000, return_tensors="pt"
        )
        with torch.inference_mode():
            found = self._model(inputs["input_values"].to(self._model.device))
        vector: Tensor = found.embeddings[0]
        return vector.cpu()
