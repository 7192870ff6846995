//! Secrets on a real database, with keys in real folders.

use granary_catalog::event_type::{Directory, Entry as TypeEntry};
use granary_catalog::{EventKind, Person, Report, belt::BeltBody};
use granary_db::test_util::TestDatabase;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// The project that every database has.
const PROJECT: &str = "global";

struct Fixture {
    database: TestDatabase,
    data_dir: TempDir,
    secrets: Secrets,
}

impl Fixture {
    async fn new() -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(data_dir.path());
        Self { database: TestDatabase::create().await.unwrap(), data_dir, secrets }
    }

    async fn put(&self, name: &str, data: &[(&str, &str)]) -> i64 {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let sealed = self.secrets.seal(PROJECT, name, data).await.unwrap();
        let client = self.database.db().client().await.unwrap();
        secret::put(&client, PROJECT, name, &sealed, &Person::named("tester".to_owned())).await.unwrap()
    }

    async fn execute(&self, sql: &str) {
        self.database.db().client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    async fn of(&self, secrets: &Secrets, belt: &Belt) -> Result<SecretValues, Error> {
        secrets.of(&self.database.db().client().await.unwrap(), belt).await
    }
}

/// A belt whose variable `V` is this value.
fn belt(reference: Value) -> Belt {
    let types = Directory(vec![TypeEntry {
        name: "in".to_owned(),
        display_name: "in".to_owned(),
        kind: EventKind::DataIn,
        version: 1,
    }]);
    let env = json!([{"name": "V", "valueFrom": {"secretKeyRef": reference}}, {"name": "W", "value": "w"}]);
    let body = json!({"name": "b", "eventTypes": ["in"], "extraEnv": env});
    let mut report = Report::default();
    let read = BeltBody::read(&body, &mut report);
    Belt::create(PROJECT, 1, 0, read, &types, &mut report).expect("a belt")
}

fn password() -> Belt {
    belt(json!({"name": "mailer", "key": "password"}))
}

#[tokio::test]
async fn a_belt_gets_what_was_set_last_and_the_database_holds_none_of_it() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.put("mailer", &[("password", "hunter1"), ("user", "ada")]).await, 1);
    assert_eq!(fixture.put("mailer", &[("password", "hunter2"), ("user", "ada")]).await, 2);
    let values = fixture.of(&fixture.secrets, &password()).await.unwrap();
    let env = [("V", "hunter2"), ("W", "w")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(password().env_with(&values), env);
    assert_eq!(values.iter().collect::<Vec<_>>(), ["hunter2"], "it gets nothing that it does not name");
    let client = fixture.database.db().client().await.unwrap();
    let row: String = client.query_one("SELECT t::text FROM granary.secret t", &[]).await.unwrap().get(0);
    let in_hex: String = b"hunter".iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(row.contains("password") && !row.contains("hunter") && !row.contains(&in_hex), "{row}");
}

#[tokio::test]
async fn another_key_is_told_with_what_to_do_and_opens_again_when_it_is_put_back() {
    let fixture = Fixture::new().await;
    fixture.put("mailer", &[("password", "hunter2")]).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let others = Secrets::open(elsewhere.path());
    let error = fixture.of(&others, &password()).await.unwrap_err();
    assert!(matches!(error, Error::OtherKey { .. }), "{error}");
    let told = error.to_string();
    assert!(told.contains("put the right file back") && told.contains("granary secret set mailer"), "{told}");
    assert!(matches!(error.into(), crate::stage::Error::Final(_)), "waiting does not mend it");
    let place = |dir: &TempDir| dir.path().join(FILE);
    std::fs::copy(place(&fixture.data_dir), place(&elsewhere)).unwrap();
    assert_eq!(fixture.of(&others, &password()).await.unwrap().get("mailer", "password"), Some("hunter2"));
}

#[tokio::test]
async fn without_the_key_nothing_opens_until_secrets_are_set_anew() {
    let fixture = Fixture::new().await;
    fixture.put("mailer", &[("password", "hunter2")]).await;
    std::fs::remove_file(fixture.data_dir.path().join(FILE)).unwrap();
    let error = fixture.of(&fixture.secrets, &password()).await.unwrap_err();
    assert!(error.to_string().contains("secret.key back into the data directory"), "{error}");
    fixture.put("crm", &[("url", "http://crm.test")]).await;
    let error = fixture.of(&fixture.secrets, &password()).await.unwrap_err();
    assert!(matches!(error, Error::OtherKey { .. }), "{error}");
    fixture.put("mailer", &[("password", "hunter3")]).await;
    let values = fixture.of(&fixture.secrets, &password()).await.unwrap();
    assert_eq!(values.get("mailer", "password"), Some("hunter3"));
    // A belt that uses no secret never asks for the key.
    std::fs::write(fixture.data_dir.path().join(FILE), "not a key").unwrap();
    let mut plain = password();
    plain.extra_env = None;
    assert_eq!(fixture.of(&fixture.secrets, &plain).await.unwrap(), SecretValues::default());
    let error = fixture.of(&fixture.secrets, &password()).await.unwrap_err();
    assert!(matches!(error, Error::NoKey), "{error}");
}

#[tokio::test]
async fn values_that_changed_places_in_the_database_do_not_open() {
    let fixture = Fixture::new().await;
    fixture.put("mailer", &[("password", "hunter2"), ("user", "ada")]).await;
    fixture.put("other", &[("password", "swordfish"), ("user", "eve")]).await;
    let swaps = [
        "UPDATE granary.secret SET sealed = ARRAY[sealed[2], sealed[1]] WHERE name = 'mailer'",
        "UPDATE granary.secret t SET sealed = o.sealed FROM granary.secret o WHERE t.name = 'mailer' AND o.name = 'other'",
    ];
    for swap in swaps {
        fixture.execute(swap).await;
        let error = fixture.of(&fixture.secrets, &password()).await.unwrap_err();
        assert!(matches!(error, Error::Changed { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_value_that_is_not_there_is_an_error_unless_it_is_optional() {
    let fixture = Fixture::new().await;
    fixture.put("mailer", &[("user", "ada")]).await;
    for name in ["mailer", "nowhere"] {
        let wanted = belt(json!({"name": name, "key": "password"}));
        let error = fixture.of(&fixture.secrets, &wanted).await.unwrap_err();
        assert!(error.to_string().contains("'V' needs the value 'password'"), "{error}");
        let optional = belt(json!({"name": name, "key": "password", "optional": true}));
        let elsewhere = Secrets { data_dir: Path::new("/nowhere").into() };
        let values = fixture.of(&elsewhere, &optional).await.unwrap();
        assert_eq!(optional.env_with(&values), [("W".to_owned(), "w".to_owned())]);
    }
}
