"""Which language models are known by name, and their architectures: no network, no heavy import.

Adding a model is one line in `PRESETS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo import pretrained
from zoo.errors import ConfigError, unknown
from zoo.settings.config import STATES

if TYPE_CHECKING:
    from zoo.backbones.states_file import StatesFile

NOW = "main"
"""The hub's word for its newest commit."""
DIRECTION, THREEDI = "::", "3di"
"""After a name and `DIRECTION`: of a model that reads either residues or 3Di letters, the latter.
"""
Family = Literal["esm2", "esmc", "t5", "prost_t5", "ankh", "prot_bert", "saprot"]
"""What models share: the architecture but for its size, the letters, and what is around a chain."""
MIT, AFL, CC_BY_NC_SA = "MIT", "AFL-3.0", "CC-BY-NC-SA-4.0"
"""Licences of weights by their SPDX names, as the model's page or its authors' repository says."""
UNKNOWN_LICENCE = "unknown: see the model's page"
_LAYERS = "layers equal to transformers' output_hidden_states, batched equal to single"
_UNTRIED = "never with these weights, which are tried at their first load"
_AS_THEIRS = f"built tiny: {_LAYERS}, tokens as its authors' tokenizer; {_UNTRIED}"
CHECKED: dict[Family, str] = {
    "esm2": f"{_LAYERS}, tokens as its authors' tokenizer: with random weights, and the trained "
    "ones of plm_mini; never with these weights",
    "esmc": _AS_THEIRS, "t5": _AS_THEIRS, "prost_t5": _AS_THEIRS, "prot_bert": _AS_THEIRS,
    "ankh": f"built tiny: {_LAYERS}, letters read off its own files; {_UNTRIED}",
    "saprot": _AS_THEIRS,
}  # fmt: skip
"""How each family was held against what its authors published."""


