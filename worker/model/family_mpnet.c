/* SPDX-License-Identifier: MIT */
/*
 * The family of MPNet: RoBERTa's positions and head, WordPiece with RoBERTa's special tokens, and
 * attention scores that a table shared by all layers changes by their distance.
 */
#include "worker/model/family.h"

#define LAYER "mpnet.encoder.layer.%d."

const struct model_family family_mpnet = {
	.model_type = "mpnet",
	.architecture = "MPNetForSequenceClassification",
	.tokenizer = "MPNetTokenizer",
	.double_frame = true,
	.unknown = "[UNK]",
	.mask_takes_space = true,
	.prefix = "mpnet.",
	.layers = "num_hidden_layers",
	.hidden = "hidden_size",
	.heads = "num_attention_heads",
	.intermediate = "intermediate_size",
	.activation = "hidden_act",
	.norm_eps = "layer_norm_eps",
	.relative_buckets = "relative_attention_num_buckets",
	.drop = "hidden_dropout_prob",
	.drop_attention = "attention_probs_dropout_prob",
	.drop_head = "hidden_dropout_prob",
	.drop_head_default = -1,
	.drops_attention_output = true,
	.drops_head_input = true,
	.positions_after_padding = true,
	.pad_id = 1,
	.head = TORCH_HEAD_TANH,
	.names =
		{
			DENSE_HEAD_NAMES,
			[TORCH_WORD] = "mpnet.embeddings.word_embeddings.weight",
			[TORCH_POSITION] = "mpnet.embeddings.position_embeddings.weight",
			[TORCH_EMBEDDING_NORM_WEIGHT] = "mpnet.embeddings.LayerNorm.weight",
			[TORCH_EMBEDDING_NORM_BIAS] = "mpnet.embeddings.LayerNorm.bias",
			[TORCH_QUERY] = LAYER "attention.attn.q.weight",
			[TORCH_KEY] = LAYER "attention.attn.k.weight",
			[TORCH_VALUE] = LAYER "attention.attn.v.weight",
			[TORCH_ATTENTION_OUT] = LAYER "attention.attn.o.weight",
			[TORCH_FFN_IN] = LAYER "intermediate.dense.weight",
			[TORCH_FFN_OUT] = LAYER "output.dense.weight",
			[TORCH_QUERY_BIAS] = LAYER "attention.attn.q.bias",
			[TORCH_KEY_BIAS] = LAYER "attention.attn.k.bias",
			[TORCH_VALUE_BIAS] = LAYER "attention.attn.v.bias",
			[TORCH_ATTENTION_OUT_BIAS] = LAYER "attention.attn.o.bias",
			[TORCH_NORM1_WEIGHT] = LAYER "attention.LayerNorm.weight",
			[TORCH_NORM1_BIAS] = LAYER "attention.LayerNorm.bias",
			[TORCH_FFN_IN_BIAS] = LAYER "intermediate.dense.bias",
			[TORCH_FFN_OUT_BIAS] = LAYER "output.dense.bias",
			[TORCH_NORM2_WEIGHT] = LAYER "output.LayerNorm.weight",
			[TORCH_NORM2_BIAS] = LAYER "output.LayerNorm.bias",
			[TORCH_RELATIVE] = "mpnet.encoder.relative_attention_bias.weight",
		},
};
