//! Encryption.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use granary_collector::{Limits, Options, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Running, ask, codes, start_with};

const PIXEL: &str = "GET /i?e=pv HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

/// A client that trusts that certificate only.
async fn connect(running: &Running, trusted: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture(trusted)).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, running.connect().await).await
}

async fn start(tls: Tls) -> Running {
    start_with("127.0.0.1:0", Options::default(), Limits::default(), Some(tls)).await
}

#[tokio::test]
async fn events_come_in_encrypted_and_not_otherwise() {
    let running = start(Tls::open(fixture("first.pem"), fixture("first.key")).unwrap()).await;
    let mut client = connect(&running, "first.pem").await.unwrap();
    for _ in 0..2 {
        assert_eq!(codes(&ask(&mut client, PIXEL).await), [200]);
    }
    assert!(connect(&running, "second.pem").await.is_err());
    assert_eq!(codes(&running.exchange(PIXEL.as_bytes()).await), Vec::<u16>::new());
    assert_eq!(running.payloads().await.len(), 2);
    drop(client);
    running.end().await;
}

#[tokio::test]
async fn client_that_does_not_shake_hands_is_let_go() {
    let tls = Tls::open(fixture("first.pem"), fixture("first.key")).unwrap();
    let limits = Limits { head_timeout: Duration::from_millis(200), ..Limits::default() };
    let running = start_with("127.0.0.1:0", Options::default(), limits, Some(tls)).await;
    let mut client = running.connect().await;
    assert_eq!(crate::support::rest(&mut client).await, "");
    running.end().await;
}

#[tokio::test]
async fn renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    let mut age = 1_000;
    let mut put = |pem: &Path, private: &Path| {
        // Two changes within one tick of the clock of the file system would look like one.
        age -= 10;
        for (from, to) in [(pem, &certificate), (private, &key)] {
            std::fs::write(to, std::fs::read(from).unwrap()).unwrap();
            let file = std::fs::File::options().write(true).open(to).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
    };
    put(&fixture("first.pem"), &fixture("first.key"));
    let running = start(Tls::open(&certificate, &key).unwrap().look_again_after(Duration::ZERO)).await;
    connect(&running, "first.pem").await.unwrap();
    put(&fixture("second.pem"), &fixture("second.key"));
    connect(&running, "second.pem").await.unwrap();
    put(&fixture("make.sh"), &fixture("second.key"));
    connect(&running, "second.pem").await.unwrap();
    running.end().await;
}

#[test]
fn files_that_do_not_fit_are_named_with_what_is_wrong() {
    let (first, second) = (fixture("first.pem"), fixture("second.key"));
    let error = |certificate: &Path, key: &Path| match Tls::open(certificate, key) {
        Ok(_) => panic!("they were taken"),
        Err(error) => error.to_string(),
    };
    let missing = error(Path::new("/nowhere/tls.pem"), &second);
    assert!(missing.contains("could not read /nowhere/tls.pem"), "{missing}");
    let none = error(&second, &second);
    assert!(none.contains("expected one or more certificates"), "{none}");
    let none = error(&first, &first);
    assert!(none.contains("expected an unencrypted private key"), "{none}");
    let strangers = error(&first, &second);
    assert!(strangers.contains("cannot be used together"), "{strangers}");
}
