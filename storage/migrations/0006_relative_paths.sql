-- SPDX-License-Identifier: MIT
-- Paths below the data directory become relative to it (storage/paths.h): "data:/executions/x1". What was written
-- by an older version lies below the directory that its executions name, or below the present one.

CREATE TEMP TABLE was AS SELECT DISTINCT dir FROM (
	SELECT dir FROM here
	UNION ALL
	SELECT substr(dir, 1, length(dir) - length('/executions/' || id)) FROM executions
	WHERE substr(dir, -length('/executions/' || id)) = '/executions/' || id);

-- As it stands in JSON: with the quote before it and the slash after it. Quotes inside of a text are hidden
-- meanwhile (JSON has no raw control characters): what stands behind one is no path.
CREATE TEMP TABLE old AS SELECT json_quote(max(dir)) AS a, json_quote(min(dir)) AS b FROM was;
UPDATE old SET a = substr(a, 1, length(a) - 1) || '/', b = substr(b, 1, length(b) - 1) || '/';

UPDATE executions SET dir = 'data:/executions/' || id
WHERE substr(dir, -length('/executions/' || id)) = '/executions/' || id;
UPDATE endpoints SET model = 'data:' || substr(model, 1 + (
	SELECT length(dir) FROM was WHERE substr(model, 1, length(dir) + 1) = dir || '/'))
WHERE EXISTS (SELECT 1 FROM was WHERE substr(model, 1, length(dir) + 1) = dir || '/');

UPDATE job_specs SET spec = replace(replace(replace(replace(replace(replace(spec, '\"', char(1)),
	'"data::', '"data:::'), '"data:/', '"data::/'),
	(SELECT a FROM old), '"data:/'), (SELECT b FROM old), '"data:/'), char(1), '\"')
WHERE spec LIKE '%"data:%' OR instr(spec, (SELECT a FROM old)) OR instr(spec, (SELECT b FROM old));
UPDATE run_bodies SET body = replace(replace(replace(replace(replace(replace(body, '\"', char(1)),
	'"data::', '"data:::'), '"data:/', '"data::/'),
	(SELECT a FROM old), '"data:/'), (SELECT b FROM old), '"data:/'), char(1), '\"')
WHERE body LIKE '%"data:%' OR instr(body, (SELECT a FROM old)) OR instr(body, (SELECT b FROM old));
UPDATE jobs SET outputs = replace(replace(replace(replace(replace(replace(outputs, '\"', char(1)),
	'"data::', '"data:::'), '"data:/', '"data::/'),
	(SELECT a FROM old), '"data:/'), (SELECT b FROM old), '"data:/'), char(1), '\"')
WHERE outputs LIKE '%"data:%' OR instr(outputs, (SELECT a FROM old)) OR instr(outputs, (SELECT b FROM old));
UPDATE attempts SET outputs = replace(replace(replace(replace(replace(replace(outputs, '\"', char(1)),
	'"data::', '"data:::'), '"data:/', '"data::/'),
	(SELECT a FROM old), '"data:/'), (SELECT b FROM old), '"data:/'), char(1), '\"')
WHERE outputs LIKE '%"data:%' OR instr(outputs, (SELECT a FROM old)) OR instr(outputs, (SELECT b FROM old));
UPDATE endpoints SET spec = replace(replace(replace(replace(replace(replace(spec, '\"', char(1)),
	'"data::', '"data:::'), '"data:/', '"data::/'),
	(SELECT a FROM old), '"data:/'), (SELECT b FROM old), '"data:/'), char(1), '\"')
WHERE spec LIKE '%"data:%' OR instr(spec, (SELECT a FROM old)) OR instr(spec, (SELECT b FROM old));
UPDATE endpoints SET previous = replace(replace(replace(replace(replace(replace(previous, '\"', char(1)),
	'"data::', '"data:::'), '"data:/', '"data::/'),
	(SELECT a FROM old), '"data:/'), (SELECT b FROM old), '"data:/'), char(1), '\"')
WHERE previous LIKE '%"data:%' OR instr(previous, (SELECT a FROM old)) OR instr(previous, (SELECT b FROM old));
UPDATE endpoints SET result = replace(replace(replace(replace(replace(replace(result, '\"', char(1)),
	'"data::', '"data:::'), '"data:/', '"data::/'),
	(SELECT a FROM old), '"data:/'), (SELECT b FROM old), '"data:/'), char(1), '\"')
WHERE result LIKE '%"data:%' OR instr(result, (SELECT a FROM old)) OR instr(result, (SELECT b FROM old));
UPDATE events SET body = replace(replace(replace(replace(replace(replace(body, '\"', char(1)),
	'"data::', '"data:::'), '"data:/', '"data::/'),
	(SELECT a FROM old), '"data:/'), (SELECT b FROM old), '"data:/'), char(1), '\"')
WHERE body LIKE '%"data:%' OR instr(body, (SELECT a FROM old)) OR instr(body, (SELECT b FROM old));

DROP TABLE old;
DROP TABLE was;
