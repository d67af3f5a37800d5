//! Every mistake that a configuration can hold, each with its remedy.

use std::fmt;
use std::time::Duration;

use super::builder::ResourceServerBuilder;
use super::default_client::roots_problem;
use super::introspection::Introspection;
use super::issuer::{Issuer, Keys};
use super::mtls::Mtls;
use super::token_shape::RolesAt;
use crate::error::ConfigProblem;
use crate::remote::refresh::KeyTiming;
use crate::remote::url;
use crate::token::scope::{SCOPE_REMEDY, is_scope_token};

/// Longest leeway; "a few minutes" is what RFC 7519 section 4.1.4 allows at most.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

impl ResourceServerBuilder {
    /// Every mistake in this configuration.
    pub(super) fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems: Vec<_> = self.issuers.iter().flat_map(|issuer| issuer.problems(self.allow_http)).collect();
        let mut names: Vec<&str> = self.issuers.iter().map(|issuer| issuer.identifier.as_str()).collect();
        names.sort_unstable();
        for pair in names.windows(2).filter(|pair| pair.first() == pair.last()) {
            let name = pair.first().copied().unwrap_or_default();
            problems.push(ConfigProblem::new(
                "issuer",
                url::shown(name),
                "stands twice; put both settings into one `Issuer`",
            ));
        }
        problems.extend(self.several_take_opaque());
        let audiences = self.audiences.iter().filter(|audience| !(audience.is_empty() && self.any_audience));
        problems.extend(audiences.filter_map(|audience| audience_problem(audience)));
        if let Some(resource) = &self.resource
            && let Err(bad) = url::check(resource, self.allow_http)
        {
            problems.push(ConfigProblem::new("resource", url::shown(resource), bad.remedy()));
        }
        if let Some(realm) = self.realm.as_ref().filter(|realm| !realm.bytes().all(|byte| matches!(byte, b' '..=b'~')))
        {
            problems.push(ConfigProblem::new("realm", realm, "must be printable ASCII to stand in a header"));
        }
        for scope in self.challenge_scope.iter().filter(|scope| !is_scope_token(scope)) {
            problems.push(ConfigProblem::new("challenge_scope", scope, SCOPE_REMEDY));
        }
        problems.extend(self.description_problems());
        problems.extend(self.mcp_problems());
        problems.extend(self.roles.problems());
        if self.http_client.is_some() && self.issuers.iter().any(|issuer| issuer.ca_pem.is_some()) {
            let remedy =
                "works with the default client only; with `http_client(..)` that client must know the roots itself";
            problems.push(ConfigProblem::new("ca_pem", "", remedy));
        }
        if self.public_only && self.http_client.is_some() {
            let remedy =
                "works with the default client only; with `http_client(..)` that client must refuse them itself";
            problems.push(ConfigProblem::new("block_private_addresses", "true", remedy));
        }
        problems.extend(self.mtls.iter().flat_map(Mtls::problems));
        problems.extend(self.dpop.iter().flat_map(|dpop| dpop.problems(self)));
        if self.leeway > MAX_LEEWAY {
            let remedy = "must be 300 s at most; compare the clocks instead";
            problems.push(ConfigProblem::new("leeway", format_args!("{:?}", self.leeway), remedy));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&self.cache_ttl) {
            let remedy = "must lie between 1 s and 1 h; `token_cache(0)` turns the cache off";
            problems.push(ConfigProblem::new("token_cache.max_ttl", format_args!("{:?}", self.cache_ttl), remedy));
        }
        problems
    }

    /// Nothing in an opaque token says whose it is, and it is shown to nobody but its issuer.
    fn several_take_opaque(&self) -> Option<ConfigProblem> {
        let takes = |issuer: &&Issuer| issuer.introspection.as_ref().is_some_and(Introspection::takes_opaque);
        let second = self.issuers.iter().filter(takes).nth(1)?;
        let remedy = "one issuer at most takes opaque tokens; this one can be asked about its JWTs only: \
                      `use_for(Introspect::Jwt)`, in a file `use_for = \"jwt\"`";
        let place = if second.label.is_empty() { String::new() } else { format!("{}.", second.label) };
        let setting = format!("{place}introspection.use_for");
        Some(ConfigProblem::new(setting, url::shown(&second.identifier), remedy))
    }
}