@dataclass(frozen=True)
class Preset:
    """A published model: its names, and all that building it with random weights takes."""

    short: str
    hub_id: str
    revision: str
    """Commit of the hub's repository: what the name stands for, today and in ten years; `NOW`
    where no commit could be verified."""
    licence: str
    """Of the weights, by its SPDX name; `UNKNOWN_LICENCE` where it could not be found out."""
    family: Family
    num_layers: int
    width: int
    num_heads: int
    parameters: int
    """Of the encoder alone, counted by building it."""
    sizes: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the architecture."""

    @property
    def official(self) -> str:
        """Name without the organisation."""
        return self.hub_id.split("/")[1]

    @property
    def commercial(self) -> bool | None:
        """Whether the licence allows commercial use; None where the licence is unknown."""
        if self.licence == UNKNOWN_LICENCE:
            return None
        return "-nc-" not in self.licence.lower() and "non-commercial" not in self.licence.lower()

    @property
    def terms(self) -> str:
        """The licence in words that say so if it allows no commercial use."""
        barred = self.commercial is False
        return self.licence + (", which allows no commercial use" if barred else "")


def _esm2(
    size: str, revision: str, num_layers: int, width: int, heads: int, parameters: int
) -> Preset:
    hub_id = f"facebook/esm2_t{num_layers}_{size}_UR50D"
    short = f"esm2_{size.lower()}"
    return Preset(short, hub_id, revision, MIT, "esm2", num_layers, width, heads, parameters)


def _esmc(
    size: str, num_layers: int, width: int, heads: int, inner: int, parameters: int
) -> Preset:
    hub_id, short = f"biohub/ESMC-{size}", f"esmc_{size.lower()}"
    return Preset(
        short, hub_id, NOW, MIT, "esmc", num_layers, width, heads, parameters,
        {"intermediate_size": inner},
    )  # fmt: skip


def _saprot(
    size: str,
    data: str,
    revision: str,
    num_layers: int,
    width: int,
    parameters: int,
    **sizes: float,
) -> Preset:
    short = f"saprot_{size.lower()}" + ("" if data == "AF2" else f"_{data.lower()}")
    return Preset(
        short, f"westlake-repl/SaProt_{size}_{data}", revision, MIT, "saprot", num_layers, width,
        20, parameters, sizes,
    )  # fmt: skip


_DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
PRESETS = (
    _esm2("8M", "c731040fcd8d73dceaa04b0a8e6329b345b0f5df", 6, 320, 20, 7_408_960),
    _esm2("35M", "6fbf070e65b0b7291e7bbcd451118c216cff79d8", 12, 480, 20, 33_269_280),
    _esm2("150M", "a695f6045e2e32885fa60af20c13cb35398ce30c", 30, 640, 20, 147_728_000),
    _esm2("650M", "08e4846e537177426273712802403f7ba8261b6c", 33, 1280, 20, 649_400_320),
    _esm2("3B", "476b639933c8baad5ad09a60ac1a87f987b656fc", 36, 2560, 40, 2_832_442_880),
    _esm2("15B", "5fbca39631164edc1d402a5aa369f982f72ee282", 48, 5120, 40, 15_102_868_480),
    Preset("prot_t5_xl", "Rostlab/prot_t5_xl_half_uniref50-enc",
           "94a6abc029ae13029317b140b7424e012bf8dfbf", AFL, "t5", 24, 1024, 32, 1_208_141_824),
    # Their names hold two layouts of weights, one after the other, and the commits that others pin
    # hold the one that transformers cannot read.
    _esmc("300M", 30, 960, 15, 2560, 332_011_200),
    _esmc("600M", 36, 1152, 18, 3072, 573_632_640),
    _esmc("6B", 80, 2560, 40, 6912, 6_345_280_000),
    Preset("prost_t5", "Rostlab/ProstT5", "d7d097d5bf9a993ab8f68488b4681d6ca70db9e5", MIT,
           "prost_t5", 24, 1024, 32, 1_208_164_352),
    *(Preset(*names, "prot_bert", 30, 1024, 16, 418_881_536) for names in (
        ("prot_bert", "Rostlab/prot_bert", "7a894481acdc12202f0a415dd567f6cfdb698908", AFL),
        ("prot_bert_bfd", "Rostlab/prot_bert_bfd",
         "6c5c8a55a52ff08a664dfd584aa1773f125a0487", AFL),
        ("igbert", "Exscientia/IgBert", "81a4abb8a4dac5cdcbefc28e5b331a82224c485d", MIT),
        ("igbert_unpaired", "Exscientia/IgBert_unpaired",
         "53ed1be4a09fd30ef3f21ba0c8aae778ccdfff74", MIT),
    )),
    *(Preset(*names, "t5", 24, 1024, 32, 1_208_141_824) for names in (
        ("igt5", "Exscientia/IgT5", NOW, MIT),
        ("igt5_unpaired", "Exscientia/IgT5_unpaired",
         "324edf161b2e4f94e651b95fee08dfb8d4a0fc0f", MIT),
    )),
    Preset("ankh_base", "ElnaggarLab/ankh-base", "d99cb6b966530dfc2ae96bc69d9255c2a07308b0",
           CC_BY_NC_SA, "ankh", 48, 768, 12, 453_170_688, {"d_ff": 3072}),
    Preset("ankh_large", "ElnaggarLab/ankh-large", "74b371dbfa3ee0a05d32ae74df0c2e0b82d6b9a6",
           CC_BY_NC_SA, "ankh", 48, 1536, 16, 1_151_707_648, {"d_ff": 3840}),
    _saprot("35M", "AF2", "1f46f36f45a0de4a19605e32375b8185a4ecb03d", 12, 480, 33_467_520),
    _saprot("650M", "AF2", "db4772692db42c376060734c28dfb08e4af366a5", 33, 1280, 649_928_960,
            **_DROPOUT),
    _saprot("650M", "PDB", NOW, 33, 1280, 649_928_960, **_DROPOUT),
)  # fmt: skip
ALIASES = {
    "prott5": "prot_t5_xl", "prot_t5": "prot_t5_xl", "prott5_xl": "prot_t5_xl",
    "prostt5": "prost_t5", "protbert": "prot_bert", "protbert_bfd": "prot_bert_bfd",
    "ankh3_large": "ElnaggarLab/ankh3-large", "ankh3_xl": "ElnaggarLab/ankh3-xl",
}  # fmt: skip
"""Other names. Ankh3's architecture is known by its config.json alone."""


@dataclass(frozen=True)
class PLM:
    """A language model that a name was resolved to.

    Attributes:
        name: short name, hub id or folder: what is written into a config.
        hub_id: None for a local folder.
        folder: None for a model of the hub.
        preset: its architecture, where it is one that we know.
        states: the file of hidden states in place of a language model, if the name is of one.
        threedi: whether a model that reads either residues or 3Di letters reads the latter.
    """

    name: str
    hub_id: str | None = None
    folder: Path | None = None
    preset: Preset | None = None
    states: StatesFile | None = None
    threedi: bool = False

    @property
    def revision(self) -> str:
        """The hub's commit that a known name stands for; of others, what the hub has now."""
        return self.preset.revision if self.preset else NOW

    @property
    def runs_in_tests(self) -> bool:
        """Whether trained weights of its architecture are run by the tests: those of plm_mini."""
        if self.name in pretrained.language_models():
            return True
        return self.preset is not None and self.preset.family == "esm2"


def resolve(name: str) -> PLM:
    """Return the model that a short name, official name, hub id or local folder means.

    "states:FILE" and "states:FILE::LAYER" mean hidden states that were computed elsewhere;
    "NAME::3di" means a model that reads residues or 3Di letters (ProstT5), reading the latter.

    Raises:
        ConfigError: if it is none of these; names the nearest known name.
        DataError: if a file of hidden states is not one of the kinds that `states_file` reads.
    """
    if name.startswith(STATES):
        return _states(name)
    bare, with_direction, direction = name.rpartition(DIRECTION)
    if not with_direction or Path(name).expanduser().is_dir():
        return _named(name)
    return _directed(_named(bare), direction)


