/* SPDX-License-Identifier: MIT */
/*
 * The family of ELECTRA: BERT's encoder, embeddings that may be smaller than the hidden size, and a
 * head with GELU.
 */
#include "worker/model/family.h"

const struct model_family family_electra = {
	.model_type = "electra",
	.architecture = "ElectraForSequenceClassification",
	.tokenizer = "ElectraTokenizer",
	.has_type_ids = true,
	.prefix = "electra.",
	BERT_KEYS,
	.embedding = "embedding_size",
	.drops_head_input = true,
	.head = TORCH_HEAD_GELU,
	.names =
		{
			BERT_ENCODER_NAMES("electra."),
			DENSE_HEAD_NAMES,
			[TORCH_PROJECTION] = "electra.embeddings_project.weight",
			[TORCH_PROJECTION_BIAS] = "electra.embeddings_project.bias",
		},
};
