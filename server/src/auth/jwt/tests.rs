//! Tokens by keys of every kind, made here or by OpenSSL.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use tempfile::TempDir;

use super::*;

/// An RSA key of 2048 bits, as PKCS #8 and as PKCS #1, and its public key; and a P-256 key as SEC 1 with its public key: rcgen by
/// ring makes neither.
const RSA: &str = include_str!("testkeys/rsa.pem");
const RSA_PKCS1: &str = include_str!("testkeys/rsa-pkcs1.pem");
const RSA_PUBLIC: &str = include_str!("testkeys/rsa.pub");
const EC_SEC1: &str = include_str!("testkeys/ec-sec1.pem");
const EC_PUBLIC: &str = include_str!("testkeys/ec.pub");

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn open(&self, method: Algorithm, public: &str, private: &str) -> Result<Jwt, String> {
        let file = |name, text: &str| (!text.is_empty()).then(|| self.put(name, text));
        let (public, private) = (file("public", public), file("private", private));
        let settings = JwtSettings { method, public, private, ttl: Duration::from_secs(60) };
        let opened = Jwt::open(&settings);
        opened.map_err(|error| error.to_string().replace(&self.0.path().display().to_string(), ""))
    }
}

fn pairs() -> Vec<(Algorithm, String, String)> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let made = [
        (ES256, &PKCS_ECDSA_P256_SHA256),
        (ES384, &PKCS_ECDSA_P384_SHA384),
        (EdDSA, &PKCS_ED25519),
    ];
    let made = made.into_iter().map(|(method, kind)| {
        let key = KeyPair::generate_for(kind).unwrap();
        (method, key.public_key_pem(), key.serialize_pem())
    });
    let rsa = [RS256, RS384, RS512, PS256, PS384, PS512];
    let rsa = rsa.into_iter().map(|method| (method, RSA_PUBLIC.to_owned(), RSA.to_owned()));
    made.chain(rsa).collect()
}

#[test]
fn what_one_key_signed_it_verifies_and_no_other_does() {
    let files = Files::new();
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let other = files.open(Algorithm::ES256, "", &other).unwrap();
    for (method, public, private) in pairs() {
        let both = files.open(method, &public, &private).unwrap();
        let token = both.sign("alice", 7).unwrap();
        let private = files.open(method, "", &private).unwrap();
        let public = files.open(method, &public, "").unwrap();
        for jwt in [&both, &private, &public] {
            let found = jwt.verify(&token).unwrap();
            assert_eq!((found.user.as_str(), found.revision), ("alice", 7), "{method:?}");
            let left = found.left.unwrap().as_secs();
            assert!((50..=60).contains(&left), "{left}");
        }
        assert_eq!(public.sign("alice", 7), Err(RequestError::VerifyOnly));
        assert_eq!(other.verify(&token), None, "{method:?}");
    }
    for method in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let [one, another] = ["secret", "secret\n"].map(|it| files.open(method, "", it).unwrap());
        let token = one.sign("bob", 1).unwrap();
        assert_eq!(one.verify(&token).unwrap().user, "bob");
        assert_eq!(another.verify(&token), None, "every byte of the file counts");
    }
}

#[test]
fn keys_are_taken_in_each_form_that_openssl_writes() {
    let files = Files::new();
    files.open(Algorithm::RS256, RSA_PUBLIC, RSA_PKCS1).unwrap();
    files.open(Algorithm::ES256, EC_PUBLIC, EC_SEC1).unwrap();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = rcgen::CertificateParams::new([]).unwrap().self_signed(&key).unwrap();
    files.open(Algorithm::ES384, &certificate.pem(), &key.serialize_pem()).unwrap();
}

