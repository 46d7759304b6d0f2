"""What the catalogue must hold: the papers, and the places their weights are handed out from."""

from __future__ import annotations

PAPERS = [
    "speechclip",
    "im2sp",
    "av_relscore",
    "akvsr",
    "lmdecoder",
    "lrs_voxmm",
    "lip2speech_unit",
    "diffv2s",
    "v2sflow",
    "hier_v2s",
    "aligndit",
    "voicecraft_dub",
    "diflowdubber",
    "mtp_codec",
    "utut",
    "dub_s2st",
    "av2av",
    "mavflow",
    "synctalkface",
    "cals",
    "taem",
    "speech2lip",
    "arlon",
    "sign_subtitle",
]
BLOCKS = [
    "avhubert",
    "hubert_units",
    "unit_vocoder",
    "neural_codec",
    "flow_matching",
    "wav2lip_syncnet",
    "syncnet",
    "ge2e",
]

# Every place that the papers' own pages and repositories hand weights out from.
DRIVE_IDS = {
    "aligndit.lrs3": "1gDRpB-5UKYy3NDz6uysNNMZQ25leXLrV",
    "aligndit.pretrain-librispeech": "1-LddbcvUQmPOy_iLJ7I85eaMaYx1kgav",
    "av2av.encoder-mavhubert-large": "18qiZkzrhDtaaleUPiOXf8WDKS9ZumUTa",
    "av2av.renderer-5lang": "1KhtkV8TkdE_GBhLQy-CQKJpfJThQr1P4",
    "av2av.translator-5lang": "12kNqrl2EuqkDwUvekib7_Ou7fUwUnYBU",
    "av_relscore.babble-noise": "15CSWCYz12CIsgFeDT139CiCc545jhbyK",
    "av_relscore.lrs2": "157fsllT8pldpuCFtVTRYUNd1yK5AoE-b",
    "av_relscore.lrs3": "159gCUDJAKDIYchS5iNXQ1M5pHnPGIIDd",
    "av_relscore.vcafe-lrs2": "1509xCvaMgMwtfJxE04zPgWRgiYgy3fFD",
    "av_relscore.vcafe-lrs3": "1539Td4FaBCta-1KOCKEz1QovAlzx-DkO",
    "im2sp.image": "10D5mWP0fCTZsb0yvxz0G-SevjwH0QkTh",
    "im2sp.image-units": "107OPU-W66jCWux430AL4hCVGmmULYYpY",
    "im2sp.vocoder": "15MVGWCfvt_ZjQwBR4sizQKFMb5NPQ3Qy 15MOiXjrUJJHMdIF6bxCWIxvWwUw6z7Kj",
    "lip2speech_unit.lrs2-avhubert": "1meL4ZrSLgFEe0xh1yvejQxXunE88dvDf",
    "lip2speech_unit.lrs2-scratch": "1aTv0e-TjD9AsVeijomCw_zAZxzE8Lhv-",
    "lip2speech_unit.lrs2-vocoder": "1tzI-LdOauWr6VC3zMHuL-HZcQu_QTCqX",
    "lip2speech_unit.lrs2-vocoder-aug": "1WEZM0ICZdnafaC8ASwzIKMp_6fgUlYrs",
    "lip2speech_unit.lrs3-avhubert": "1oS80l6zpIfMTVKwvaHUSOC9ByjzGibSp",
    "lip2speech_unit.lrs3-scratch": "1sFtoczuEmQaQXszCadCnNn6Itiohn5bN",
    "lip2speech_unit.lrs3-vocoder": "1WdbOFwUy-0eGvK2vT691ZsbqRAN9_Tgw",
    "lip2speech_unit.lrs3-vocoder-aug": "13zimLyyXluQ2RuXbBk2b3S9LnBnfLptj",
    "sign_subtitle.sat-bobsl": "1GNIm1XXRDQNFNGZVbqFcyVTZo3dFzOlD",
    "speech2lip.face-parsing": "154JgKpzCPW82qINcVieuPH3fZ2e0P812",
    "utut.sts": "1MEETNogbSgmqkhvzIO4SRSbh0o0dV-Sr",
    "utut.tts": "17CqXLMftL0BBaa_GAbLLzYPDTDRzpbma",
    "utut.ttst": "1etg6FMqIh3uaimaVpEuLVvBA8Rluh57Q",
    "utut.vocoder-de": "1l7s9NWjc8vRQnVGspL7c13cQD6PHIZLy 1n55q_-9Ea72BDVIUPCH4ynjXAZaEjnv8",
    "utut.vocoder-it": "1--j3LGnxmEdyb-urT0hilbXsOX66B0g_ 1bkHMa4ZG5OqH5_TLZJguFAa-VButFBxb",
    "utut.vocoder-nl": "1j2DI--8S-qxn_10_p2kQOsvIlO2ArjsO 188mZhUeuyF1fNcN7pnx3oqhbim5LJ_fC",
    "voicecraft_dub.codec": "1_l7UGSrVZuwjy5JEQbTGtJdp0jTMytGL",
    "voicecraft_dub.init-giga830m": "1-yGRxsC_C9DFJPYPHtClRurDtczxlq-U",
    "voicecraft_dub.landmarks": "1ALDnUXrmJ0W7J1UjmmupXsugG3s89tem",
    "voicecraft_dub.lrs3-celebvdub": "1HKsGQ4KyCpm2MJfaO3leYDi_9Ea7oKlL",
    "wav2lip_syncnet.discriminator": "1I-0dNLfFOSFwrfqjNa-SXuwaURHE5K4k",
    "wav2lip_syncnet.expert": "1I-0dNLfFOSFwrfqjNa-SXuwaURHE5K4k",
    "wav2lip_syncnet.wav2lip": "153HLrqlBNxzZcHi17PEvP09kkAfzRshM",
    "wav2lip_syncnet.wav2lip-gan": "15G3U08c8xsCkOqQxE38Z2XXDnPcOptNk",
}
HUB_REPOS = {
    "arlon.backbone-opensora-v12": "hpcai-tech/OpenSora-STDiT-v3",
    "arlon.text-t5-xxl": "DeepFloyd/t5-v1_1-xxl",
    "arlon.vae-opensora-v12": "hpcai-tech/OpenSora-VAE-v1.2",
    "arlon.vae-sdxl": "PixArt-alpha/pixart_sigma_sdxlvae_T5_diffusers",
    "flow_matching.bigvgan-v2-24khz": "nvidia/bigvgan_v2_24khz_100band_256x",
    "flow_matching.f5tts-v1-base": "SWivid/F5-TTS",
    "flow_matching.vocos-24khz": "charactr/vocos-mel-24khz",
    "hubert_units.hubert-base-hub": "facebook/hubert-base-ls960",
    "hubert_units.hubert-large-hub": "facebook/hubert-large-ll60k",
    "im2sp.init-git-large": "microsoft/git-large",
    "im2sp.init-git-large-coco": "microsoft/git-large-coco",
    "judge.wav2vec2-large-960h": "facebook/wav2vec2-large-960h-lv60-self",
    "judge.whisper-large-v3": "openai/whisper-large-v3",
    "neural_codec.encodec-16khz-4x2048": "pyp1/VoiceCraft",
    "neural_codec.facodec": "amphion/naturalspeech3_facodec",
    "speechclip.plus": "ShampooWang/speechclip_plus",
    "unit_vocoder.en-mhubert-l11-km1000-hub": (
        "facebook/unit_hifigan_mhubert_vp_en_es_fr_it3_400k_layer11_km1000_lj_dur"
    ),
    "unit_vocoder.es-mhubert-l11-km1000-hub": (
        "facebook/unit_hifigan_mhubert_vp_en_es_fr_it3_400k_layer11_km1000_es_css10_dur"
    ),
    "unit_vocoder.hokkien-hubert-l12-km2500-hub": (
        "facebook/unit_hifigan_HK_layer12.km2500_frame_TAT-TTS"
    ),
}
META = "https://dl.fbaipublicfiles.com"
CODE_HIFIGAN = f"{META}/fairseq/speech_to_speech/vocoder/code_hifigan"
ADDRESSES = {
    "aligndit.vocoder-lrs3": "ckpts/hifigan_16k_LRS3/g_01000000",
    "av2av.speaker-encoder": "unit2av/encoder.pt",
    "avhubert.base-lrs3-vsr-433h": f"{META}/avhubert/model/lrs3/vsr/base_lrs3_433h.pt",
    "avhubert.large-lrs3-clean": "lrs3/clean-pretrain/large_lrs3_iter5.pt",
    "avhubert.large-vox-avsr-433h": "lrs3_vox/avsr/large_noise_pt_noise_ft_433h.pt",
    "avhubert.large-vox-clean": "lrs3_vox/clean-pretrain/large_vox_iter5.pt",
    "avhubert.large-vox-noise": "lrs3_vox/noise-pretrain/large_vox_iter5.pt",
    "avhubert.large-vox-vsr-433h-selftrain": "lrs3_vox/vsr/self_large_vox_433h.pt",
    "hubert_units.hubert-base": f"{META}/hubert/hubert_base_ls960.pt",
    "hubert_units.hubert-base-l6-km200": "textless_nlp/gslm/hubert/km200/km.bin",
    "hubert_units.hubert-base-l9-km500": f"{META}/hubert/hubert_base_ls960_L9_km500.bin",
    "hubert_units.mhubert-base": f"{META}/hubert/mhubert_base_vp_en_es_fr_it3.pt",
    "hubert_units.mhubert-base-l11-km1000": "mhubert_base_vp_en_es_fr_it3_L11_km1000.bin",
    "im2sp.tokenizer-seit": "SeiT_weights.tar",
    "lmdecoder.units-en": "zxnycpjlffd18ok5bg7ob",
    "lmdecoder.vsr-pt": "6fakwmi26c8j9ujhqk4f1",
    "speech2lip.may": "EfeX4SgNRLxMtjqfScSqjTIBxG-d8AmllrQP9arwiSu1sA",
    "syncnet.s3fd": "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/sfd_face.pth",
    "syncnet.v2": "http://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model",
    "unit_vocoder.en-hubert-l6-km100": f"{CODE_HIFIGAN}/hubert_base_100_lj/g_00500000",
    "unit_vocoder.fr-mhubert-l11-km1000": (
        f"{CODE_HIFIGAN}/mhubert_vp_en_es_fr_it3_400k_layer11_km1000_fr_css10/config.json"
    ),
    "wav2lip_syncnet.s3fd": "https://www.adrianbulat.com/downloads/python-fan/s3fd-619a316812.pth",
}
AVHUBERT_FILES = [
    "base_vox_iter5.pt",
    "large_vox_iter5.pt",
    "base_lrs3_iter5.pt",
    "large_lrs3_iter5.pt",
    "base_vox_433h.pt",
    "large_vox_433h.pt",
    "self_large_vox_433h.pt",
    "base_vox_30h.pt",
    "large_vox_30h.pt",
    "self_large_vox_30h.pt",
    "base_lrs3_433h.pt",
    "base_lrs3_30h.pt",
    "large_lrs3_433h.pt",
    "large_lrs3_30h.pt",
    "base_noise_pt_noise_ft_433h.pt",
    "large_noise_pt_noise_ft_433h.pt",
    "base_noise_pt_noise_ft_30h.pt",
    "large_noise_pt_noise_ft_30h.pt",
]
SPEECHCLIP_FILES = {
    "base-flickr8k-cascaded": "base/flickr/cascaded/epoch_58-step_6902-val_recall_mean_1_7.7700",
    "base-flickr8k-parallel": "base/flickr/parallel/epoch_131-step_15443-val_recall_mean_1_36.0100",
    "large-flickr8k-cascaded": (
        "large/flickr/cascaded/epoch_187-step_21995-val_recall_mean_10_62.7700"
    ),
    "large-flickr8k-parallel": "large/flickr/parallel/epoch_56-step_6668-val_recall_mean_10_89.0000",
    "large-spokencoco-cascaded": (
        "large/coco/cascaded/epoch_12-step_28794-val_recall_mean_10_36.1455"
    ),
    "large-spokencoco-parallel": (
        "large/coco/parallel/epoch_14-step_33224-val_recall_mean_10_84.0128"
    ),
}
