/* SPDX-License-Identifier: MIT */
/* The parameters of a model: the size of each kind, whether each layer has its own copy, and which
 * are frozen. */
#include "worker/torch/shape.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

bool torch_param_is_layered(torch_param kind) noexcept
{
	return (kind >= TORCH_QUERY && kind <= TORCH_FFN_OUT) ||
	       (kind >= TORCH_QUERY_BIAS && kind <= TORCH_NORM2_BIAS);
}

bool torch_param_is_vector(torch_param kind) noexcept
{
	return kind >= TORCH_EMBEDDING_NORM_WEIGHT && kind != TORCH_RELATIVE;
}

/* As transformers' MPNetEncoder has it: in fp32, in the same order. */
int torch_relative_bucket(int distance) noexcept
{
	const int half = TORCH_RELATIVE_BUCKETS / 2, exact = half / 2, n = std::abs(distance);
	const int first = distance > 0 ? half : 0;
	const float scale = (float)std::log(128.0 / exact);

	if (n < exact)
		return first + n;
	return first + std::min(half - 1, exact + (int)(std::log((float)n / (float)exact) / scale *
							(float)(half - exact)));
}

static bool is_of_embeddings(torch_param kind)
{
	return kind == TORCH_WORD || kind == TORCH_POSITION || kind == TORCH_TYPE ||
	       kind == TORCH_EMBEDDING_NORM_WEIGHT || kind == TORCH_EMBEDDING_NORM_BIAS ||
	       kind == TORCH_PROJECTION || kind == TORCH_PROJECTION_BIAS || kind == TORCH_RELATIVE;
}

bool torch_param_is_frozen(torch_param kind, int layer, int frozen_parts) noexcept
{
	return torch_param_is_layered(kind) ? layer < frozen_parts - 1
					    : frozen_parts > 0 && is_of_embeddings(kind);
}

size_t torch_param_size(const torch_shape *s, torch_param kind, int *ret_rows,
			int *ret_columns) noexcept
{
	int rows = 1, columns = s->hidden;

	switch (kind) {
	case TORCH_WORD:
		rows = s->vocab;
		columns = s->embedding;
		break;
	case TORCH_POSITION:
		rows = s->positions;
		columns = s->embedding;
		break;
	case TORCH_TYPE:
		rows = s->types;
		columns = s->embedding;
		break;
	case TORCH_EMBEDDING_NORM_WEIGHT:
	case TORCH_EMBEDDING_NORM_BIAS:
		columns = s->embedding;
		break;
	case TORCH_PROJECTION:
		rows = s->embedding == s->hidden ? 0 : s->hidden;
		columns = s->embedding;
		break;
	case TORCH_PROJECTION_BIAS:
		rows = s->embedding == s->hidden ? 0 : 1;
		break;
	case TORCH_QUERY:
	case TORCH_KEY:
	case TORCH_VALUE:
	case TORCH_ATTENTION_OUT:
	case TORCH_HEAD_DENSE:
		rows = s->hidden;
		break;
	case TORCH_FFN_IN:
		rows = s->intermediate;
		break;
	case TORCH_FFN_OUT:
		rows = s->hidden;
		columns = s->intermediate;
		break;
	case TORCH_CLASSIFIER:
		rows = s->labels;
		break;
	case TORCH_FFN_IN_BIAS:
		columns = s->intermediate;
		break;
	case TORCH_CLASSIFIER_BIAS:
		columns = s->labels;
		break;
	case TORCH_RELATIVE:
		rows = s->relative_buckets;
		columns = s->heads;
		break;
	default:
		break;
	}
	if (ret_rows)
		*ret_rows = rows;
	if (ret_columns)
		*ret_columns = columns;
	return (size_t)rows * (size_t)columns;
}