def _directed(plm: PLM, direction: str) -> PLM:
    """Return a model in the direction that its name asks for."""
    if direction != THREEDI:
        raise unknown("direction of a language model", direction, [THREEDI])
    if plm.preset is not None and plm.preset.family != "prost_t5":
        raise ConfigError(
            f"{plm.name} does not read 3Di letters alone, so {plm.name}{DIRECTION}{THREEDI} means "
            "nothing. ProstT5 does: prost_t5::3di."
        )
    return replace(plm, name=f"{plm.name}{DIRECTION}{THREEDI}", threedi=True)


def _named(name: str) -> PLM:
    name = ALIASES.get(name.lower(), name)
    lowered = name.lower()
    for preset in PRESETS:
        if lowered in (preset.short, preset.official.lower(), preset.hub_id.lower()):
            return PLM(preset.short, hub_id=preset.hub_id, preset=preset)
    if lowered in pretrained.language_models():
        return PLM(lowered, folder=pretrained.HOME / lowered)
    if Path(name).expanduser().is_dir():
        return _local(name)
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if looks_like_path:
        raise ConfigError(f"The language model's folder {name!r} does not exist.")
    if name.count("/") == 1 and all(name.split("/")):
        return PLM(name, hub_id=name)
    raise unknown("language model", name, names())


def names() -> list[str]:
    """Return the short names, those that come with the package first."""
    return [*pretrained.language_models(), *(preset.short for preset in PRESETS)]


def _states(name: str) -> PLM:
    from zoo.backbones.states_file import LAYER, open_states, split_name  # loads numpy

    file = open_states(name)
    layer = split_name(name)[1]
    full = f"{STATES}{file.path.resolve()}" + (f"{LAYER}{layer}" if layer else "")
    return PLM(full, states=file)


def _local(name: str) -> PLM:
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"Folder {name!r} has no config.json, so it is no Hugging Face model. It should hold "
            "what `python -m zoo.download NAME --out DIR` or `save_pretrained(DIR)` writes."
        )
    return PLM(str(folder.resolve()), folder=folder.resolve())


def architecture(preset: Preset) -> Any:
    """Return the `transformers` config of a preset, equal to the one on the hub."""
    import transformers

    families: dict[Family, tuple[Any, dict[str, Any]]] = {
        "esm2": (transformers.EsmConfig, _ESM2),
        "esmc": (transformers.EsmcConfig, _ESMC),
        "prot_bert": (transformers.BertConfig, _PROT_BERT),
        "t5": (transformers.T5Config, _PROT_T5),
        "prost_t5": (transformers.T5Config, _PROT_T5 | {"vocab_size": 150}),
        "ankh": (transformers.T5Config, _ANKH),
        "saprot": (transformers.EsmConfig, _ESM2 | {"vocab_size": 446, "mask_token_id": 4}),
    }
    build, shared = families[preset.family]
    t5 = build is transformers.T5Config
    names = ("d_model", "num_layers", "num_heads") if t5 else _NAMES
    shape = (preset.width, preset.num_layers, preset.num_heads)
    sizes: dict[str, Any] = dict(zip(names, shape, strict=True))
    if preset.family in ("esm2", "saprot"):
        sizes["intermediate_size"] = 4 * preset.width
    config: Any = build(**(shared | sizes | dict(preset.sizes)))
    if t5 and preset.family != "ankh":
        config.n_positions = 512  # no option of the architecture, but in the file on the hub
    return config


_NAMES = ("hidden_size", "num_hidden_layers", "num_attention_heads")
_ESM2: dict[str, Any] = {
    "vocab_size": 33, "mask_token_id": 32, "pad_token_id": 1, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0, "max_position_embeddings": 1026, "layer_norm_eps": 1e-5,
    "position_embedding_type": "rotary", "emb_layer_norm_before": False, "token_dropout": True,
}  # fmt: skip
_ESMC: dict[str, Any] = {"vocab_size": 64}
_PROT_BERT: dict[str, Any] = {
    "vocab_size": 30,
    "intermediate_size": 4096,
    "max_position_embeddings": 40_000,
}
_PROT_T5: dict[str, Any] = {
    "vocab_size": 128, "d_kv": 128, "d_ff": 16384, "relative_attention_num_buckets": 32,
    "dropout_rate": 0.1, "layer_norm_epsilon": 1e-6, "feed_forward_proj": "relu",
}  # fmt: skip
_ANKH: dict[str, Any] = {
    "vocab_size": 144, "d_kv": 64, "relative_attention_num_buckets": 64, "dropout_rate": 0.0,
    "layer_norm_epsilon": 1e-6, "feed_forward_proj": "gated-gelu",
}  # fmt: skip