impl Issuer {
    fn problems(&self, allow_http: bool) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let bad_url = || url::check_issuer(&self.identifier, allow_http).err().map(|bad| bad.remedy());
        if let Some(remedy) = self.misnamed.or_else(bad_url) {
            problems.push(ConfigProblem::new("issuer", url::shown(&self.identifier), remedy));
        }
        let jwks_uri = if let Keys::Uri(uri) = &self.keys { Some(uri) } else { None };
        for (setting, url) in [("jwks_uri", jwks_uri), ("metadata_url", self.metadata_url.as_ref())] {
            if let Some((url, bad)) = url.and_then(|url| Some((url, url::check(url, allow_http).err()?))) {
                // A query may hold an access key.
                let shown = url::shown(url.split('?').next().unwrap_or_default());
                problems.push(ConfigProblem::new(setting, shown, bad.remedy()));
            }
        }
        if let Some(remedy) = self.ca_pem.as_ref().and_then(|pem| roots_problem(pem)) {
            problems.push(ConfigProblem::new("ca_pem", "", remedy));
        }
        self.key_problems(&mut problems);
        self.claim_problems(&mut problems);
        for audience in self.audiences.iter().flatten() {
            problems.extend(audience_problem(audience));
        }
        timing_problems(&self.timing, &mut problems);
        let introspection = self.introspection.iter();
        problems.extend(introspection.flat_map(|introspection| introspection.problems(&self.keys, allow_http)));
        if !self.label.is_empty() {
            let named = |problem: &mut ConfigProblem| {
                problem.setting = format!("{}.{}", self.label, problem.setting).into();
            };
            problems.iter_mut().for_each(named);
        }
        problems
    }

    fn claim_problems(&self, problems: &mut Vec<ConfigProblem>) {
        let mut add = |setting, value, remedy| problems.push(ConfigProblem::new(setting, value, remedy));
        let scopes = self.scope_claims.iter().map(|path| ("scope_claim", path));
        let named = scopes.chain(self.client_claim.iter().map(|path| ("client_claim", path)));
        let roles = self.roles.iter().filter_map(|place| match place {
            RolesAt::Claim(claim) => Some(("roles_claim", &claim.path)),
            RolesAt::OwnAudience { .. } => None,
        });
        for (setting, _) in named.chain(roles).filter(|(_, path)| path.is_empty()) {
            add(setting, "", "must name a claim");
        }
        if self.client_ids.as_ref().is_some_and(Vec::is_empty) {
            add("client_ids", "[]", "must name one client at least");
        }
        if self.client_ids.iter().flatten().any(String::is_empty) {
            add("client_ids", "", "must be the identifier of a client");
        }
    }

    fn key_problems(&self, problems: &mut Vec<ConfigProblem>) {
        let algorithms = self.algorithms_or_default();
        let mut add = |setting, value: &dyn fmt::Display, remedy: &str| {
            problems.push(ConfigProblem::new(setting, value, remedy));
        };
        if algorithms.is_empty() {
            add("algorithms", &"[]", "must name one algorithm at least");
        }
        let secret = matches!(self.keys, Keys::Secret(_));
        for algorithm in &algorithms {
            if secret && !algorithm.is_symmetric() {
                add("algorithms", algorithm, "needs a public key, but the issuer has a shared secret");
            }
            if !secret && algorithm.is_symmetric() {
                add(
                    "algorithms",
                    algorithm,
                    "works with a shared secret only; a key set never holds one: use `shared_secret(..)`",
                );
            }
        }
        match &self.keys {
            Keys::Secret(secret) => {
                let needed = algorithms.iter().map(|algorithm| algorithm.min_secret()).max().unwrap_or(32);
                if secret.len() < needed {
                    let remedy =
                        format!("must have {needed} bytes at least for the algorithms allowed (RFC 7518 section 3.2)");
                    add("shared_secret", &"", &remedy);
                } else if distinct_bytes(secret) < 8 {
                    add(
                        "shared_secret",
                        &"",
                        "can be guessed: it has fewer than 8 different bytes; use 32 random ones",
                    );
                }
            }
            Keys::Given(keys) if keys.keys().is_empty() => add("keys", &"", "must hold one usable key at least"),
            Keys::Given(keys) => {
                for key in keys.keys().iter().filter(|key| key.has_private_part()) {
                    add(
                        "keys",
                        &key.kid().unwrap_or("(no kid)"),
                        "holds the private part; a verifier must have the public part only",
                    );
                }
            }
            Keys::Discovery | Keys::Uri(_) => {}
        }
    }
}

/// What is wrong with an audience, be it the server's or one issuer's.
fn audience_problem(audience: &str) -> Option<ConfigProblem> {
    let remedy = match audience {
        "" => "must be the `aud` of tokens for this service; without one every token of the issuer would pass",
        text if text.starts_with('/') => "must be an absolute URI or the exact identifier that the issuer uses",
        text if text.contains('#') => "must not have a fragment (RFC 8707 section 2)",
        _ => return None,
    };
    Some(ConfigProblem::new("audience", url::shown(audience), remedy))
}

fn timing_problems(timing: &KeyTiming, problems: &mut Vec<ConfigProblem>) {
    let mut bounds = |setting, value: Duration, max: Duration| {
        if value < Duration::from_secs(1) || value > max {
            let remedy = format!("must lie between 1s and {max:?}");
            problems.push(ConfigProblem::new(setting, format_args!("{value:?}"), remedy));
        }
    };
    bounds("jwks_refresh", timing.refresh, Duration::from_secs(12 * 3600));
    bounds("jwks_cooldown", timing.cooldown, Duration::from_secs(300));
    bounds("jwks_stale", timing.stale, Duration::from_secs(7 * 86400));
    if timing.stale < timing.refresh {
        let remedy = "must be as long as `jwks_refresh` at least, or good keys would end before they are fetched anew";
        problems.push(ConfigProblem::new("jwks_stale", format_args!("{:?}", timing.stale), remedy));
    }
}

pub(super) fn distinct_bytes(secret: &[u8]) -> usize {
    let mut seen = secret.to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen.len()
}
