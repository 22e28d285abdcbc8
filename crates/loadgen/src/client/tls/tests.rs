use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server's certificate, its key, and the file with whoever has signed it.
struct Made {
    certificate: CertificateDer<'static>,
    key: KeyPair,
    ca: tempfile::NamedTempFile,
}

fn file(pem: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    file
}

fn signed(params: &CertificateParams) -> Made {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    Made { certificate: certificate.der().clone(), key, ca: file(&ca.pem()) }
}

fn for_host(host: &str) -> CertificateParams {
    CertificateParams::new(vec![host.to_owned()]).unwrap()
}

/// What comes of a handshake with `localhost`, and of a word through it.
async fn handshake(made: &Made, tls: &Tls) -> Result<(), String> {
    let key = PrivatePkcs8KeyDer::from(made.key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.certificate.clone()], key.into())
        .unwrap();
    let (client, server) = duplex(16 << 10);
    let serve = async {
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(server).await else {
            return;
        };
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        stream.write_all(&word).await.unwrap();
        stream.flush().await.unwrap();
    };
    let ask = async {
        let mut stream = tls
            .connect("localhost", client, &ConnectionMeter::new(Arc::default()))
            .await
            .map_err(|error| error.to_string())?;
        stream.write_all(b"echo").await.unwrap();
        stream.flush().await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"echo");
        Ok(())
    };
    tokio::join!(serve, ask).1
}

fn trusting(made: &Made) -> Tls {
    Tls::new(Some(made.ca.path()), false).unwrap()
}

#[tokio::test]
async fn whom_the_user_trusts_is_trusted() {
    let good = signed(&for_host("localhost"));
    handshake(&good, &trusting(&good)).await.unwrap();
    let other = signed(&for_host("localhost"));
    let stranger = handshake(&other, &trusting(&good)).await.unwrap_err();
    assert!(stranger.contains("invalid peer certificate"), "{stranger}");
    handshake(&other, &Tls::new(None, true).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_for_its_host_and_its_time() {
    let elsewhere = signed(&for_host("example.org"));
    let error = handshake(&elsewhere, &trusting(&elsewhere)).await.unwrap_err();
    assert!(error.contains("not valid for name \"localhost\""), "{error}");
    let mut params = for_host("localhost");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    let old = signed(&params);
    let error = handshake(&old, &trusting(&old)).await.unwrap_err();
    assert!(error.contains("expired"), "{error}");
}

#[tokio::test]
async fn who_has_signed_oneself_is_trusted_when_named() {
    let mut params = for_host("localhost");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let own = Made { certificate: certificate.der().clone(), key, ca: file(&certificate.pem()) };
    handshake(&own, &trusting(&own)).await.unwrap();
    let other = signed(&for_host("localhost"));
    assert!(handshake(&own, &trusting(&other)).await.is_err());
}

#[test]
fn files_that_hold_no_certificate_are_named() {
    for (text, why) in
        [("", "holds no certificate"), ("-----BEGIN CERTIFICATE-----\nx\n", "cannot read")]
    {
        let file = file(text);
        let error = Tls::new(Some(file.path()), false).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let missing = Tls::new(Some(Path::new("/no/such.pem")), false).unwrap_err().to_string();
    assert!(missing.contains("/no/such.pem"), "{missing}");
}
