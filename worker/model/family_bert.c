/* SPDX-License-Identifier: MIT */
/* The family of BERT: its keys are BERT_KEYS, its head is the pooler with tanh. */
#include "worker/model/family.h"

const struct model_family family_bert = {
	.model_type = "bert",
	.architecture = "BertForSequenceClassification",
	.tokenizer = "BertTokenizer",
	.has_type_ids = true,
	.prefix = "bert.",
	BERT_KEYS,
	.head = TORCH_HEAD_TANH,
	.names =
		{
			BERT_ENCODER_NAMES("bert."),
			[TORCH_HEAD_DENSE] = "bert.pooler.dense.weight",
			[TORCH_CLASSIFIER] = "classifier.weight",
			[TORCH_HEAD_DENSE_BIAS] = "bert.pooler.dense.bias",
			[TORCH_CLASSIFIER_BIAS] = "classifier.bias",
		},
};
