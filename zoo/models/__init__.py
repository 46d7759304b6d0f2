"""One folder a paper; this table is the only registry of model classes.

The names are literals of this package: a class is never looked up by a string that came out of
a downloaded file.
"""

from __future__ import annotations

from typing import Final

# slug -> (module, class)
MODEL_CLASSES: Final[dict[str, tuple[str, str]]] = {
    "akvsr": ("zoo.models.akvsr.module", "AKVSR"),
    "av_relscore": ("zoo.models.av_relscore.module", "AVRelScore"),
    "avhubert": ("zoo.models.avhubert.module", "AVHuBERTModel"),
    "char_lm": ("zoo.models.char_lm.module", "CharLM"),
    "ge2e": ("zoo.models.ge2e.module", "SpeakerEncoder"),
    "hubert_units": ("zoo.models.hubert_units.module", "HubertUnits"),
    "judge_asr": ("zoo.models.judge_asr.module", "JudgeASR"),
    "judge_landmarks": ("zoo.models.judge_landmarks.module", "JudgeLandmarks"),
    "judge_syncnet": ("zoo.models.judge_syncnet.module", "JudgeSyncNet"),
    "lip2speech_unit": ("zoo.models.lip2speech_unit.module", "Lip2SpeechUnit"),
    "lmdecoder": ("zoo.models.lmdecoder.module", "LMDecoder"),
    "mel_vocoder": ("zoo.models.mel_vocoder.module", "MelVocoder"),
    "speechclip": ("zoo.models.speechclip.module", "SpeechCLIP"),
    "syncnet": ("zoo.models.syncnet.module", "SyncNetJudge"),
    "synctalkface": ("zoo.models.synctalkface.module", "SyncTalkFace"),
    "unit_vocoder": ("zoo.models.unit_vocoder.module", "UnitVocoder"),
    "wav2lip_syncnet": ("zoo.models.wav2lip_syncnet.module", "Wav2Lip"),
}
