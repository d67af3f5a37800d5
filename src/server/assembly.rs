//! From a configuration without mistakes to a server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::{ConfigError, ConfigProblem};
use crate::remote::http_client::{Door, HttpClient};
use crate::remote::introspection::Introspector;
use crate::remote::last_good::KeyWatch;
use crate::remote::metadata::MetadataSource;
use crate::remote::url;
use crate::server::builder::ResourceServerBuilder;
use crate::server::default_client::{default_client, roots_problem};
use crate::server::issuer::{Issuer, Keys};
use crate::server::mtls::Mtls;
use crate::server::proofs::Proofs;
use crate::server::resource_server::{Inner, ResourceServer};
use crate::server::trusted::{KeySource, Trusted};
use crate::server::verifier::Verifier;
use crate::store::known_headers::KnownHeaders;
use crate::store::token_cache::TokenCache;
use crate::telemetry;
use crate::token::resource::{MetadataAddress, Resource, Schemes};
use crate::verify::audience::AudienceRule;
use crate::verify::crypto;
use crate::verify::outlook::Outlook;
use crate::verify::role_map::RoleGrants;
use crate::verify::rules::ClaimRules;

/// One deadline over a whole fetch, and the largest answer: 256 keys with certificates fit.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);
const MAX_DOCUMENT: usize = 512 * 1024;

/// The same for a call about a token, which a request waits for.
const INTROSPECTION_DEADLINE: Duration = Duration::from_secs(3);
const MAX_ANSWER: usize = 256 * 1024;

/// Clients by the roots that they believe.
type RootedClients = HashMap<Arc<[u8]>, Arc<dyn HttpClient>>;

impl ResourceServerBuilder {
    /// Checks everything and builds the server. Touches no network: an issuer that is down at start is
    /// asked again when tokens come.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake.
    pub fn build(self) -> Result<ResourceServer, ConfigError> {
        let mut problems = self.problems();
        let client = self.client().unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let rooted = self.rooted_clients().unwrap_or_else(|problem| {
            problems.push(problem);
            HashMap::new()
        });
        ConfigError::unless_empty(problems)?;
        let (bearer, proofs) = self.proofs();
        let dpop = proofs.as_ref().map(Proofs::algorithms);
        let resource = Arc::new(self.describe(Schemes { bearer, dpop }));
        let news = watch::Sender::new(0);
        let door = client.map(|client| Door {
            client,
            clock: self.clock.clone(),
            deadline: FETCH_DEADLINE,
            max_body: MAX_DOCUMENT,
            news: news.clone(),
        });
        let role_grants = Arc::new(self.roles.resolve());
        let issuers = self.issuers.iter().map(|issuer| {
            let own = issuer.ca_pem.as_ref().and_then(|pem| rooted.get(pem));
            let door = door.clone().map(|door| Door { client: own.unwrap_or(&door.client).clone(), ..door });
            let trusted = self.trust(issuer, &role_grants, &resource, door.as_ref());
            (trusted.rules.issuer.clone(), trusted)
        });
        let issuers = issuers.collect::<HashMap<_, _>>();
        let takes_opaque = |introspector: &&Arc<Introspector>| introspector.about_opaque().is_some();
        let mut introspectors = issuers.values().filter_map(|trusted| trusted.introspector.as_ref());
        let opaque = introspectors.find(takes_opaque).cloned();
        Ok(ResourceServer::from_inner(Inner {
            verifier: Verifier { issuers, opaque, headers: KnownHeaders::default() },
            cache: TokenCache::new(self.cache_bytes, self.cache_ttl, crypto::random()),
            leeway: self.leeway.as_secs(),
            clock: self.clock.clone(),
            proofs,
            certificates: self.mtls.as_ref().map(Mtls::prepare),
            key_watch: KeyWatch { attempts: news.subscribe() },
            resource,
        }))
    }

