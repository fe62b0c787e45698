"""What ends in a vector and not in a choice of tokens is no generator, whatever its code could be asked."""

import pytest

from cutaway import predict
from cutaway.errors import BadValue
from cutaway.predict.shipped import workloads_of


@pytest.mark.parametrize("model", ["bge-m3", "gte-large", "bert-base-uncased"])
def test_an_encoder_of_sentences_has_no_next_token(model) -> None:
    with pytest.raises(BadValue, match="no next token"):
        predict(model, "h100", prompt=512, output=2)
    got = predict(model, "h100", prompt=512, batch=8, output=1)
    assert [line.split()[1] for line in str(got).splitlines() if line.startswith("TPOT")] == ["-"]
    assert set(got.parts) == {"prefill"}


@pytest.mark.parametrize("model", ["gpt2", "llama-3.1-8b", "falcon-mamba-7b", "t5-small", "gemma-2b"])
def test_what_chooses_tokens_does(model) -> None:
    assert workloads_of(model)[0].chooses
    assert predict(model, "h100", prompt=64, output=2).tpot_s > 0


def test_an_encoder_of_sentences_guesses_no_token_either() -> None:
    with pytest.raises(BadValue, match="cannot guess one"):
        predict("llama-3.1-8b", "h100", prompt=64, output=2, draft="bge-m3", acceptance=0.7)
