//! SQL of users: what they get, and what they do not get away with.

use std::time::Duration;

use anyhow::{Result, anyhow};
use granary_db::roles::{self, create_project_schema};
use granary_db::sql_read::{SqlError, SqlLimits, SqlQuery, SqlReader, SqlResult};
use granary_db::test_util::TestDatabase;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

struct Fixture {
    test: TestDatabase,
    reader: SqlReader,
}

impl Fixture {
    async fn new() -> Result<Self> {
        Self::with(SqlLimits::default()).await
    }

    /// Two projects, each with a table; the platform's own tables around them.
    async fn with(limits: SqlLimits) -> Result<Self> {
        let test = TestDatabase::create().await.map_err(|e| anyhow!("{e}"))?;
        for project in ["demo", "other"] {
            create_project_schema(test.db(), project).await?;
            let client = test.db().client().await?;
            client
                .batch_execute(&format!(
                    "CREATE TABLE {project}.\"Visits-1\" (id text PRIMARY KEY, n bigint);
                     INSERT INTO {project}.\"Visits-1\" SELECT 'v' || i, i FROM generate_series(1, 5000) i;
                     CREATE TYPE {project}.mood AS ENUM ('sad', 'ok');
                     CREATE TABLE {project}.moods (m {project}.mood, ms {project}.mood[]);
                     INSERT INTO {project}.moods VALUES ('ok', ARRAY['sad', 'ok']::{project}.mood[])"
                ))
                .await?;
        }
        let reader = SqlReader::new(test.db(), limits);
        Ok(Self { test, reader })
    }

    async fn run(&self, query: &str) -> Result<SqlResult, SqlError> {
        self.run_with(query, vec![], None).await
    }

    async fn run_with(
        &self,
        query: &str,
        parameters: Vec<Value>,
        max_rows: Option<u32>,
    ) -> Result<SqlResult, SqlError> {
        self.reader.query("demo", &SqlQuery { query: query.to_owned(), parameters, max_rows }).await
    }

