//! Reads the keys of tokens: PEM as etcd takes it, to what ring takes.

use std::path::Path;

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::config::JwtSettings;
use crate::tls::{TlsError, read_file};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ECDSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The keys of `settings`: to sign with, if there is one, and to verify with.
pub(super) fn read(settings: &JwtSettings) -> Result<(Option<EncodingKey>, DecodingKey), TlsError> {
    let method = settings.method;
    let private = settings.private.as_deref().map(|path| Ok((path, read_file(path)?)));
    let private = private.transpose()?;
    if method.family() == AlgorithmFamily::Hmac {
        let (path, secret) = private.unwrap_or((Path::new("priv-key"), Vec::new()));
        if secret.is_empty() {
            return Err(TlsError::new(path, "there is no secret in it"));
        }
        let keys = (EncodingKey::from_secret(&secret), DecodingKey::from_secret(&secret));
        return Ok((Some(keys.0), keys.1));
    }
    let pair = private.map(|(path, bytes)| pair(method, path, &bytes)).transpose()?;
    let (signs, own) = pair.map_or((None, None), |(signs, own)| (Some(signs), Some(own)));
    let public = match (&settings.public, own) {
        (Some(path), _) => public(method, path, &read_file(path)?)?,
        (None, own) => own.unwrap_or_default(),
    };
    let signs = signs.map(|key| match method.family() {
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_der(&key),
        AlgorithmFamily::Ec => EncodingKey::from_ec_der(&key),
        _ => EncodingKey::from_ed_der(&key),
    });
    let verifies = match method.family() {
        AlgorithmFamily::Rsa => DecodingKey::from_rsa_der(&public),
        AlgorithmFamily::Ec => DecodingKey::from_ec_der(&public),
        _ => DecodingKey::from_ed_der(&public),
    };
    Ok((signs, verifies))
}

/// A private key as PKCS #8, and the public key that belongs to it.
fn pair(method: Algorithm, path: &Path, bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), TlsError> {
    let refuse = |problem: &dyn std::fmt::Display| {
        let problem = format!("it holds no private key for {method:?}: {problem}");
        TlsError::new(path, problem)
    };
    let key = PrivateKeyDer::from_pem_slice(bytes)
        .map_err(|_| refuse(&"there is no key in PEM and without a passphrase in it"))?;
    let pkcs8 = match &key {
        PrivateKeyDer::Pkcs1(key) => wrapped(RSA_ALGORITHM, key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) if method == Algorithm::ES384 => {
            wrapped(P384_ALGORITHM, key.secret_sec1_der())
        }
        PrivateKeyDer::Sec1(key) => wrapped(P256_ALGORITHM, key.secret_sec1_der()),
        other => other.secret_der().to_vec(),
    };
    let public = match method.family() {
        AlgorithmFamily::Rsa => {
            RsaKeyPair::from_pkcs8(&pkcs8).map(|pair| pair.public_key().as_ref().to_vec())
        }
        AlgorithmFamily::Ec => {
            let curve = if method == Algorithm::ES384 {
                &ECDSA_P384_SHA384_FIXED_SIGNING
            } else {
                &ECDSA_P256_SHA256_FIXED_SIGNING
            };
            let pair = EcdsaKeyPair::from_pkcs8(curve, &pkcs8, &SystemRandom::new());
            pair.map(|pair| pair.public_key().as_ref().to_vec())
        }
        _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8)
            .map(|pair| pair.public_key().as_ref().to_vec()),
    };
    let public = public.map_err(|problem| refuse(&problem))?;
    Ok((pkcs8, public))
}

/// A public key, or that of a certificate.
fn public(method: Algorithm, path: &Path, bytes: &[u8]) -> Result<Vec<u8>, TlsError> {
    let refuse = |problem: &str| {
        TlsError::new(path, format!("it holds no public key for {method:?}: {problem}"))
    };
    let key = if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(bytes) {
        SubjectPublicKeyInfoOwned::from_der(&key).ok()
    } else {
        let certificate = CertificateDer::from_pem_slice(bytes).ok();
        let decoded = certificate.and_then(|it| CertificateInner::<Raw>::from_der(&it).ok());
        decoded.map(|it| it.tbs_certificate().subject_public_key_info().clone())
    };
    let key =
        key.ok_or_else(|| refuse("there is neither a public key nor a certificate in PEM in it"))?;
    let curve = key.algorithm.parameters.as_ref().and_then(|it| it.decode_as().ok());
    let fits = match (method, curve) {
        (Algorithm::ES256, curve) => key.algorithm.oid == ECDSA && curve == Some(P256),
        (Algorithm::ES384, curve) => key.algorithm.oid == ECDSA && curve == Some(P384),
        (Algorithm::EdDSA, _) => key.algorithm.oid == ED25519,
        _ => key.algorithm.oid == RSA,
    };
    let key = key.subject_public_key.as_bytes().filter(|_| fits);
    key.map(<[u8]>::to_vec).ok_or_else(|| refuse("the key in it is of another kind"))
}

/// `AlgorithmIdentifier` of RSA keys, and of those on the two curves.
const RSA_ALGORITHM: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const P256_ALGORITHM: &[u8] = &[
    0x30, 19, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7,
];
const P384_ALGORITHM: &[u8] =
    &[0x30, 16, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 34];

/// A key of a form of its own, PKCS #1 or SEC 1, as PKCS #8.
fn wrapped(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    const VERSION: &[u8] = &[2, 1, 0];
    let body = [VERSION, algorithm, &der(0x04, key)].concat();
    der(0x30, &body)
}

/// A value in DER, of at most 65535 bytes: what is longer is cut, and then no key.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    let head: &[u8] = match length {
        0..128 => &[tag, low],
        128..256 => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, content].concat()
}
