-- One JSON document: what there is to know about the relation ?1. `json()` says that what comes out of a subquery is JSON.
SELECT json_object(
    'name', l.name,
    'kind', l.type,
    'without_rowid', l.wr,
    'columns', json((
        SELECT json_group_array(json_object(
            'name', c.name, 'declared', c.type, 'not_null', c."notnull", 'default', c.dflt_value, 'primary', c.pk, 'hidden', c.hidden
        ))
        FROM (SELECT * FROM pragma_table_xinfo(l.name, 'main') ORDER BY cid) c
    )),
    'indexes', json((
        SELECT json_group_array(json_object(
            'unique', i."unique",
            'origin', i.origin,
            'partial', i.partial,
            'columns', json((
                SELECT json_group_array(json_object('name', x.name, 'collation', x.coll))
                FROM (SELECT * FROM pragma_index_xinfo(i.name, 'main') WHERE "key" ORDER BY seqno) x
            ))
        ))
        FROM pragma_index_list(l.name, 'main') i
    ))
)
FROM pragma_table_list l
WHERE l.schema = 'main' AND l.name = ?1
