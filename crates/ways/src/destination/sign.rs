//! Signatures of what is sent: Standard Webhooks 1.0.0, symmetric.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Revealed;

/// Signs with one secret.
pub(super) struct Signer {
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// `None` where what follows `whsec_` is no base64, or the key is empty.
    pub(super) fn new(secret: &Revealed) -> Option<Self> {
        let key = match secret.as_str().strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).ok()?,
            None => secret.as_str().as_bytes().to_vec(),
        };
        let key = Zeroizing::new(key);
        Hmac::new_from_slice(Some(&key).filter(|key| !key.is_empty())?).ok().map(|keyed| Self { keyed })
    }

    /// Value of `webhook-signature`.
    pub(super) fn signature(&self, id: &str, timestamp: u64, body: &str) -> String {
        let mut mac = self.keyed.clone();
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // The example of the specification's own libraries.
        let signer = Signer::new(&Revealed::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signature = signer.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for none in ["whsec_no base64!", "whsec_", ""] {
            assert!(Signer::new(&Revealed::from(none)).is_none(), "{none:?}");
        }
        let plain = Signer::new(&Revealed::from("plain")).unwrap();
        assert_ne!(plain.signature("a", 1, "b"), plain.signature("a", 2, "b"));
    }
}
