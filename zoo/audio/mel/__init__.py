"""Mel front-ends by name, each exactly as one family of models was trained with it.

| name | rate | frame / hop | bands | models |
|---|---|---|---|---|
| `tacotron16k` | 16000 | 640 / 160 | 80 | Lip2Speech-Unit, DiffV2S, V2SFlow, AlignDiT |
| `hifigan16k` | 16000 | 1024 / 256 | 80 | loss of the unit vocoders |
| `hifigan22k` | 22050 | 1024 / 256 | 80 | HiFi-GAN |
| `vocos24k_f5` | 24000 | 1024 / 256 | 100 | F5-TTS with Vocos |
| `vocos24k` | 24000 | 1024 / 256 | 100 | the Vocos package itself (lower floor) |
| `bigvgan24k` | 24000 | 1024 / 256 | 100 | BigVGAN v2 |
| `wav2lip` | 16000 | 800 / 200 | 80 | Wav2Lip, SyncTalkFace, CALS, TAEM, Speech2Lip |
| `wav2lip_constant` | 16000 | 800 / 200 | 80 | the same code with librosa 0.10 or later |
| `ge2e` | 16000 | 400 / 160 | 40 | GE2E speaker encoder (power, no logarithm) |

A model trained on one cannot use another, even where the shapes agree.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial

from zoo.audio.mel.filterbank import mel_filterbank
from zoo.audio.mel.front_end import MelConfig, MelFrontEnd
from zoo.audio.mel.wav2lip import Wav2LipMel
from zoo.errors import ConfigError

_HIFIGAN = partial(MelConfig, n_fft=1024, hop_length=256, padding=384, log_floor=1e-5)
_VOCOS = partial(
    MelConfig,
    sample_rate=24_000,
    n_fft=1024,
    hop_length=256,
    num_mels=100,
    scale="htk",
    unit_area=False,
    padding=512,
)
CONFIGS: dict[str, MelConfig] = {
    "tacotron16k": MelConfig(
        sample_rate=16_000,
        n_fft=640,
        hop_length=160,
        num_mels=80,
        max_hz=8000.0,
        padding=320,
        log_floor=1e-5,
        transform="matrix",
    ),
    "hifigan16k": _HIFIGAN(sample_rate=16_000, num_mels=80, max_hz=8000.0, epsilon=1e-9),
    "hifigan22k": _HIFIGAN(sample_rate=22_050, num_mels=80, max_hz=8000.0, epsilon=1e-9),
    "vocos24k_f5": _VOCOS(log_floor=1e-5),
    "vocos24k": _VOCOS(log_floor=1e-7),
    "bigvgan24k": _HIFIGAN(sample_rate=24_000, num_mels=100, epsilon=1e-9),
    # librosa 0.11 (metrics guide, section 7b): the centred transform pads zeros
    "ge2e": MelConfig(
        sample_rate=16_000,
        n_fft=400,
        hop_length=160,
        num_mels=40,
        padding=200,
        pad_mode="constant",
        power=2,
    ),
}
_BUILDERS: dict[str, Callable[[], MelFrontEnd]] = {
    "wav2lip": Wav2LipMel,
    "wav2lip_constant": partial(Wav2LipMel, pad_mode="constant"),
    **{name: partial(MelFrontEnd, config) for name, config in CONFIGS.items()},
}
MEL_FRONT_ENDS = tuple(sorted(_BUILDERS))


def mel_front_end(name: str) -> MelFrontEnd:
    """Build a front-end of the table above.

    Raises:
        ConfigError: the name is not in `MEL_FRONT_ENDS`.
    """
    if name not in _BUILDERS:
        near = get_close_matches(name, MEL_FRONT_ENDS, n=3) or MEL_FRONT_ENDS
        raise ConfigError(f"unknown mel front-end {name!r}; did you mean {', '.join(near)}?")
    return _BUILDERS[name]()


__all__ = [
    "CONFIGS",
    "MEL_FRONT_ENDS",
    "MelConfig",
    "MelFrontEnd",
    "Wav2LipMel",
    "mel_filterbank",
    "mel_front_end",
]
