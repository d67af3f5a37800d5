//! From the settings of introspection to what asks: every mistake they can hold, and the machine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::introspection::{Credentials, Introspection};
use super::issuer::Keys;
use crate::error::ConfigProblem;
use crate::remote::http_client::Door;
use crate::remote::introspection::{
    Address, AnswerKeys, Assertion, Caller, ClientAuth, Introspector, Lives, Setup, SignedAnswers,
};
use crate::remote::metadata::MetadataSource;
use crate::remote::url;
use crate::verify::algorithm::Algorithm;
use crate::verify::rules::ClaimRules;
use crate::verify::signing::{BadPrivateKey, PrivateKey};

impl Introspection {
    fn parsed_key(&self, text: &[u8]) -> Result<PrivateKey, BadPrivateKey> {
        PrivateKey::parse(text, self.key_algorithm, self.key_id.as_deref())
    }

    /// The ways an answer may be signed.
    fn answer_algorithms(&self, of_issuer: Option<&[Algorithm]>) -> Vec<Algorithm> {
        match (self.signed_algorithm, of_issuer) {
            (Some(algorithm), _) => vec![algorithm],
            (None, Some(algorithms)) => algorithms.to_vec(),
            (None, None) => vec![Algorithm::RS256],
        }
    }

    /// Every mistake. A secret is never shown.
    pub(super) fn problems(&self, keys: &Keys, allow_http: bool) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut add = |setting: &'static str, value: &dyn fmt::Display, remedy: &str| {
            problems.push(ConfigProblem::new(setting, value, remedy));
        };
        if self.client_id.is_empty() {
            add("introspection.client_id", &"", "must name this service as the issuer knows it");
        }
        match &self.credentials {
            Credentials::None => add(
                "introspection.client_secret",
                &"",
                "is missing: the endpoint must know who asks; give a secret or `private_key`",
            ),
            Credentials::Basic(secret) | Credentials::Post(secret) if secret.is_empty() => {
                add("introspection.client_secret", &"", "must not be empty");
            }
            Credentials::Basic(_) | Credentials::Post(_) => {}
            Credentials::Key(text) => {
                if let Err(bad) = self.parsed_key(text) {
                    add("introspection.private_key", &"", &bad.to_string());
                }
            }
        }
        for (setting, text) in
            [("introspection.endpoint", &self.endpoint), ("introspection.legacy_audience", &self.legacy_audience)]
        {
            if let Some((text, Err(bad))) = text.as_ref().map(|text| (text, url::check(text, allow_http))) {
                add(setting, &url::shown(text), bad.remedy());
            }
        }
        let bounds = Duration::from_secs(1)..=Duration::from_secs(86400);
        if let Some(interval) = self.recheck.filter(|interval| !bounds.contains(interval)) {
            add("introspection.recheck", &format_args!("{interval:?}"), "must lie between 1 s and 24 h");
        }
        if self.cache_ttl > Duration::from_secs(300) {
            let remedy = "must be 5 min at most: so long a token works after it was revoked";
            add("introspection.cache_ttl", &format_args!("{:?}", self.cache_ttl), remedy);
        }
        if !(1..=1024).contains(&self.max_in_flight) {
            add("introspection.max_in_flight", &self.max_in_flight, "must lie between 1 and 1024");
        }
        if self.signed && matches!(keys, Keys::Secret(_)) {
            add("introspection.signed_response", &"true", "needs public keys of the issuer, which has a shared secret");
        }
        if let Some(algorithm) = self.signed_algorithm.filter(|algorithm| algorithm.is_symmetric()) {
            add("introspection.signed_response", &algorithm, "must be an algorithm with a public key");
        }
        problems
    }

    /// The authentication as configured; none only where it holds a mistake.
    fn client_auth(&self, issuer: &str) -> Option<ClientAuth> {
        let client_id = self.client_id.clone();
        Some(match &self.credentials {
            Credentials::None => return None,
            Credentials::Basic(secret) => ClientAuth::Basic { client_id, secret: secret.clone() },
            Credentials::Post(secret) => ClientAuth::Post { client_id, secret: secret.clone() },
            Credentials::Key(text) => ClientAuth::PrivateKey(Assertion {
                client_id,
                audience: self.legacy_audience.clone().unwrap_or_else(|| issuer.into()),
                typ: if self.legacy_typ { "JWT" } else { "client-authentication+jwt" },
                key: self.parsed_key(text).ok()?,
            }),
        })
    }

    /// What asks the issuer. Calls nobody. None only where the settings hold a mistake.
    pub(super) fn introspector(
        &self,
        rules: Arc<ClaimRules>,
        metadata: &Arc<MetadataSource>,
        door: &Door,
        keys: AnswerKeys,
        of_issuer: Option<&[Algorithm]>,
    ) -> Option<Introspector> {
        let auth = self.client_auth(&rules.issuer)?;
        let address = match &self.endpoint {
            Some(url) => Address::Given(url.parse().ok()?),
            None => Address::Discovered(metadata.clone()),
        };
        let issuer = rules.issuer.clone();
        Some(Introspector::new(Setup {
            caller: Caller { issuer, address, auth, signed: self.signed, door: door.clone() },
            signed: self.signed.then(|| SignedAnswers {
                keys,
                algorithms: self.answer_algorithms(of_issuer),
                client_id: self.client_id.clone(),
            }),
            rules,
            lives: Lives { opaque: self.cache_ttl, jwt: self.jwt_life() },
            takes_opaque: self.takes_opaque(),
            audience_may_be_missing: self.audience_may_be_missing,
            max_in_flight: self.max_in_flight,
        }))
    }
}
