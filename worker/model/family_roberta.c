/* SPDX-License-Identifier: MIT */
/*
 * The family of RoBERTa: BERT's encoder with byte-level BPE, positions that count from the id of
 * padding + 1, and a head of its own behind a dropout.
 */
#include "worker/model/family.h"

const struct model_family family_roberta = {
	.model_type = "roberta",
	.architecture = "RobertaForSequenceClassification",
	.tokenizer = "RobertaTokenizer",
	.byte_level = true,
	.double_frame = true,
	.prefix = "roberta.",
	BERT_KEYS,
	.drops_head_input = true,
	.positions_after_padding = true,
	.pad_id = 1,
	.head = TORCH_HEAD_TANH,
	.names =
		{
			BERT_ENCODER_NAMES("roberta."),
			DENSE_HEAD_NAMES,
		},
};
