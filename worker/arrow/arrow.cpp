/* SPDX-License-Identifier: MIT */
/*
 * The only file that includes Arrow's C++ headers. Every function runs inside guarded(), which
 * turns exceptions into a code and a message. No C++ type leaves this file.
 */
#include "worker/arrow/arrow.h"

#include <arrow/c/bridge.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/io_util.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <vector>

namespace
{

constexpr int64_t PARQUET_BATCH_ROWS = 4096;

struct Failure {
	arrow::Status status;
};

void check(const arrow::Status &status)
{
	if (!status.ok())
		throw Failure{status};
}

template <typename T> T check(arrow::Result<T> result)
{
	check(result.status());
	return std::move(result).ValueUnsafe();
}

int fail(struct arw_error *e, enum arw_code code, const char *msg)
{
	e->code = code;
	e->errnum = 0;
	std::snprintf(e->msg, sizeof(e->msg), "%s", msg);
	return -1;
}

/* Fail with the first line of Arrow's message, which has the cause. */
int fail_status(struct arw_error *e, const arrow::Status &status)
{
	std::string msg = status.message();
	int errnum = arrow::internal::ErrnoFromStatus(status);

	fail(e,
	     status.IsOutOfMemory()	    ? ARW_NO_MEMORY
	     : status.IsIOError() && errnum ? ARW_IO
					    : ARW_CORRUPT,
	     msg.substr(0, msg.find('\n')).c_str());
	e->errnum = errnum;
	return -1;
}

template <typename Body> int guarded(struct arw_error *e, Body body) noexcept
{
	try {
		return body();
	} catch (const Failure &failure) {
		return fail_status(e, failure.status);
	} catch (const std::bad_alloc &) {
		return fail(e, ARW_NO_MEMORY, "out of memory");
	} catch (const parquet::ParquetException &x) {
		return fail(e, ARW_CORRUPT, x.what());
	} catch (const std::exception &x) {
		return fail(e, ARW_INTERNAL, x.what());
	} catch (...) {
		return fail(e, ARW_INTERNAL, "unknown exception");
	}
}

} // namespace

struct arw_reader {
	std::unique_ptr<parquet::arrow::FileReader> parquet; /* empty for a stream */
	std::vector<int> leaves;			     /* Parquet columns to read */
	std::shared_ptr<arrow::RecordBatchReader> batches;
	std::shared_ptr<arrow::Schema> schema;
};

struct arw_writer {
	std::shared_ptr<arrow::io::FileOutputStream> file;
	std::shared_ptr<arrow::ipc::RecordBatchWriter> stream;
	std::shared_ptr<arrow::Schema> schema;
};

int arw_open_parquet(const char *path, struct arw_reader **ret, struct arw_error *e) noexcept
{
	return guarded(e, [&] {
		auto reader = std::make_unique<arw_reader>();
		auto file = check(arrow::io::ReadableFile::Open(path));
		parquet::ArrowReaderProperties properties(/*use_threads=*/false);
		parquet::arrow::FileReaderBuilder builder;

		properties.set_batch_size(PARQUET_BATCH_ROWS);
		check(builder.Open(std::move(file)));
		reader->parquet = check(builder.properties(properties)->Build());
		check(reader->parquet->GetSchema(&reader->schema));
		reader->leaves.resize(
			reader->parquet->parquet_reader()->metadata()->schema()->num_columns());
		std::iota(reader->leaves.begin(), reader->leaves.end(), 0);
		*ret = reader.release();
		return 0;
	});
}

int arw_open_stream(const char *path, struct arw_reader **ret, struct arw_error *e) noexcept
{
	return guarded(e, [&] {
		auto reader = std::make_unique<arw_reader>();
		auto file = check(arrow::io::ReadableFile::Open(path));

		reader->batches = check(arrow::ipc::RecordBatchStreamReader::Open(file));
		reader->schema = reader->batches->schema();
		*ret = reader.release();
		return 0;
	});
}

int arw_reader_schema(struct arw_reader *r, struct ArrowSchema *ret, struct arw_error *e) noexcept
{
	return guarded(e, [&] {
		check(arrow::ExportSchema(*r->schema, ret));
		return 0;
	});
}

int arw_reader_type(struct arw_reader *r, int column, char *buf, size_t size,
		    struct arw_error *e) noexcept
{
	return guarded(e, [&] {
		std::string name = r->schema->field(column)->type()->ToString();

		std::snprintf(buf, size, "%s", name.c_str());
		return 0;
	});
}

int arw_reader_select(struct arw_reader *r, const char *const *columns, size_t n,
		      struct arw_error *e) noexcept
{
	return guarded(e, [&] {
		if (!r->parquet)
			return 0;
		const auto *schema = r->parquet->parquet_reader()->metadata()->schema();
		std::vector<int> leaves;

		for (int i = 0; i < schema->num_columns(); i++) {
			const std::string &root = schema->GetColumnRoot(i)->name();

			if (std::find(columns, columns + n, root) != columns + n)
				leaves.push_back(i);
		}
		r->leaves = std::move(leaves);
		return 0;
	});
}

int arw_reader_next(struct arw_reader *r, struct ArrowArray *ret, struct arw_error *e) noexcept
{
	return guarded(e, [&] {
		std::shared_ptr<arrow::RecordBatch> batch;

		if (!r->batches) {
			std::vector<int> groups(r->parquet->num_row_groups());

			std::iota(groups.begin(), groups.end(), 0);
			r->batches = check(r->parquet->GetRecordBatchReader(groups, r->leaves));
			r->schema = r->batches->schema();
		}
		check(r->batches->ReadNext(&batch));
		if (!batch)
			return 0;
		/* a stream's offsets come from the file; Parquet's are made by the reader.
		 * Ill-formed text is left to the caller. */
		check(r->parquet ? batch->Validate() : batch->ValidateFull());
		check(arrow::ExportRecordBatch(*batch, ret));
		return 1;
	});
}

void arw_reader_close(struct arw_reader *r) noexcept
{
	struct arw_error ignored;

	guarded(&ignored, [&] {
		delete r;
		return 0;
	});
}

int arw_create_stream(const char *path, struct ArrowSchema *schema, struct arw_writer **ret,
		      struct arw_error *e) noexcept
{
	int r = guarded(e, [&] {
		auto writer = std::make_unique<arw_writer>();

		writer->schema = check(arrow::ImportSchema(schema));
		writer->file = check(arrow::io::FileOutputStream::Open(path));
		writer->stream = check(arrow::ipc::MakeStreamWriter(writer->file, writer->schema));
		*ret = writer.release();
		return 0;
	});

	if (schema->release)
		schema->release(schema);
	return r;
}

int arw_write(struct arw_writer *w, struct ArrowArray *batch, struct arw_error *e) noexcept
{
	int r = guarded(e, [&] {
		auto rows = check(arrow::ImportRecordBatch(batch, w->schema));

		check(w->stream->WriteRecordBatch(*rows));
		return 0;
	});

	if (batch->release)
		batch->release(batch);
	return r;
}

int arw_writer_finish(struct arw_writer *w, struct arw_error *e) noexcept
{
	return guarded(e, [&] {
		check(w->stream->Close());
		check(w->file->Close());
		return 0;
	});
}

void arw_writer_close(struct arw_writer *w) noexcept
{
	struct arw_error ignored;

	guarded(&ignored, [&] {
		delete w;
		return 0;
	});
}