    async fn state_of_error(&self, query: &str) -> String {
        match self.run(query).await {
            Err(SqlError::Statement { sqlstate, .. }) => sqlstate,
            other => panic!("{query}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn values_come_as_the_design_says() -> Result<()> {
    let f = Fixture::new().await?;
    let result = f
        .run(
            r#"SELECT 9223372036854775807::int8 AS big, 1.10::numeric AS n, 'NaN'::float8 AS nan, 0.1::float8 AS f,
                      true AS b, NULL::text AS nothing, '\x00ff'::bytea AS bytes,
                      '2024-05-01 12:00:00.5+02'::timestamptz AS tz, '2024-05-01 12:00:00'::timestamp AS t,
                      '{"b":1.0,"a":[]}'::json AS j, ARRAY[[1,2],[3,NULL]] AS a, '1 day'::interval AS i,
                      int4range(1, 5) AS r, ROW(1, 'x') AS row, '10.0.0.1'::inet AS ip, 'ü'::text AS u"#,
        )
        .await?;
    let row: Vec<String> = result.rows[0].iter().map(Value::to_string).collect();
    let expected = [
        "9223372036854775807",
        "1.10",
        "\"NaN\"",
        "0.1",
        "true",
        "null",
        "\"\\\\x00ff\"",
        "\"2024-05-01T10:00:00.5Z\"",
        "\"2024-05-01T12:00:00\"",
        "{\"b\":1.0,\"a\":[]}",
        "[[1,2],[3,null]]",
        "\"P1D\"",
        "\"[1,5)\"",
        "\"(1,x)\"",
        "\"10.0.0.1\"",
        "\"ü\"",
    ];
    assert_eq!(row, expected);
    let columns: Vec<_> = result.columns.iter().map(|c| format!("{} {}", c.name, c.kind)).collect();
    assert_eq!(columns[..4], ["big int8", "n numeric", "nan float8", "f float8"]);
    assert_eq!(columns[10], "a int4[]");
    // Types that users made are asked about, and still there when asked again.
    for _ in 0..3 {
        let moods = f.run("SELECT * FROM moods").await?;
        assert_eq!(moods.rows, [[json!("ok"), json!(["sad", "ok"])]]);
    }
    Ok(())
}

#[tokio::test]
async fn rows_are_limited_and_the_answer_says_so() -> Result<()> {
    let f = Fixture::new().await?;
    let query = "SELECT n FROM \"Visits-1\" ORDER BY n";
    for (max, rows, truncated) in [
        (None, 1000, true),
        (Some(3), 3, true),
        (Some(0), 0, true),
        (Some(4999), 4999, true),
        (Some(5000), 5000, false),
        (Some(u32::MAX), 5000, false),
    ] {
        let result = f.run_with(query, vec![], max).await?;
        assert_eq!((result.rows.len(), result.truncated), (rows, truncated), "{max:?}");
        assert!(result.rows.iter().zip(1..).all(|(row, n)| row[0] == json!(n)));
    }
    Ok(())
}

#[tokio::test]
async fn bytes_are_limited_and_the_session_is_not_spoilt() -> Result<()> {
    let f = Fixture::with(SqlLimits { bytes_max: 100_000, ..SqlLimits::default() }).await?;
    let result = f.run("SELECT repeat('x', 10000) FROM generate_series(1, 1000000)").await?;
    assert!(result.truncated);
    assert_eq!(result.rows.len(), 10);
    assert_eq!(f.run("SELECT 1").await?.rows, [[json!(1)]]);
    Ok(())
}

#[tokio::test]
async fn parameters_are_bound_as_what_the_statement_expects() -> Result<()> {
    let f = Fixture::new().await?;
    let query = "SELECT id FROM \"Visits-1\" WHERE n = $1 AND id = ANY ($2)";
    let result = f.run_with(query, vec![json!(7), json!(["v7", "it's \"x\""])], None).await?;
    assert_eq!(result.rows, [[json!("v7")]]);
    let hostile = f.run_with("SELECT $1::text", vec![json!("'; DROP TABLE x; --")], None).await?;
    assert_eq!(hostile.rows, [[json!("'; DROP TABLE x; --")]]);
    let typed = f
        .run_with(
            "SELECT $1::timestamptz, $2::jsonb ->> 'a', $3::numeric, $4::bool, $5::int8 IS NULL",
            vec![json!("2024-05-01T10:00:00Z"), json!({"a": "b"}), json!("1.5"), json!(true), Value::Null],
            None,
        )
        .await?;
    assert_eq!(
        Value::from(typed.rows[0].clone()).to_string(),
        r#"["2024-05-01T10:00:00Z","b",1.5,true,true]"#
    );
    for (query, parameters, state) in [
        ("SELECT $1::int8", vec![json!("x")], "22P02"),
        ("SELECT $1::int8", vec![], "08P01"),
        ("SELECT 1", vec![json!(1)], "08P01"),
        ("SELECT $1::text", vec![json!("a\0b")], "22021"),
    ] {
        match f.run_with(query, parameters, None).await {
            Err(SqlError::Statement { sqlstate, .. }) => assert_eq!(sqlstate, state, "{query}"),
            other => panic!("{query}: {other:?}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn errors_tell_where_and_why() -> Result<()> {
    let f = Fixture::new().await?;
    let Err(SqlError::Statement { sqlstate, message, position, hint }) =
        f.run("SELECT idd\nFROM \"Visits-1\"").await
    else {
        panic!("there is no such column");
    };
    assert_eq!((sqlstate.as_str(), position), ("42703", Some(8)));
    assert!(message.contains("idd") && hint.is_some_and(|h| h.contains("\"Visits-1.id\"")));
    assert_eq!(f.state_of_error("").await, "25006");
    assert_eq!(f.state_of_error("SELECT 1/0").await, "22012");
    assert_eq!(f.state_of_error("SELECT 1\0").await, "22021");
    assert!(matches!(
        f.reader.query("nobody", &SqlQuery { query: "SELECT 1".to_owned(), ..SqlQuery::default() }).await,
        Err(SqlError::UnknownProject(_))
    ));
    Ok(())
}

#[tokio::test]
async fn statements_that_are_no_queries_but_answer_rows_run() -> Result<()> {
    let f = Fixture::new().await?;
    assert_eq!(f.run("SHOW transaction_read_only").await?.rows, [[json!("on")]]);
    assert!(!f.run("EXPLAIN SELECT * FROM \"Visits-1\"").await?.rows.is_empty());
    assert!(f.run("EXPLAIN (FORMAT JSON) SELECT 1").await?.rows[0][0].is_array());
    assert_eq!(f.run("VALUES (1), (2)").await?.rows.len(), 2);
    assert_eq!(f.run("-- a comment\nTABLE moods -- another").await?.rows.len(), 1);
    assert_eq!(f.run("WITH x AS (SELECT 1 AS a) SELECT a FROM x;").await?.rows.len(), 1);
    Ok(())
}

/// Every way out of the project that comes to mind.
#[tokio::test]
async fn nothing_but_reading_ones_own_schema_works() -> Result<()> {
    let f = Fixture::new().await?;
    let other_reader = roles::project_access(&**f.test.db().client().await?, "other").await?.unwrap();
    let own = roles::project_access(&**f.test.db().client().await?, "demo").await?.unwrap();
    let refused = [
        // Writing.
        ("INSERT INTO \"Visits-1\" VALUES ('x', 1)".to_owned(), "25006"),
        ("INSERT INTO \"Visits-1\" VALUES ('x', 1) RETURNING id".to_owned(), "42501|25006"),
        ("WITH x AS (DELETE FROM \"Visits-1\" RETURNING id) SELECT * FROM x".to_owned(), "42501|25006|0A000"),
        ("SELECT * FROM \"Visits-1\" FOR UPDATE".to_owned(), "42501|25006"),
        ("CREATE TABLE t (a int)".to_owned(), "25006"),
        ("CREATE TEMP TABLE t (a int)".to_owned(), "25006"),
        ("SELECT 1 INTO TEMP t".to_owned(), "25006"),
        ("SELECT lo_create(0)".to_owned(), "42501"),
        ("SELECT lo_from_bytea(0, 'x')".to_owned(), "42501"),
        ("SELECT nextval('granary.epoch')".to_owned(), "42501"),
        // Other schemas.
        ("SELECT * FROM other.\"Visits-1\"".to_owned(), "42501"),
        ("SELECT * FROM granary.project_access".to_owned(), "42501"),
        ("SELECT * FROM granary.dead_letter".to_owned(), "42501"),
        ("SELECT * FROM public.eventstore".to_owned(), "42501|42P01"),
        ("SELECT rolpassword FROM pg_authid".to_owned(), "42501"),
        // Other roles.
        (format!("SET ROLE \"{}\"", other_reader.reader_role), "25006"),
        (format!("SELECT set_config('role', '{}', false)", other_reader.reader_role), "42501"),
        (format!("SELECT set_config('role', '{}', false)", own.owner_role), "42501"),
        ("SELECT set_config('session_authorization', 'granary', false)".to_owned(), "42501"),
        (format!("ALTER ROLE \"{}\" PASSWORD 'x'", own.reader_login), "25006"),
        // The server and other sessions.
        ("SELECT pg_read_file('/etc/passwd')".to_owned(), "42501"),
        ("SELECT pg_ls_dir('.')".to_owned(), "42501"),
        ("COPY (SELECT 1) TO PROGRAM 'true'".to_owned(), "25006"),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity".to_owned(), "42501"),
        ("SELECT pg_advisory_lock(1)".to_owned(), "42501"),
        ("SELECT pg_notify('x', 'y')".to_owned(), "42501"),
        ("SELECT set_config('temp_file_limit', '-1', false)".to_owned(), "42501"),
        // Several statements, and the end of the transaction.
        ("SELECT 1; SELECT 2".to_owned(), "42601"),
        ("SELECT 1; COMMIT; DROP TABLE x".to_owned(), "42601"),
        ("COMMIT".to_owned(), "25006"),
        ("ROLLBACK".to_owned(), "25006"),
        ("DO $$ BEGIN PERFORM 1; END $$".to_owned(), "25006"),
        ("SET TRANSACTION READ WRITE".to_owned(), "25006"),
        ("SELECT set_config('transaction_read_only', 'off', false)".to_owned(), "25001"),
        ("LISTEN x".to_owned(), "25006"),
        ("PREPARE p AS SELECT 1".to_owned(), "25006"),
        ("LOCK TABLE \"Visits-1\"".to_owned(), "25006"),
        ("FETCH ALL FROM granary_answer".to_owned(), "25006"),
    ];
    for (query, states) in refused {
        let state = f.state_of_error(&query).await;
        assert!(states.split('|').any(|s| s == state), "{query}: {state}");
    }
    let count = f.run("SELECT count(*) FROM \"Visits-1\"").await?;
    assert_eq!(count.rows, [[json!(5000)]]);
    Ok(())
}

#[tokio::test]
async fn nothing_of_one_statement_is_left_for_the_next() -> Result<()> {
    let f = Fixture::with(SqlLimits { project_connections: 1, ..SqlLimits::default() }).await?;
    let backend = f.run("SELECT pg_backend_pid()").await?.rows;
    f.run(
        "SELECT set_config('search_path', 'pg_catalog', false), set_config('granary.mine', 'secret', false)",
    )
    .await?;
    f.run("SELECT set_config('statement_timeout', '0', false), set_config('DateStyle', 'German', false)")
        .await?;
    let after = f
        .run("SELECT current_setting('granary.mine', true), current_setting('search_path'), now(), pg_backend_pid()")
        .await?;
    assert!(matches!(&after.rows[0][0], Value::Null) || after.rows[0][0] == json!(""));
    assert_eq!(after.rows[0][1], json!("demo"));
    assert!(after.rows[0][2].as_str().unwrap().ends_with('Z'));
    // It was one session all along.
    assert_eq!(after.rows[0][3], backend[0][0]);
    Ok(())
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_ended_and_others_go_on() -> Result<()> {
    let limits = SqlLimits { statement_timeout: Duration::from_millis(300), ..SqlLimits::default() };
    let f = Fixture::with(limits).await?;
    let long = ["SELECT pg_sleep(600)", "SELECT set_config('statement_timeout', '0', true), pg_sleep(600)"];
    for query in long {
        assert_eq!(f.state_of_error(query).await, "57014", "{query}");
    }
    assert_eq!(f.run("SELECT 1").await?.rows, [[json!(1)]]);
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_given_up_is_cancelled_on_the_server() -> Result<()> {
    let f = Fixture::new().await?;
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    let client = f.test.db().client().await?;
    let reader = f.reader.clone();
    let request = tokio::spawn(async move {
        let query = SqlQuery { query: "SELECT pg_sleep(600)".to_owned(), ..SqlQuery::default() };
        reader.query("demo", &query).await
    });
    while client.query_one(running, &[]).await?.get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    request.abort();
    while client.query_one(running, &[]).await?.get::<_, i64>(0) > 0 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test]
async fn too_many_statements_at_once_are_turned_away() -> Result<()> {
    let limits =
        SqlLimits { project_connections: 1, wait: Duration::from_millis(200), ..SqlLimits::default() };
    let f = Fixture::with(limits).await?;
    let reader = f.reader.clone();
    let long = tokio::spawn(async move {
        let query = SqlQuery { query: "SELECT pg_sleep(20)".to_owned(), ..SqlQuery::default() };
        reader.query("demo", &query).await
    });
    let client = f.test.db().client().await?;
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    while client.query_one(running, &[]).await?.get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(f.run("SELECT 1").await, Err(SqlError::Busy)));
    // Another project has its own.
    f.reader.query("other", &SqlQuery { query: "SELECT 1".to_owned(), ..SqlQuery::default() }).await?;
    long.abort();
    Ok(())
}

#[tokio::test]
async fn a_temporary_login_reads_its_project_and_nothing_else() -> Result<()> {
    let f = Fixture::new().await?;
    let db = f.test.db();
    let login = roles::temporary_login(db, "demo").await?;
    let mut config = f.test.config().clone();
    config.user(&login.user).password(&login.password);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    assert_eq!(client.query("SELECT * FROM moods", &[]).await?.len(), 1);
    client.batch_execute("SET default_transaction_read_only = off").await?;
    for sql in [
        "DELETE FROM \"Visits-1\"",
        "SELECT * FROM other.moods",
        "CREATE TABLE demo.t ()",
        "CREATE TEMP TABLE t ()",
        "CREATE TABLE public.t ()",
    ] {
        assert_eq!(client.batch_execute(sql).await.unwrap_err().code().unwrap().code(), "42501", "{sql}");
    }
    // What it may do to roles concerns itself alone.
    let access = roles::project_access(&**db.client().await?, "demo").await?.unwrap();
    let steal = format!("ALTER ROLE \"{}\" PASSWORD 'x'", access.reader_login);
    assert!(client.batch_execute(&steal).await.is_err());
    let mut elsewhere = config.clone();
    elsewhere.dbname("postgres");
    assert!(elsewhere.connect(NoTls).await.is_err());

    assert_eq!(roles::expire_logins(db).await?, 0);
    db.client()
        .await?
        .execute("UPDATE granary.temporary_login SET expires_at = now() - interval '1 s'", &[])
        .await?;
    assert_eq!(roles::expire_logins(db).await?, 1);
    assert!(config.connect(NoTls).await.is_err());
    while client.batch_execute("SELECT 1").await.is_ok() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_project_reads_its_own_dead_letters() -> Result<()> {
    let f = Fixture::new().await?;
    f.test
        .db()
        .client()
        .await?
        .batch_execute(
            "INSERT INTO granary.dead_letter (project, stream, stage, definition_version, code, exception_type,
                 message, stacktrace, source_topic, source_partition, source_offset, payload, payload_is_text, headers)
             SELECT p, 's', 'belt:1', 1, 'c', '', p, '', 't', 0, 0, '{}', p = 'demo', '[]'
             FROM unnest(ARRAY['demo', 'other']) p",
        )
        .await?;
    let result = f.run("SELECT message, payload_text FROM dead_letter").await?;
    assert_eq!(result.rows, [[json!("demo"), json!("{}")]]);
    // A condition that fails on another project's row would tell that it is there.
    f.run("SELECT 1 FROM dead_letter WHERE 1 / (message <> 'other')::int = 1").await?;
    Ok(())
}

#[tokio::test]
async fn a_project_schema_can_be_made_again_and_removed() -> Result<()> {
    let f = Fixture::new().await?;
    let db = f.test.db();
    assert_eq!(f.run("SELECT 1").await?.rows.len(), 1);
    create_project_schema(db, "demo").await?;
    assert_eq!(f.run("SELECT count(*) FROM \"Visits-1\"").await?.rows.len(), 1);
    roles::drop_project_schema(db, "demo").await?;
    f.reader.forget("demo");
    assert!(matches!(f.run("SELECT 1").await, Err(SqlError::UnknownProject(_))));
    create_project_schema(db, "demo").await?;
    assert_eq!(f.run("SELECT 1").await?.rows.len(), 1);
    Ok(())
}
