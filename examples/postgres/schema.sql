DROP TABLE IF EXISTS users, prices;
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE prices (product text PRIMARY KEY, cents int NOT NULL);
INSERT INTO users VALUES (42, 'Ada'), (43, 'Bob');
INSERT INTO prices VALUES ('jam', 350), ('tea', 290);

CREATE OR REPLACE FUNCTION cachement_notify() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  message text;
BEGIN
  -- The columns named by the trigger, as text, of the row before and after its change.
  SELECT json_build_object('table', TG_ARGV[0], 'rows', json_agg(columns)) INTO message
  FROM (
    SELECT json_object_agg(name, value) AS columns
    FROM (VALUES (to_jsonb(OLD)), (to_jsonb(NEW))) AS images (image), jsonb_each_text(image) AS pairs (name, value)
    WHERE name = ANY (TG_ARGV[1:])
    GROUP BY image
  ) AS rows;
  -- PostgreSQL refuses longer messages, and the change with them.
  IF octet_length(message) > 7999 THEN
    message := json_build_object('table', TG_ARGV[0]);
  END IF;
  PERFORM pg_notify('cachement', message);
  RETURN NULL;
END
$$;

CREATE TRIGGER cachement AFTER INSERT OR UPDATE OR DELETE ON users
  FOR EACH ROW EXECUTE FUNCTION cachement_notify('users', 'id');
CREATE TRIGGER cachement_truncate AFTER TRUNCATE ON users
  FOR EACH STATEMENT EXECUTE FUNCTION cachement_notify('users');
CREATE TRIGGER cachement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON prices
  FOR EACH STATEMENT EXECUTE FUNCTION cachement_notify('prices');
