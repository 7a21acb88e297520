/* SPDX-License-Identifier: MIT */
/* The parameters of a model: the size of each kind, and whether each layer has its own copy. */
#include "worker/torch/torch.h"

bool tsh_param_is_layered(tsh_param kind) noexcept
{
	return (kind >= TSH_QUERY && kind <= TSH_FFN_OUT) ||
	       (kind >= TSH_QUERY_BIAS && kind <= TSH_NORM2_BIAS);
}

size_t tsh_param_size(const tsh_shape *s, tsh_param kind, int *ret_rows, int *ret_columns) noexcept
{
	int rows = 1, columns = s->hidden;

	switch (kind) {
	case TSH_WORD:
		rows = s->vocab;
		break;
	case TSH_POSITION:
		rows = s->positions;
		break;
	case TSH_TYPE:
		rows = s->types;
		break;
	case TSH_QUERY:
	case TSH_KEY:
	case TSH_VALUE:
	case TSH_ATTENTION_OUT:
	case TSH_HEAD_DENSE:
		rows = s->hidden;
		break;
	case TSH_FFN_IN:
		rows = s->intermediate;
		break;
	case TSH_FFN_OUT:
		rows = s->hidden;
		columns = s->intermediate;
		break;
	case TSH_CLASSIFIER:
		rows = s->labels;
		break;
	case TSH_FFN_IN_BIAS:
		columns = s->intermediate;
		break;
	case TSH_CLASSIFIER_BIAS:
		columns = s->labels;
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
