-- One JSON document per relation, so that one statement with one round trip tells everything. %FILTER% says which relations.
SELECT pg_catalog.json_build_object(
    'schema', n.nspname,
    'name', c.relname,
    'id', c.oid::pg_catalog.int8,
    'kind', c.relkind,
    'rows', c.reltuples,
    'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
    'rules', c.relhasrules,
    -- Whether a row's `xmin` tells which transaction wrote it: neither views nor foreign tables know, wherever they hide.
    'versioned', NOT EXISTS (
        WITH RECURSIVE parts (id) AS (
            SELECT c.oid
            UNION
            SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN parts p ON i.inhparent = p.id
        )
        SELECT 1
        FROM parts p
        JOIN pg_catalog.pg_class r ON r.oid = p.id
        LEFT JOIN pg_catalog.pg_am m ON m.oid = r.relam
        WHERE r.relkind NOT IN ('r', 'p', 'm') OR r.relkind <> 'p' AND m.amname <> 'heap'
    ),
    'columns', (
        SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', a.attname,
            'native', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'domain', t.typtype = 'd',
            'id', b.id::pg_catalog.int8,
            'modifier', b.modifier,
            -- With a modifier of -1 and not without one: `character` alone would be one character, `bpchar` is as many as there are.
            'base', pg_catalog.format_type(b.id, -1),
            'not_null', a.attnotnull,
            'identity', a.attidentity,
            'generated', a.attgenerated <> '',
            'comment', pg_catalog.col_description(c.oid, a.attnum),
            'leads_index', EXISTS (
                SELECT 1 FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid AND x.indkey[0] = a.attnum AND x.indisvalid
            )
        ) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        CROSS JOIN LATERAL (
            WITH RECURSIVE bases (id, modifier, domain) AS (
                SELECT t.oid, a.atttypmod, t.typtype = 'd'
                UNION ALL
                SELECT d.typbasetype, d.typtypmod, u.typtype = 'd'
                FROM bases
                JOIN pg_catalog.pg_type d ON d.oid = bases.id AND bases.domain
                JOIN pg_catalog.pg_type u ON u.oid = d.typbasetype
            )
            SELECT id, modifier FROM bases WHERE NOT domain
        ) b
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ),
    'uniques', (
        SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', i.relname,
            'primary', x.indisprimary,
            'columns', (
                SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
                FROM pg_catalog.unnest(x.indkey::pg_catalog.int2[]) WITH ORDINALITY k (number, place)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                WHERE k.place <= x.indnkeyatts
            )
        ) ORDER BY x.indisprimary DESC, x.indnkeyatts, x.indexrelid)
        FROM pg_catalog.pg_index x
        JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
        WHERE x.indrelid = c.oid AND x.indisunique AND x.indisvalid AND x.indimmediate
            AND x.indpred IS NULL AND x.indexprs IS NULL
    )
)::pg_catalog.text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname <> 'information_schema'
    AND n.nspname !~ '^pg_'
    AND %FILTER%
ORDER BY n.nspname, c.relname
