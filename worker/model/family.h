/* SPDX-License-Identifier: MIT */
/*
 * What sets one family of encoders apart from the next: tokeniser, keys of config.json, parts of
 * the network and names of weights. Each family is a file of its own. The table needs no libtorch,
 * so worker/tokenizer uses it too.
 */
#pragma once

#include "base/buf.h"
#include "worker/torch/shape.h"

#define FAMILY_EPS_DEFAULT 1e-12f

struct model_family {
	const char *model_type, *architecture;
	const char *tokenizer; /* its class in transformers, without "Fast" */
	bool has_type_ids;     /* True if that class makes token_type_ids */
	bool byte_level;       /* True for byte-level BPE; else WordPiece */
	bool double_frame;     /* True for <s> A </s></s> B </s>; else [CLS] A [SEP] B [SEP] */
	const char *unknown;   /* that class's unk_token; NULL: that of RoBERTa or BERT */
	bool mask_takes_space; /* True if the class's mask_token takes the space before it */
	const char *prefix;    /* of weight names; a base model leaves it out */
	/* keys of config.json; NULL: the family has no such key */
	const char *layers, *hidden, *heads, *intermediate, *activation;
	const char *embedding, *types, *norm_eps, *relative_buckets;
	const char *drop, *drop_attention, *drop_head;
	float drop_head_default; /* below 0: as `drop` */
	bool drops_attention_output;
	bool drops_head_input;
	bool positions_after_padding; /* True if positions count from pad_token_id + 1 */
	int pad_id;		      /* if config.json has no pad_token_id */
	enum torch_head head;
	/* "%d" is the layer; NULL: the family has no such parameter */
	const char *names[TORCH_PARAM_COUNT];
};

extern const struct model_family family_bert, family_distilbert, family_electra, family_mpnet,
	family_roberta;

/* The family of a model_type, and that of a tokeniser's class, with or without "Fast" at its end.
 * NULL if there is none; a type or class may be NULL. */
const struct model_family *family_find(const char *model_type);
const struct model_family *family_of_tokenizer(const char *class);
/* The longest row of tokens that a model with so many positions takes. `f` may be NULL. */
int64_t family_max_tokens(const struct model_family *f, int64_t positions, int64_t pad_id);
/* Append the supported types, or the supported classes and `last`: "bert, distilbert and electra".
 */
void family_put_types(struct buf *b);
void family_put_tokenizers(struct buf *b, const char *last);

/* The keys of a configuration like BERT's. */
#define BERT_KEYS                                                                                \
	.layers = "num_hidden_layers", .hidden = "hidden_size", .heads = "num_attention_heads",  \
	.intermediate = "intermediate_size", .activation = "hidden_act",                         \
	.types = "type_vocab_size", .norm_eps = "layer_norm_eps", .drop = "hidden_dropout_prob", \
	.drop_attention = "attention_probs_dropout_prob", .drop_head = "classifier_dropout",     \
	.drop_head_default = -1, .drops_attention_output = true

/* The names of an encoder like BERT's. */
#define BERT_ENCODER_NAMES(prefix)                                                          \
	[TORCH_WORD] = prefix "embeddings.word_embeddings.weight",                          \
	[TORCH_POSITION] = prefix "embeddings.position_embeddings.weight",                  \
	[TORCH_TYPE] = prefix "embeddings.token_type_embeddings.weight",                    \
	[TORCH_QUERY] = prefix "encoder.layer.%d.attention.self.query.weight",              \
	[TORCH_KEY] = prefix "encoder.layer.%d.attention.self.key.weight",                  \
	[TORCH_VALUE] = prefix "encoder.layer.%d.attention.self.value.weight",              \
	[TORCH_ATTENTION_OUT] = prefix "encoder.layer.%d.attention.output.dense.weight",    \
	[TORCH_FFN_IN] = prefix "encoder.layer.%d.intermediate.dense.weight",               \
	[TORCH_FFN_OUT] = prefix "encoder.layer.%d.output.dense.weight",                    \
	[TORCH_EMBEDDING_NORM_WEIGHT] = prefix "embeddings.LayerNorm.weight",               \
	[TORCH_EMBEDDING_NORM_BIAS] = prefix "embeddings.LayerNorm.bias",                   \
	[TORCH_QUERY_BIAS] = prefix "encoder.layer.%d.attention.self.query.bias",           \
	[TORCH_KEY_BIAS] = prefix "encoder.layer.%d.attention.self.key.bias",               \
	[TORCH_VALUE_BIAS] = prefix "encoder.layer.%d.attention.self.value.bias",           \
	[TORCH_ATTENTION_OUT_BIAS] = prefix "encoder.layer.%d.attention.output.dense.bias", \
	[TORCH_NORM1_WEIGHT] = prefix "encoder.layer.%d.attention.output.LayerNorm.weight", \
	[TORCH_NORM1_BIAS] = prefix "encoder.layer.%d.attention.output.LayerNorm.bias",     \
	[TORCH_FFN_IN_BIAS] = prefix "encoder.layer.%d.intermediate.dense.bias",            \
	[TORCH_FFN_OUT_BIAS] = prefix "encoder.layer.%d.output.dense.bias",                 \
	[TORCH_NORM2_WEIGHT] = prefix "encoder.layer.%d.output.LayerNorm.weight",           \
	[TORCH_NORM2_BIAS] = prefix "encoder.layer.%d.output.LayerNorm.bias"

/* The head of two layers that follows the encoders after BERT. */
#define DENSE_HEAD_NAMES                                   \
	[TORCH_HEAD_DENSE] = "classifier.dense.weight",    \
	[TORCH_HEAD_DENSE_BIAS] = "classifier.dense.bias", \
	[TORCH_CLASSIFIER] = "classifier.out_proj.weight", \
	[TORCH_CLASSIFIER_BIAS] = "classifier.out_proj.bias"
