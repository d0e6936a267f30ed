"""The encoder of our own computes what transformers' BertModel computes with the same weights."""

from __future__ import annotations

import torch
from transformers.models.bert import BertModel

from vision.minilm import folder, load_encoder


def test_states_equal_those_of_transformers():
    theirs = BertModel.from_pretrained(folder(), add_pooling_layer=False).eval()
    torch.manual_seed(0)
    pieces = torch.randint(1000, 20000, (2, 12))
    segments = (torch.arange(12) < 5).long().expand(2, -1)
    padding = torch.arange(12)[None] >= torch.tensor([[12], [7]])
    with torch.inference_mode():
        wanted = theirs(
            input_ids=pieces, token_type_ids=segments, attention_mask=(~padding).long()
        ).last_hidden_state
        given = load_encoder().eval()(pieces, segments, padding)
    torch.testing.assert_close(given[~padding], wanted[~padding], atol=1e-5, rtol=1e-4)