#[test]
fn a_key_that_does_not_fit_is_refused_with_file_and_reason() {
    let files = Files::new();
    let [one, other] = [(); 2].map(|()| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
    let (own, others) = (one.serialize_pem(), other.public_key_pem());
    for (method, public, private, said) in [
        (
            Algorithm::RS256,
            others.as_str(),
            "",
            "/public: it holds no public key for RS256: the key in it is of another kind",
        ),
        (
            Algorithm::ES384,
            &others,
            "",
            "/public: it holds no public key for ES384: the key in it is of another kind",
        ),
        (
            Algorithm::EdDSA,
            "text",
            "",
            "/public: it holds no public key for EdDSA: there is neither a public key",
        ),
        (Algorithm::RS256, "", &own, "/private: it holds no private key for RS256: "),
        (Algorithm::ES384, "", &own, "/private: it holds no private key for ES384: "),
        (
            Algorithm::ES256,
            "",
            &others,
            "/private: it holds no private key for ES256: there is no key in PEM",
        ),
        (Algorithm::ES256, &others, &own, "/public: it is not the public key of /private"),
        (Algorithm::PS256, RSA_PUBLIC, &own, "/private: it holds no private key for PS256: "),
    ] {
        let error = files.open(method, public, private).unwrap_err();
        assert!(error.starts_with(said), "{method:?}: {error}");
    }
    let nowhere = Some(files.0.path().join("nowhere"));
    let ttl = Duration::from_secs(1);
    let settings = JwtSettings { method: Algorithm::HS256, public: None, private: nowhere, ttl };
    let error = Jwt::open(&settings).unwrap_err().to_string();
    assert!(error.ends_with("nowhere: No such file or directory (os error 2)"), "{error}");
    files.put("empty", "");
    let empty = JwtSettings { private: Some(files.0.path().join("empty")), ..settings };
    assert!(Jwt::open(&empty).unwrap_err().to_string().ends_with("there is no secret in it"));
}

/// Goal: a token is good by its signature alone, never by what it says of itself (I1). Method: the same claims under other heads,
/// and other claims under the right one, all but one with a signature of the right key where the method has one.
#[test]
fn what_a_token_says_of_its_method_is_not_followed() {
    let files = Files::new();
    let jwt = files.open(Algorithm::HS256, "", "secret").unwrap();
    let longer = files.open(Algorithm::HS512, "", "secret").unwrap();
    let now = jsonwebtoken::get_current_timestamp();
    let signed = |head: &str, claims: &str| {
        let message = [head, claims].map(|it| BASE64_URL_SAFE_NO_PAD.encode(it)).join(".");
        let key = EncodingKey::from_secret(b"secret");
        let sign = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{sign}")
    };
    let good = format!(r#"{{"username":"a","revision":3,"exp":{}}}"#, now + 60);
    let head = r#"{"alg":"HS256"}"#;
    assert_eq!(jwt.verify(&signed(head, &good)).unwrap().user, "a");
    let without_end = jwt.verify(&signed(head, r#"{"username":"a","revision":3}"#)).unwrap();
    assert_eq!(without_end.left, None);
    let none = signed(r#"{"alg":"none"}"#, &good);
    let unsigned = none.rsplit_once('.').unwrap().0.to_owned() + ".";
    let mut bad =
        vec![none, unsigned, longer.sign("a", 3).unwrap(), String::new(), "a.b.c".to_owned()];
    bad.push(signed(r#"{"alg":"HS512"}"#, &good));
    for claims in [
        format!(r#"{{"username":"a","revision":3,"exp":{}}}"#, now - 1),
        format!(r#"{{"username":"a","revision":3,"exp":"{}"}}"#, now + 60),
        format!(r#"{{"username":"a","revision":3,"nbf":{}}}"#, now + 60),
        format!(r#"{{"username":"a","exp":{}}}"#, now + 60),
        format!(r#"{{"revision":3,"exp":{}}}"#, now + 60),
        format!(r#"{{"username":"a","revision":-3,"exp":{}}}"#, now + 60),
        "[]".to_owned(),
        String::new(),
    ] {
        bad.push(signed(head, &claims));
    }
    for token in bad {
        assert_eq!(jwt.verify(&token), None, "{token}");
    }
}
