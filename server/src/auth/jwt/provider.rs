//! The cryptography of `jsonwebtoken`, by ring: the one that TLS goes by.

use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use ring::{error, hmac};
use signature::{Signer, Verifier};

static BY_RING: CryptoProvider = CryptoProvider {
    signer_factory: |method, key| Ok(Box::new(Signs::new(*method, key.as_bytes())?)),
    verifier_factory: |method, key| {
        let key = key.try_get_as_bytes()?.to_vec();
        Ok(Box::new(Verifies { method: *method, key }))
    },
    // For keys in JSON, which there are none of here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes it the process's; again is as good as once.
pub(super) fn install() {
    let _installed = BY_RING.install_default();
}

/// Signs by one method with one key.
struct Signs {
    method: Algorithm,
    key: SigningKey,
}

enum SigningKey {
    Hmac(hmac::Key),
    Rsa(&'static dyn RsaEncoding, RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signs {
    /// With a key as [`super::keys`] makes it: a secret, or PKCS #8.
    fn new(method: Algorithm, key: &[u8]) -> Result<Self> {
        let rsa =
            |encoding| RsaKeyPair::from_pkcs8(key).map(|pair| SigningKey::Rsa(encoding, pair));
        let ecdsa = |curve| {
            let pair = EcdsaKeyPair::from_pkcs8(curve, key, &SystemRandom::new());
            pair.map(SigningKey::Ecdsa)
        };
        let key = match method {
            Algorithm::RS256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::RS384 => rsa(&RSA_PKCS1_SHA384),
            Algorithm::RS512 => rsa(&RSA_PKCS1_SHA512),
            Algorithm::PS256 => rsa(&RSA_PSS_SHA256),
            Algorithm::PS384 => rsa(&RSA_PSS_SHA384),
            Algorithm::PS512 => rsa(&RSA_PSS_SHA512),
            Algorithm::ES256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map(SigningKey::Ed),
            other => Ok(SigningKey::Hmac(hmac::Key::new(digest(other)?, key))),
        };
        let key = key.map_err(|why| Error::from(ErrorKind::InvalidRsaKey(why.to_string())))?;
        Ok(Self { method, key })
    }
}

/// The hash of a method that signs with a secret.
fn digest(method: Algorithm) -> Result<hmac::Algorithm> {
    match method {
        Algorithm::HS256 => Ok(hmac::HMAC_SHA256),
        Algorithm::HS384 => Ok(hmac::HMAC_SHA384),
        Algorithm::HS512 => Ok(hmac::HMAC_SHA512),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

impl Signer<Vec<u8>> for Signs {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        let random = SystemRandom::new();
        let signed = match &self.key {
            SigningKey::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            SigningKey::Rsa(encoding, pair) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message, &mut signed).map(|()| signed)
            }
            SigningKey::Ecdsa(pair) => {
                pair.sign(&random, message).map(|signed| signed.as_ref().to_vec())
            }
            SigningKey::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        };
        signed.map_err(|error::Unspecified| signature::Error::new())
    }
}

impl JwtSigner for Signs {
    fn algorithm(&self) -> Algorithm {
        self.method
    }
}

/// Verifies by one method with one key: a secret, or the public key as it stands in a certificate.
struct Verifies {
    method: Algorithm,
    key: Vec<u8>,
}

impl Verifier<Vec<u8>> for Verifies {
    fn verify(
        &self,
        message: &[u8],
        signed: &Vec<u8>,
    ) -> std::result::Result<(), signature::Error> {
        let public: Option<&'static dyn VerificationAlgorithm> = match self.method {
            Algorithm::RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Some(&RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Some(&RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Some(&RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Some(&ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Some(&ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Some(&ED25519),
            _ => None,
        };
        let verified = if let Some(method) = public {
            UnparsedPublicKey::new(method, &self.key).verify(message, signed)
        } else {
            let digest = digest(self.method).map_err(signature::Error::from_source)?;
            hmac::verify(&hmac::Key::new(digest, &self.key), message, signed)
        };
        verified.map_err(|error::Unspecified| signature::Error::new())
    }
}

impl JwtVerifier for Verifies {
    fn algorithm(&self) -> Algorithm {
        self.method
    }
}