    /// Every mistake but those of the machine; for callers that have more to report.
    #[cfg(feature = "config")]
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless_empty(self.problems())
    }

    /// The given client, else the default one where an issuer is remote.
    fn client(&self) -> Result<Option<Arc<dyn HttpClient>>, ConfigProblem> {
        let calls =
            |issuer: &Issuer| matches!(issuer.keys, Keys::Discovery | Keys::Uri(_)) || issuer.introspection.is_some();
        let remote = self.issuers.iter().any(calls);
        match &self.http_client {
            Some(client) => Ok(Some(client.clone())),
            None if remote => default_client(self.public_only, None).map(Some),
            None => Ok(None),
        }
    }

    /// A client for each set of roots that issuers were given. A mistake in one is reported with the issuer's others.
    fn rooted_clients(&self) -> Result<RootedClients, ConfigProblem> {
        let mut clients = HashMap::new();
        let sets = self.issuers.iter().filter_map(|issuer| issuer.ca_pem.as_ref());
        for pem in sets.filter(|pem| roots_problem(pem).is_none()) {
            if !clients.contains_key(pem) {
                clients.insert(pem.clone(), default_client(self.public_only, Some(pem))?);
            }
        }
        Ok(clients)
    }

    /// The name that was given, else the first audience that is an address.
    pub(super) fn identifier(&self) -> Option<&String> {
        self.resource.as_ref().or_else(|| self.audiences.iter().find(|text| url::check(text, false).is_ok()))
    }

    fn describe(&self, schemes: Schemes) -> Resource {
        let first = self.audiences.first().cloned().unwrap_or_default();
        let url = |text: &&String| url::check(text, false).is_ok();
        let identifier = self.identifier().cloned();
        // Clients are not sent to an address that anybody on the way can answer.
        let metadata = identifier.as_ref().filter(url).and_then(|text| MetadataAddress::of(text));
        if metadata.as_ref().is_some_and(|metadata| metadata.query.is_some()) {
            telemetry::resource_has_query(identifier.as_deref().unwrap_or_default());
        }
        let identifier = identifier.unwrap_or(first);
        let printable = || identifier.chars().filter(|character| matches!(character, ' '..='~')).collect();
        Resource {
            realm: self.realm.clone().or_else(|| metadata.is_none().then(printable)),
            realm_is_chosen: self.realm.is_some(),
            metadata,
            authorization_servers: self.issuers.iter().map(|issuer| issuer.identifier.clone()).collect(),
            challenge_scope: (!self.challenge_scope.is_empty()).then(|| self.challenge_scope.join(" ")),
            refusal_body: self.refusal_body.clone(),
            audit_sink: self.audit_sink.clone(),
            schemes,
            binds_certificates: self.mtls.is_some(),
            authorization: self.authorization.clone(),
            challenges: Default::default(),
            description: self.description.clone(),
            strip_credentials: self.mcp,
            grpc_refusals: self.grpc_refusals,
            clock: self.clock.clone(),
            leeway: self.leeway.as_secs(),
            identifier,
        }
    }

    fn trust(
        &self,
        issuer: &Issuer,
        role_grants: &Arc<RoleGrants>,
        resource: &Arc<Resource>,
        door: Option<&Door>,
    ) -> Trusted {
        let audiences = issuer.audiences.clone().unwrap_or_else(|| self.audiences.clone());
        let address = issuer.metadata_url.as_ref().and_then(|url| url.parse().ok());
        let metadata = Arc::new(MetadataSource::new(&issuer.identifier, address, self.allow_http));
        let keys = self.keys_of(issuer, door, &metadata);
        let rules = Arc::new(ClaimRules {
            issuer: issuer.identifier.as_str().into(),
            roles_claims: issuer.roles_claims_for(&audiences),
            audience: AudienceRule {
                accepted: (!self.any_audience).then_some(audiences),
                client_ids: issuer.client_ids.clone().unwrap_or_default(),
            },
            leeway: self.leeway.as_secs(),
            max_lifetime: self.max_token_lifetime.map(|limit| limit.as_secs()),
            typ: issuer.typ,
            required: issuer.required.clone(),
            scope_claims: issuer.scope_claims.clone(),
            client_claim: issuer.client_claim.clone(),
            role_grants: role_grants.clone(),
            resource: resource.clone(),
        });
        let introspector = issuer.introspection.as_ref().zip(door).and_then(|(introspection, door)| {
            let door = Door { deadline: INTROSPECTION_DEADLINE, max_body: MAX_ANSWER, ..door.clone() };
            introspection.introspector(rules.clone(), &metadata, &door, keys.of_answers(), issuer.algorithms.as_deref())
        });
        Trusted {
            outlook: Outlook::new(&rules.audience),
            rules,
            algorithms: issuer.algorithms_or_default(),
            known: issuer.known,
            keys,
            introspector: introspector.map(Arc::new),
        }
    }

    fn keys_of(&self, issuer: &Issuer, door: Option<&Door>, metadata: &Arc<MetadataSource>) -> KeySource {
        let keys = issuer.key_source(door, metadata);
        let before = self.before.as_ref().and_then(|server| server.inner.verifier.remote(&issuer.identifier));
        if let (KeySource::Remote(remote), Some(before)) = (&keys, before) {
            remote.inherit(before);
        }
        keys
    }
}
