"""Models: mixers in a skeleton that is the same for all of them, and encoder-decoders."""

from attn_jax.models.base import AnyModelConfig, EncoderDecoder, EncoderDecoderConfig, Model
from attn_jax.models.decoder_only import decoder_only
from attn_jax.models.encoder_decoder import Transformer
from attn_jax.models.greedy import greedy_decode
from attn_jax.models.recurrent_encoder_decoder import RecurrentEncoderDecoder
from attn_jax.models.sequence_model import ModelConfig, classic
from attn_jax.names import Registry

MODELS: dict[str, AnyModelConfig] = Registry(
    {
        "sequence_model": ModelConfig(),
        "transformer": Transformer(),
        "recurrent_encoder_decoder": RecurrentEncoderDecoder(),
    }
)

__all__ = [
    "MODELS",
    "AnyModelConfig",
    "EncoderDecoder",
    "EncoderDecoderConfig",
    "Model",
    "ModelConfig",
    "RecurrentEncoderDecoder",
    "Transformer",
    "classic",
    "decoder_only",
    "greedy_decode",
]
