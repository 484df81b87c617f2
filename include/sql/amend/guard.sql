-- Writers other than the tables' owner pass over amended days of this table.
CREATE OR REPLACE TRIGGER keep_amended_days BEFORE INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW WHEN (current_user <> {owner})
    EXECUTE FUNCTION stream.keep_amended_days({migration}, {revision}, {column}, {unit}, {zone})
