/* SPDX-License-Identifier: MIT */
/*
 * The family of DistilBERT: keys and weights have other names, there are no token types, and the
 * head has ReLU.
 */
#include "worker/model/family.h"

const struct model_family family_distilbert = {
	.model_type = "distilbert",
	.architecture = "DistilBertForSequenceClassification",
	.tokenizer = "DistilBertTokenizer",
	.prefix = "distilbert.",
	.layers = "n_layers",
	.hidden = "dim",
	.heads = "n_heads",
	.intermediate = "hidden_dim",
	.activation = "activation",
	.drop = "dropout",
	.drop_attention = "attention_dropout",
	.drop_head = "seq_classif_dropout",
	.drop_head_default = 0.2f,
	.head = TORCH_HEAD_RELU,
	.names =
		{
			[TORCH_WORD] = "distilbert.embeddings.word_embeddings.weight",
			[TORCH_POSITION] = "distilbert.embeddings.position_embeddings.weight",
			[TORCH_QUERY] = "distilbert.transformer.layer.%d.attention.q_lin.weight",
			[TORCH_KEY] = "distilbert.transformer.layer.%d.attention.k_lin.weight",
			[TORCH_VALUE] = "distilbert.transformer.layer.%d.attention.v_lin.weight",
			[TORCH_ATTENTION_OUT] =
				"distilbert.transformer.layer.%d.attention.out_lin.weight",
			[TORCH_FFN_IN] = "distilbert.transformer.layer.%d.ffn.lin1.weight",
			[TORCH_FFN_OUT] = "distilbert.transformer.layer.%d.ffn.lin2.weight",
			[TORCH_HEAD_DENSE] = "pre_classifier.weight",
			[TORCH_CLASSIFIER] = "classifier.weight",
			[TORCH_EMBEDDING_NORM_WEIGHT] = "distilbert.embeddings.LayerNorm.weight",
			[TORCH_EMBEDDING_NORM_BIAS] = "distilbert.embeddings.LayerNorm.bias",
			[TORCH_QUERY_BIAS] = "distilbert.transformer.layer.%d.attention.q_lin.bias",
			[TORCH_KEY_BIAS] = "distilbert.transformer.layer.%d.attention.k_lin.bias",
			[TORCH_VALUE_BIAS] = "distilbert.transformer.layer.%d.attention.v_lin.bias",
			[TORCH_ATTENTION_OUT_BIAS] =
				"distilbert.transformer.layer.%d.attention.out_lin.bias",
			[TORCH_NORM1_WEIGHT] =
				"distilbert.transformer.layer.%d.sa_layer_norm.weight",
			[TORCH_NORM1_BIAS] = "distilbert.transformer.layer.%d.sa_layer_norm.bias",
			[TORCH_FFN_IN_BIAS] = "distilbert.transformer.layer.%d.ffn.lin1.bias",
			[TORCH_FFN_OUT_BIAS] = "distilbert.transformer.layer.%d.ffn.lin2.bias",
			[TORCH_NORM2_WEIGHT] =
				"distilbert.transformer.layer.%d.output_layer_norm.weight",
			[TORCH_NORM2_BIAS] =
				"distilbert.transformer.layer.%d.output_layer_norm.bias",
			[TORCH_HEAD_DENSE_BIAS] = "pre_classifier.bias",
			[TORCH_CLASSIFIER_BIAS] = "classifier.bias",
		},
};
